"""What an operator asks for is kept or refused, never quietly dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.checks import broker, model
from gateway.config import Loaded, load
from gateway.config_tables import DetectionTable
from gateway.detection.policy import PolicyRefused
from gateway.judgement import demands

if TYPE_CHECKING:
    from pathlib import Path


def configured(folder: Path, text: str) -> Loaded:
    """Return a configuration with these lines in it."""
    (folder / "gateway.toml").write_text(f'[gateway]\nid = "bay-1"\n{text}\n')
    return load(folder / "gateway.toml")


def test_a_limit_for_a_substance_by_the_wrong_name_is_refused_with_the_right_ones(tmp_path: Path) -> None:
    """"RDX" is "RDX (alpha)" here: a demand of 0.5 kg must not silently become the default of 8."""
    assert demands(DetectionTable(limit_kg_max={"RDX (alpha)": 0.5})).allowed_kg("RDX (alpha)") == 0.5
    with pytest.raises(PolicyRefused, match=r"detection\.limit_kg_max\.'RDX' = 0.5: .*RDX \(alpha\)"):
        demands(DetectionTable(limit_kg_max={"RDX": 0.5}))
    found = model(configured(tmp_path, "[detection]\nlimit_kg_max = { RDX = 0.5 }"))
    assert (found.word, "no such covered substance" in found.found) == ("FAIL", True)


def test_the_files_of_the_publisher_are_seen_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    """As every other path in it; `check` looks at the very file that the publisher will open."""
    (tmp_path / "ca.pem").write_text("")
    settings = configured(tmp_path, '[publisher]\ntls_ca = "ca.pem"\ntls_cert = "/etc/x.pem"').publisher()
    assert (settings.tls_ca, settings.tls_cert, settings.tls_key) == (str(tmp_path / "ca.pem"), "/etc/x.pem", "")


def test_a_password_file_that_is_not_there_is_found_by_check(tmp_path: Path) -> None:
    """The broker is not even asked."""
    found = broker(configured(tmp_path, '[publisher]\nusername = "bay"\npassword_file = "secret"'))
    assert (found.word, "publisher.password_file" in found.found) == ("FAIL", True)

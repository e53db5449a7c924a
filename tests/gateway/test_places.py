"""Where the gateway keeps things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.config import load
from gateway.places import places

if TYPE_CHECKING:
    from pathlib import Path


def test_relative_folders_start_from_the_configuration_and_long_ones_for_sockets_are_refused(tmp_path: Path) -> None:
    """The same file gives the same places from wherever it is called; a path the kernel cannot bind is named."""
    file = tmp_path / "gateway.toml"
    file.write_text('[gateway]\nid = "bay"\nstate_dir = "s"\nrun_dir = "/r"\npublisher_dir = "../p"\n')
    found = places(load(file))
    assert found.journal == tmp_path / "s" / "journal.db"
    assert str(found.control) == "/r/control.sock"
    assert found.publisher_state == tmp_path / ".." / "p"
    file.write_text(f'[gateway]\nid = "bay"\nrun_dir = "/{"r" * 100}"\n')
    with pytest.raises(ValueError, match=r"gateway\.run_dir = .*must be shorter.*107"):
        places(load(file))

"""The digest of the software in every record can be repeated with a shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gateway.software import software_sha256

ROOT = Path(__file__).parents[2]


def test_anyone_can_repeat_the_softwares_digest_with_sha256sum() -> None:
    """The lines of sha256sum over the packages' files, sorted, and their SHA-256: docs/record.md."""
    words = r"""find calibration drivers gateway \( -name '*.py' -o -name '*.toml' -o -name '*.tflite' \) -type f \
        | xargs sha256sum | LC_ALL=C sort | sha256sum"""
    done = subprocess.run(["bash", "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == software_sha256().hex()

"""Which software this is: a version for people, and a digest of the very files that run. Edge: reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import calibration
import drivers
import gateway

PACKAGES = (calibration, drivers, gateway)  # what a record can depend on; the emulated world is no part of it
SUFFIXES = {".py", ".toml", ".tflite"}


def software_sha256() -> bytes:
    """Return the SHA-256 over the names and digests of all files of the packages, in order of their names.

    The same line for each file as `sha256sum` prints, so that anyone can repeat it: see docs/record.md.
    """
    return listed_sha256(tuple(Path(package.__path__[0]) for package in PACKAGES))


def detection_sha256() -> bytes:
    """Return the same over what the score of a scan hangs on: the decision, the line tables and the calibration."""
    return listed_sha256((Path(calibration.__path__[0]), Path(gateway.__path__[0]) / "detection"))


def listed_sha256(folders: tuple[Path, ...]) -> bytes:
    """Return the SHA-256 over a line for each file in the folders, each named from the folder's own name on."""
    lines = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in SUFFIXES:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                lines.append(f"{digest}  {folder.name}/{path.relative_to(folder).as_posix()}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).digest()

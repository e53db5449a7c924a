"""Write a file whole or not at all: beside its place first, then into it in one step. Edge.

Rule: another file is never written over, and half a file never has the name of a whole one.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

MODE = 0o644  # a signature makes it trustworthy, not who may read it


def write_whole(path: Path, data: bytes) -> None:
    """Write a new file durably. Raises FileExistsError where one is there, or OSError; then nothing is left behind."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    whole = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, MODE)
        path.hardlink_to(whole)     # unlike a rename it fails where somebody was faster
    finally:
        whole.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

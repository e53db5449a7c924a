"""Captures of every instrument, shipped as test material: text files `<driver>[-what].capture`.

Rule: a capture says in its header where its bytes come from; drivers/capture.py reads and writes the format.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def shipped_captures() -> tuple[Traversable, ...]:
    """Return the files of all shipped captures, by name."""
    found = [entry for entry in files(__name__).iterdir() if entry.name.endswith(".capture")]
    return tuple(sorted(found, key=lambda entry: entry.name))

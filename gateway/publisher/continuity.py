"""Is this the journal that we published from? Only its origin and the record at our mark can tell. Pure.

A wrong guess here repeats records and never skips any: a journal that is not surely the same is a new one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from gateway.publisher.source import Away

if TYPE_CHECKING:
    from gateway.publisher.lane import Mark
    from gateway.publisher.source import Entry, Journal


def what_changed(journal: Journal, known_origin: str, origin: str, mark: Mark) -> str | Away:
    """Return why a journal is not the one that was published up to `mark`; empty where it is."""
    if known_origin not in {"", origin}:
        return f"its origin is {origin!r}, it was {known_origin!r}"
    last = journal.last_index()
    if isinstance(last, Away) or mark.index < 0:
        return last if isinstance(last, Away) else ""
    if last < mark.index:
        return f"it ends at record {last}, but record {mark.index} was already published"
    there = journal.records_after(mark.index - 1, 1, 1)
    if isinstance(there, Away):
        return there
    if there and there[0].index == mark.index and digest(there[0]) != mark.sha256:
        return f"record {mark.index} is not the one that was published"
    return ""


def digest(entry: Entry) -> bytes:
    """Return the SHA-256 of the signed bytes."""
    return hashlib.sha256(entry.message).digest()

"""A journal's rows as three streams, from the very first to a stated last, a few in memory at a time.

They begin below every allowed number, so that a row with an impossible one is met and not passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.evidence.reader import JournalReader, Stored, StoredCheckpoint, StoredRaw

INT64_MIN = -(2**63)
ROWS = 256          # records or checkpoints in one read
RAWS = 8            # raw scans have hundreds of kilobytes each


def records_of(reader: JournalReader, total: int) -> Iterator[Stored]:
    """Yield every record with an index below `total`."""
    start = INT64_MIN
    while rows := reader.records(start, ROWS):
        for stored in rows:
            if stored.index >= total:
                return
            yield stored
        start = rows[-1].index + 1


def checkpoints_of(reader: JournalReader, newest: StoredCheckpoint | None) -> Iterator[StoredCheckpoint]:
    """Yield every checkpoint up to the size of `newest`."""
    after = INT64_MIN
    while newest is not None and (rows := reader.checkpoints(after, ROWS)):
        for stored in rows:
            if stored.size > newest.size:
                return
            yield stored
        after = rows[-1].size


def raws_of(reader: JournalReader, last: int) -> Iterator[StoredRaw]:
    """Yield all raw data up to the one numbered `last`."""
    after = INT64_MIN
    while rows := reader.raws(after, RAWS):
        for number, stored in rows:
            if number > last:
                return
            yield stored
        after = rows[-1][0]

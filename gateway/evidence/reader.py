"""Read a journal that another process writes: by cursor, in small reads, never holding it.

A reader cannot write, and waits where the gateway is down; it never opens a live journal as immutable.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable, connect_reader, octets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

BATCH_MAX = 1024       # records in one read: at 64 KiB each no more than 64 MiB, in practice about 1 MiB


@dataclass(frozen=True, slots=True)
class Stored:
    """One record as it lies in the journal. Nothing in it is verified."""

    index: int
    message: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One checkpoint as it lies in the journal. Nothing in it is verified."""

    size: int
    note: bytes
    peaks: bytes


@dataclass(frozen=True, slots=True)
class StoredRaw:
    """Raw data as it lies beside the journal, under its digest, with the first record that named it."""

    sha256: bytes
    data: bytes
    index: int


class JournalReader:
    """Read-only access. Every call may raise JournalUnavailable (wait, try again) or JournalCorrupt.

    After JournalUnavailable the next call connects anew, so one reader outlives any number of gateway restarts.
    A journal that was set aside and begun anew is noticed too: `origin` changes, and a cursor must start over.
    """

    def __init__(self, path: Path, *, at_rest: bool = False) -> None:
        """Prepare to read `path`. `at_rest` is for a copy that nobody writes, on a medium that may be read-only."""
        self.path = path
        self._at_rest = at_rest
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def origin(self) -> str:
        """Return the name of this log, as its checkpoints carry it."""
        return self.meta("origin")

    def gateway(self) -> str:
        """Return the name of the gateway this journal belongs to."""
        return self.meta("gateway")

    def meta(self, key: str) -> str:
        """Return one entry of the journal's own description, empty where it has none."""
        with self._reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def size(self) -> int:
        """Return one more than the highest index of a committed record."""
        with self._reading() as connection:
            last = connection.execute("SELECT max(idx) FROM record").fetchone()[0]
        return 0 if last is None else int(last) + 1

    def records(self, start: int, limit: int = BATCH_MAX) -> list[Stored]:
        """Return the records from index `start` on, in order, at most `limit` of them."""
        query = "SELECT idx, message, leaf FROM record WHERE idx >= ? ORDER BY idx LIMIT ?"
        with self._reading() as connection:
            rows = connection.execute(query, (start, min(limit, BATCH_MAX))).fetchall()
        return [Stored(index, octets(message), octets(leaf)) for index, message, leaf in rows]

    def newest_checkpoint(self) -> StoredCheckpoint | None:
        """Return the checkpoint with the largest size, None where there is none yet."""
        with self._reading() as connection:
            query = "SELECT size, note, peaks FROM checkpoint ORDER BY size DESC LIMIT 1"
            row = connection.execute(query).fetchone()
        return None if row is None else StoredCheckpoint(row[0], octets(row[1]), octets(row[2]))

    def checkpoints(self, after: int, limit: int = BATCH_MAX) -> list[StoredCheckpoint]:
        """Return the checkpoints with a size above `after`, smallest first, at most `limit` of them."""
        query = "SELECT size, note, peaks FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?"
        with self._reading() as connection:
            rows = connection.execute(query, (after, min(limit, BATCH_MAX))).fetchall()
        return [StoredCheckpoint(size, octets(note), octets(peaks)) for size, note, peaks in rows]

    def raw(self, sha256: bytes) -> StoredRaw | None:
        """Return raw data by its digest, None where it is not kept (any more)."""
        with self._reading() as connection:
            row = connection.execute("SELECT sha256, data, idx FROM raw WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else stored_raw(*row)

    def last_raw(self) -> int:
        """Return the number of the newest raw data kept, 0 where there are none."""
        with self._reading() as connection:
            return int(connection.execute("SELECT coalesce(max(rowid), 0) FROM raw").fetchone()[0])

    def raws(self, after: int, limit: int) -> list[tuple[int, StoredRaw]]:
        """Return raw data in the order of the records that named them first, each with its own number."""
        query = "SELECT rowid, sha256, data, idx FROM raw NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ?"
        with self._reading() as connection:
            rows = connection.execute(query, (after, limit)).fetchall()
        return [(row[0], stored_raw(*row[1:])) for row in rows]

    def leaves(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the stored leaf hashes from index `start` to one before `end`."""
        query = "SELECT leaf FROM record WHERE idx >= ? AND idx < ? ORDER BY idx"
        for first in range(start, end, BATCH_MAX):
            with self._reading() as connection:
                rows = connection.execute(query, (first, min(first + BATCH_MAX, end))).fetchall()
            yield from (octets(row[0]) for row in rows)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to the file that now has the journal's name, in this module's own errors."""
        try:
            inode = self.path.stat().st_ino
            if self._connection is not None and inode != self._inode:
                self.close()
            if self._connection is None:
                self._connection = connect_reader(self.path, immutable=self._at_rest)
                self._inode = inode
            yield self._connection
        except (sqlite3.OperationalError, OSError) as error:
            self.close()
            said = error.strerror if isinstance(error, OSError) else error
            raise JournalUnavailable(f"{self.path}: {said}; is this the journal's place?") from error
        except sqlite3.DatabaseError as error:
            self.close()
            raise JournalCorrupt(f"{self.path}: {error}") from error


def stored_raw(sha256: object, data: object, index: object) -> StoredRaw:
    """Return raw data from a row; an index that is none becomes -1, which no record has."""
    return StoredRaw(octets(sha256), octets(data), index if type(index) is int else -1)


def is_at_rest(path: Path) -> bool:
    """Tell whether a journal has no write-ahead log, so that nobody writes it and all of it is in its one file.

    Such a journal can be read without leaving a trace beside it, from a read-only medium too.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        return log.stat().st_size == 0
    except FileNotFoundError:
        return True


def reader_of(path: Path) -> JournalReader:
    """Return a reader for one look at a journal, live or at rest. The publisher, which stays, makes its own."""
    return JournalReader(path, at_rest=is_at_rest(path))

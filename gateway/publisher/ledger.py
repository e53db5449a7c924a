"""The publisher's own memory on disk: how far it came, what is held back, what was refused. Edge.

Saved after the acknowledgement and before anything more is sent: a restart repeats at most what was in flight.
SQLite in WAL mode with synchronous=NORMAL: a killed process loses nothing, a power cut at most the last
moments, and always as one consistent step back (sqlite.org/pragma.html#pragma_synchronous). That repeats
records at the broker and never loses one.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from gateway.publisher.lane import Mark

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gateway.publisher.lane import Lane

# A refused record costs about 100 bytes here. A list that grows beyond this means that something other than
# single records is wrong; the publisher then stops in front of the next one rather than forget it.
REFUSED_MAX = 100_000
START = (-1, b"")         # in front of every record of the list
INCIDENTS_KEPT_MAX = 100  # enough to see a pattern; the newest count

SCHEMA = """
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL,
    last_index INTEGER NOT NULL, sha256 BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS held (kind TEXT PRIMARY KEY, last_index INTEGER NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (record_index INTEGER NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL,
    sha256 BLOB NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (record_index, sha256));
CREATE TABLE IF NOT EXISTS incident (number INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL);
"""


class Refused(NamedTuple):
    """A record set aside: the journal has it, the broker did not take it when last asked."""

    record_index: int
    kind: str
    byte_count: int
    sha256: bytes
    reason: str


class RefusedListFull(Exception):
    """More records were refused than may be remembered; going on would lose track of them."""


class Ledger:
    """One small SQLite file in the publisher's state folder."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises `sqlite3.DatabaseError` where it cannot be used."""
        # Made in one thread and used in another is fine; used by two at once it never is.
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.executescript(SCHEMA)

    def close(self) -> None:
        """Fold the write-ahead log in and let go of the file."""
        self.database.close()

    def place(self) -> tuple[str, Mark] | None:
        """Return the journal's origin and the settled mark; None before the first save."""
        row = self.database.execute("SELECT origin, last_index, sha256 FROM place").fetchone()
        return None if row is None else (row[0], Mark(row[1], row[2]))

    def held(self) -> list[tuple[str, int, str]]:
        """Return the kinds held back: kind, last settled index of that kind's lane, reason."""
        return self.database.execute("SELECT kind, last_index, reason FROM held ORDER BY kind").fetchall()

    def save(self, origin: str, main: Mark, held: Iterable[Lane]) -> None:
        """Remember the whole position in one transaction."""
        with closing(self.database.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            place = (origin, main.index, main.sha256)
            cursor.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?)", place)
            cursor.execute("DELETE FROM held")
            rows = [(lane.kind, lane.mark.index, lane.reason) for lane in held]
            cursor.executemany("INSERT INTO held VALUES (?, ?, ?)", rows)
            cursor.execute("COMMIT")

    def refuse(self, refused: Refused) -> None:
        """Remember a record that is set aside. Raises `RefusedListFull`."""
        if self.refused_count() >= REFUSED_MAX:
            raise RefusedListFull(
                f"{REFUSED_MAX} records are set aside: raise message_bytes_max or the broker's limit, restart"
            )
        self.database.execute("INSERT OR REPLACE INTO refused VALUES (?, ?, ?, ?, ?)", refused)

    def accept(self, index: int, sha256: bytes) -> None:
        """Forget that a record was set aside: the broker has taken it after all."""
        row = (index, sha256)
        self.database.execute("DELETE FROM refused WHERE record_index = ? AND sha256 = ?", row)

    def refused(self, count_max: int, behind: tuple[int, bytes] = START) -> list[Refused]:
        """Return up to `count_max` records set aside in order: those behind an index and digest, then the oldest."""
        rows = self.database.execute(
            "SELECT record_index, kind, bytes, sha256, reason FROM refused "
            "ORDER BY (record_index, sha256) <= (?, ?), record_index, sha256 LIMIT ?",
            (*behind, count_max),
        )
        return [Refused(*row) for row in rows]

    def refused_count(self) -> int:
        """Count the records set aside."""
        return int(self.database.execute("SELECT count(*) FROM refused").fetchone()[0])

    def note(self, what: str) -> None:
        """Keep a sentence about something that an operator must learn of even after a restart."""
        self.database.execute("INSERT INTO incident (what) VALUES (?)", (what,))
        self.database.execute(
            "DELETE FROM incident WHERE number <= (SELECT max(number) FROM incident) - ?",
            (INCIDENTS_KEPT_MAX,),
        )

    def incidents(self) -> list[str]:
        """Return those sentences, the oldest first."""
        return [row[0] for row in self.database.execute("SELECT what FROM incident ORDER BY number")]

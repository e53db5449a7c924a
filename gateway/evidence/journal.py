"""The journal: signed records in SQLite, in order, under a Merkle tree. One writer, one process.

A commit is on disk before it is told; a checkpoint is on disk twice before anybody may publish it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from gateway.evidence import checkpoint, opening
from gateway.evidence.journal_file import (
    FORMAT,
    TABLES,
    JournalCorrupt,
    JournalLocked,
    checkpoint_copy,
    connect_writer,
    lock_file,
    sync_folder,
    write_durably,
)
from gateway.evidence.tree import CompactRange, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.evidence.keys import SigningKey
    from gateway.evidence.record import Stamp


@dataclass(frozen=True, slots=True)
class Entry:
    """One signed record on its way in, with the raw data it names, where that is kept."""

    message: bytes
    raw_sha256: bytes | None = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A signed tree head on its way to the disk, with the peaks it was computed from."""

    size: int
    note: bytes
    peaks: bytes
    keep: bool


class Journal:
    """The open journal. Made by `open_journal`; one thread at a time may use it."""

    def __init__(
        self, path: Path, key: SigningKey, lock: IO[str], connection: sqlite3.Connection, state: opening.State
    ) -> None:
        self.path = path
        self.key = key
        self.gateway = state.gateway
        self.origin = state.origin
        self.last_stamp: Stamp | None = state.last_stamp
        self.was_clean = state.covered == state.tree.size
        self._lock = lock
        self._connection = connection
        self._tree: CompactRange = state.tree
        self._covered = state.covered
        self._mode = path.stat().st_mode & 0o777

    @property
    def size(self) -> int:
        """Return how many records are committed: the next one's index."""
        return self._tree.size

    @property
    def covered(self) -> int:
        """Return the size of the newest checkpoint."""
        return self._covered

    def append(self, entries: Sequence[Entry]) -> None:
        """Commit all entries in one transaction. Raises sqlite3.Error, and then none of them is in."""
        leaves = [leaf_hash(entry.message) for entry in entries]
        rows = [
            (self.size + place, entry.message, leaf)
            for place, (entry, leaf) in enumerate(zip(entries, leaves, strict=True))
        ]
        raws = [
            (entry.raw_sha256, entry.raw, self.size + place)
            for place, entry in enumerate(entries) if entry.raw is not None
        ]
        with Transaction(self._connection):
            self._connection.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)
            self._connection.executemany("INSERT OR IGNORE INTO raw VALUES (?, ?, ?)", raws)
        for leaf in leaves:
            self._tree.add(leaf)

    def write_checkpoint(self, second_at_s: int | None, *, keep: bool) -> bytes:
        """Sign the head as it stands, make it durable and return the note."""
        head = self.sign_head(second_at_s, keep=keep)
        self.copy_head(head)
        self.enter_head(head)
        return head.note

    def sign_head(self, second_at_s: int | None, *, keep: bool) -> Head:
        """Return the signed head as it stands. `keep` marks one to be kept for ever; of the others the last two stay.

        It must be copied and then entered, in this order: a checkpoint that can be read from the database, and so
        published, is then always in the copy outside too.
        """
        note = checkpoint.sign(self.origin, self.size, self._tree.root(), self.key, second_at_s)
        return Head(self.size, note, b"".join(self._tree.peaks), keep)

    def copy_head(self, head: Head) -> None:
        """Make the copy outside durable. Any thread may do this, while records are appended in another."""
        write_durably(checkpoint_copy(self.path), head.note, self._mode)

    def enter_head(self, head: Head) -> None:
        """Enter a head that was copied, however much the journal has grown since."""
        row = (head.size, head.note, head.peaks, int(head.keep))
        with Transaction(self._connection):
            self._connection.execute("DELETE FROM checkpoint WHERE kept = 0 AND size < ?", (self._covered,))
            self._connection.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?)", row)
        self._covered = head.size

    def close(self) -> None:
        """Fold the write-ahead log into the database, so that the file can be copied alone; close, and let go.

        Where a reader is busy or the disk is full the log stays beside the database, and nothing is lost.
        """
        with suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        self._lock.close()


class Transaction:
    """BEGIN to COMMIT, or to ROLLBACK where anything failed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


def open_journal(path: Path, gateway: str, key: SigningKey, *, group_readable: bool = False) -> Journal:
    """Open the journal for writing, creating it where there is none, and check it against its checkpoints.

    Raises JournalLocked, JournalCorrupt, or ChainBroken: never a silent repair. After ChainBroken only an
    operator may go on, with `set_aside`.
    """
    with ExitStack() as undo:
        lock = undo.enter_context(take_lock(lock_file(path)))
        connection = connect_writer(path, group_readable=group_readable)
        undo.callback(connection.close)
        try:
            create_tables(connection, gateway, checkpoint.origin_of(gateway, generation_of(path)))
            sync_folder(path.parent)
            state = opening.examine(connection, path, gateway, key.public)
        except sqlite3.DatabaseError as error:
            raise JournalCorrupt(f"{path}: {error}") from error
        undo.pop_all()
    return Journal(path, key, lock, connection, state)


def take_lock(path: Path) -> IO[str]:
    """Return the lock file, held until it is closed; the kernel lets go of it when the process dies."""
    lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = lock.read(32).strip() or "unknown"
        lock.close()
        raise JournalLocked(f"{path}: process {holder} writes to this journal; only one may") from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def create_tables(connection: sqlite3.Connection, gateway: str, origin: str) -> None:
    """Lay out an empty database in one transaction; leave any other as it is."""
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return
    with Transaction(connection):
        for statement in TABLES.strip().split(";")[:-1]:
            connection.execute(statement)
        meta = {"format": FORMAT, "gateway": gateway, "origin": origin}
        connection.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))


def broken_name(path: Path, generation: int) -> Path:
    """Return the name under which the journal of a generation is set aside."""
    return path.with_name(f"{path.stem}.broken-{generation}{path.suffix}")


def generation_of(path: Path) -> int:
    """Return which journal this is, counted from 1: one more than were set aside here."""
    generation = 1
    while broken_name(path, generation).exists():
        generation += 1
    return generation


def last_note_of_the_one_before(path: Path) -> str | None:
    """Return the newest tree head of the journal that was set aside last, None where none was.

    It belongs into the new journal's first record (`StartBody.replaces`): so the old one cannot be forgotten.
    """
    before = generation_of(path) - 1
    copy = checkpoint_copy(broken_name(path, before))
    return copy.read_text() if before and copy.exists() else None


def set_aside(path: Path) -> tuple[Path, str | None]:
    """Move a broken journal out of the way by an operator's decision, so that a new one can begin.

    Returns its new path and its newest checkpoint outside the database. Nothing is deleted. The new journal has
    another origin and names that checkpoint in its first record. Raises JournalLocked while a gateway runs.
    """
    with take_lock(lock_file(path)):
        aside = broken_name(path, generation_of(path))
        copy = checkpoint_copy(path)
        note = copy.read_text() if copy.exists() else None
        # The database last: until it has gone, another try finds everything under its old name or its new one.
        for old, new in (
            (copy, checkpoint_copy(aside)),
            (path.with_name(f"{path.name}-wal"), aside.with_name(f"{aside.name}-wal")),
            (path.with_name(f"{path.name}-shm"), aside.with_name(f"{aside.name}-shm")),
            (path, aside),
        ):
            if old.exists():
                old.rename(new)
        sync_folder(path.parent)
    return aside, note

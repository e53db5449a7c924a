"""The journal's file: its tables, its connections, the names beside it, and what can be wrong with it.

The writer's connection syncs at each commit; a reader's can write nothing.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "1"
BUSY_S_MAX = 5.0                      # another connection holds a lock for a commit, never for seconds
WAL_BYTES_KEPT = 16 * 1024 * 1024     # what the write-ahead log may keep of the disk after a burst
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE record (idx INTEGER PRIMARY KEY, message BLOB NOT NULL, leaf BLOB NOT NULL);
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note BLOB NOT NULL, peaks BLOB NOT NULL, kept INTEGER NOT NULL);
CREATE TABLE raw (sha256 BLOB PRIMARY KEY, data BLOB NOT NULL, idx INTEGER NOT NULL);
"""


class JournalUnavailable(Exception):
    """The journal cannot be read at the moment: it is not there, or the gateway is down. Wait and try again."""


class JournalCorrupt(Exception):
    """The journal's file is no journal, or SQLite finds it damaged."""


class JournalLocked(Exception):
    """Another process writes to this journal."""


class ChainBroken(Exception):
    """The journal is not what its own checkpoints say: cut, rolled back or edited. `index` is the first bad one."""

    def __init__(self, why: str, index: int | None = None) -> None:
        super().__init__(why)
        self.index = index


def checkpoint_copy(journal: Path) -> Path:
    """Return where the newest checkpoint is kept outside the database."""
    return journal.with_suffix(".checkpoint")


def lock_file(journal: Path) -> Path:
    """Return the file that the one writer holds locked.

    Not the database itself: closing any descriptor of that file would drop SQLite's own locks (fcntl(2)).
    """
    return journal.with_suffix(".lock")


def connect_writer(path: Path, *, group_readable: bool) -> sqlite3.Connection:
    """Open or create the database for writing. SQLite gives -wal and -shm the mode of the database file."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o640 if group_readable else 0o600)
    connection = sqlite3.connect(path, timeout=BUSY_S_MAX, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
        distrust(connection)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise JournalCorrupt(f"{path}: {error}") from error
    return connection


def connect_reader(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Open the database for reading only. `immutable` is for a copy at rest: it ignores a write-ahead log."""
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S_MAX, isolation_level=None, check_same_thread=False)
    distrust(connection)
    return connection


def distrust(connection: sqlite3.Connection) -> None:
    """Have SQLite check the cells it reads and run nothing that the file's schema brings along."""
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.text_factory = str


def octets(cell: object) -> bytes:
    """Return a cell's bytes; one that holds none (SQLite keeps types by value, not by column) reads as empty.

    Empty is no record, no leaf hash and no checkpoint, so it is refused where it is checked.
    """
    return cell if type(cell) is bytes else b""


def write_durably(path: Path, data: bytes, mode: int) -> None:
    """Replace a file as a whole: after a power cut it is the old one or the new one."""
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a folder's entries durable: a file's own fsync does not cover its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

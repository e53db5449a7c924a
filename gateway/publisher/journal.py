"""The gateway's journal as the publisher sees it: committed records and checkpoints, read-only.

Nothing is verified here and no key is known; what cannot be read is published all the same, as it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cbor2

from gateway.evidence import cbor
from gateway.evidence.cbor import RECORD_BYTES_MAX, RecordRefused
from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable
from gateway.evidence.reader import JournalReader
from gateway.evidence.record import KIND
from gateway.publisher.source import Away, Entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KIND_KEY = 2                 # docs/record.cddl: where a record says its kind
# A record of version 1 in deterministic encoding begins: a map of 7, 1: version 1, 2: the kind. Reading on from here
# and not decoding all of it saves 0.1 ms for a reading of 100 channels.
BEFORE_KIND = b"\xa7\x01\x01\x02"
UNKNOWN = "unknown"          # what is no record of a version we read: a subscriber must get it all the same

Value = TypeVar("Value")


class GatewayJournal:
    """One opened journal file. A file that takes its place on disk is another journal and has to be opened anew."""

    def __init__(self, path: Path, inode: int) -> None:
        self.path, self.inode = path, inode
        self.reader = JournalReader(path)

    def close(self) -> None:
        """Let go of the file."""
        self.reader.close()

    def origin(self) -> str | Away:
        """Return the name that the checkpoints carry."""
        return self._ask(self.reader.origin)

    def last_index(self) -> int | Away:
        """Return the newest committed record's index, -1 where there is none."""
        size = self._ask(self.reader.size)
        return size if isinstance(size, Away) else size - 1

    def records_after(self, index: int, count_max: int, bytes_max: int) -> list[Entry] | Away:
        """Return committed records behind `index`; the bound in bytes counts each at the size a record may have."""
        limit = max(1, min(count_max, bytes_max // RECORD_BYTES_MAX))
        stored = self._ask(lambda: self.reader.records(index + 1, limit))
        if isinstance(stored, Away):
            return stored
        return [Entry(record.index, kind_of(record.message), record.message) for record in stored]

    def newest_checkpoint(self) -> bytes | Away | None:
        """Return the newest signed tree head; it was durable before it could be read here."""
        stored = self._ask(self.reader.newest_checkpoint)
        return stored if stored is None or isinstance(stored, Away) else stored.note

    def _ask(self, question: Callable[[], Value]) -> Value | Away:
        """Return the reader's answer, unless it comes from another file than the one that was opened."""
        try:
            answer = question()
        except (JournalUnavailable, JournalCorrupt) as error:
            return Away(str(error))
        return answer if inode_of(self.path) == self.inode else Away(f"{self.path}: the file was replaced")


def open_journal(path: Path) -> GatewayJournal | Away:
    """Return the journal at `path`, or why it cannot be read now."""
    inode = inode_of(path)
    return Away(f"{path}: is not there; is the gateway running?") if inode is None else GatewayJournal(path, inode)


def inode_of(path: Path) -> int | None:
    """Return the number by which the file system knows a file, None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def payload_of(message: bytes) -> bytes:
    """Return the payload of a COSE_Sign1 without verifying it. Raises `RecordRefused`."""
    item = cbor.decode(message)
    if not isinstance(item, cbor2.CBORTag) or not isinstance(item.value, list | tuple) or len(item.value) != 4:
        raise RecordRefused("", "is no COSE_Sign1")
    payload = item.value[2]
    if not isinstance(payload, bytes):
        raise RecordRefused("payload", "must be bytes")
    return payload


def kind_of(message: bytes) -> str:
    """Return the kind that a record says it is of, "unknown" where it says none that we know."""
    try:
        payload = payload_of(message)
        if payload.startswith(BEFORE_KIND):
            return str(KIND.unpack(cbor.decode(payload[len(BEFORE_KIND):len(BEFORE_KIND) + 1])))
        item = cbor.decode(payload)
        return str(KIND.unpack(item.get(KIND_KEY) if isinstance(item, dict) else None))
    except RecordRefused:
        return UNKNOWN

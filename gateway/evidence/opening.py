"""Is this journal the one we left? Checked before the first new record, against the newest checkpoints.

Each check names what it stops. What is older than the newest checkpoint is `verify`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.evidence import checkpoint, cose, record
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.checkpoint import CheckpointRefused
from gateway.evidence.cose import MessageRefused
from gateway.evidence.journal_file import FORMAT, ChainBroken, JournalCorrupt, checkpoint_copy, octets
from gateway.evidence.tree import HASH_BYTES, CompactRange, leaf_hash

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from gateway.evidence.checkpoint import Checkpoint
    from gateway.evidence.keys import PublicKeys
    from gateway.evidence.record import Record, Stamp


@dataclass(frozen=True, slots=True)
class State:
    """Where a journal stands: its tree, how much of it the newest checkpoint covers, the last record's stamp."""

    gateway: str
    origin: str
    tree: CompactRange
    covered: int
    last_stamp: Stamp | None


def examine(connection: sqlite3.Connection, path: Path, gateway: str, keys: PublicKeys) -> State:
    """Return the state of an opened journal. Raises ChainBroken or JournalCorrupt."""
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    origin = meta.get("origin", "")
    if meta.get("format") != FORMAT:
        raise JournalCorrupt(f"{path}: format {meta.get('format')!r}: this program writes format {FORMAT}")
    if meta.get("gateway") != gateway:
        raise ChainBroken(f"{path}: belongs to gateway {meta.get('gateway')!r}, not to {gateway!r}")
    tree = newest_tree(connection, origin, keys)
    covered = tree.size
    outside = outside_checkpoint(checkpoint_copy(path), origin, covered, keys)
    last = take_tail(connection, tree, outside, gateway, keys)
    if outside is not None and tree.size < outside.size:
        raise ChainBroken(
            f"{path}: has {tree.size} records, its checkpoint outside says {outside.size}: cut or rolled back",
            tree.size,
        )
    return State(gateway, origin, tree, covered, None if last is None else last.stamp)


def newest_tree(connection: sqlite3.Connection, origin: str, keys: PublicKeys) -> CompactRange:
    """Return the tree at the newest checkpoint in the database; its stored peaks must give the signed root."""
    row = connection.execute("SELECT size, note, peaks FROM checkpoint ORDER BY size DESC LIMIT 1").fetchone()
    if row is None:
        return CompactRange()
    size, note, peaks = row[0], octets(row[1]), octets(row[2])
    head = trusted(note, origin, keys, "the newest checkpoint")
    try:
        tree = CompactRange(size, [peaks[at:at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)])
    except ValueError as error:
        raise ChainBroken(f"the newest checkpoint: {error}", size) from error
    if head.size != size or tree.root() != head.root:
        raise ChainBroken(f"the newest checkpoint (size {size}) does not belong to the stored tree", size)
    return tree


def outside_checkpoint(copy: Path, origin: str, covered: int, keys: PublicKeys) -> Checkpoint | None:
    """Return the checkpoint kept outside, written before the database's own: never missing, never older."""
    if not copy.exists():
        if covered:
            raise ChainBroken(f"{copy}: is missing, though the journal has a checkpoint of size {covered}")
        return None
    head = trusted(copy.read_bytes(), origin, keys, str(copy))
    if head.size < covered:
        raise ChainBroken(f"{copy}: size {head.size}, older than the journal's own of size {covered}", head.size)
    return head


def trusted(note: bytes, origin: str, keys: PublicKeys, what: str) -> Checkpoint:
    """Return a checkpoint of ours. Raises ChainBroken: somebody else's, or edited."""
    try:
        head = checkpoint.parse(note)
        checkpoint.verify(head, keys)
    except CheckpointRefused as refused:
        raise ChainBroken(f"{what}: {refused}") from refused
    if head.origin != origin:
        raise ChainBroken(f"{what}: is of {head.origin!r}, not of {origin!r}")
    return head


def take_tail(
    connection: sqlite3.Connection, tree: CompactRange, outside: Checkpoint | None, gateway: str, keys: PublicKeys
) -> Record | None:
    """Grow `tree` by the records after the newest checkpoint, and return the last record of all.

    The next checkpoint will vouch for this tail, so each signature is checked: nothing slips in unsigned.
    """
    covered = tree.size
    last = None
    start = max(0, covered - 1)
    rows = connection.execute("SELECT idx, message, leaf FROM record WHERE idx >= ? ORDER BY idx", (start,))
    for expected, (index, *cells) in enumerate(rows, start):
        message, leaf = octets(cells[0]), octets(cells[1])
        if index != expected:
            raise ChainBroken(f"record {expected} is missing", expected)
        last = trusted_record(index, message, gateway, keys)
        if leaf != leaf_hash(message):
            raise ChainBroken(f"record {index}: is not what the tree was built from", index)
        if index >= covered:
            tree.add(leaf)
        if outside is not None and tree.size == outside.size and tree.root() != outside.root:
            raise ChainBroken(f"the tree of size {tree.size} is not the one its checkpoint outside says", tree.size)
    if last is None and covered:
        raise ChainBroken(f"record {covered - 1} is missing, though a checkpoint covers it", covered - 1)
    return last


def trusted_record(index: int, message: bytes, gateway: str, keys: PublicKeys) -> Record:
    """Return a record of ours at its place. Raises ChainBroken."""
    try:
        found = record.decode(cose.verify(message, keys.ed25519))
    except (MessageRefused, RecordRefused) as refused:
        raise ChainBroken(f"record {index}: {refused}", index) from refused
    if found.sequence != index or found.gateway != gateway:
        raise ChainBroken(f"record {index}: says {found.sequence} of {found.gateway!r}", index)
    return found

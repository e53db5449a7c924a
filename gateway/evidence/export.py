"""Take one record out of the journal with everything that proves it, as one file.

What is handed out has been checked on the way: a proof that does not hold is never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.evidence import checkpoint
from gateway.evidence.checkpoint import CheckpointRefused
from gateway.evidence.journal_file import ChainBroken
from gateway.evidence.proof import Proof, render
from gateway.evidence.tree import hashes_of, includes, inclusion_ranges, leaf_hash

if TYPE_CHECKING:
    from gateway.evidence.reader import JournalReader


class NotInJournal(LookupError):
    """There is no record with this index, or no checkpoint covers it yet."""


def export(reader: JournalReader, index: int) -> bytes:
    """Return the proof of record `index` under the newest checkpoint, as text.

    Reads every leaf hash below that checkpoint once (about half a million a second). Raises NotInJournal, or
    ChainBroken where the journal contradicts its checkpoint.
    """
    found = reader.records(index, 1) if index >= 0 else []
    if not found or found[0].index != index:
        raise NotInJournal(f"record {index}: the journal has the records 0 to {reader.size() - 1}")
    stored = reader.newest_checkpoint()
    if stored is None or stored.size <= index:
        covered = 0 if stored is None else stored.size
        raise NotInJournal(f"record {index}: only the first {covered} are under a checkpoint; try again in a second")
    try:
        head = checkpoint.parse(stored.note)
    except CheckpointRefused as refused:
        raise ChainBroken(f"checkpoint of size {stored.size}: {refused}", stored.size - 1) from refused
    hashes = hashes_of(inclusion_ranges(index, head.size), reader.leaves)
    message = found[0].message
    if not includes(leaf_hash(message), index, head.size, hashes, head.root):
        raise ChainBroken(f"record {index} is not in the tree of its checkpoint; run verify on the journal", index)
    return render(Proof(index, message, hashes, stored.note))

"""Verify a whole journal in one pass: every record, every checkpoint, every byte of raw data that is kept.

Stops at the first thing that does not hold and names its index. Memory stays constant.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.evidence import checkpoint, cose, record
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.checkpoint import CheckpointRefused
from gateway.evidence.cose import MessageRefused
from gateway.evidence.describe import moment
from gateway.evidence.journal_file import FORMAT, JournalCorrupt, JournalUnavailable, checkpoint_copy
from gateway.evidence.reader import JournalReader, is_at_rest
from gateway.evidence.streams import checkpoints_of, raws_of, records_of
from gateway.evidence.tree import CompactRange, leaf_hash
from gateway.evidence.verification import Bad, Status, Verification

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gateway.evidence.keys import PublicKeys
    from gateway.evidence.reader import Stored, StoredCheckpoint, StoredRaw
    from gateway.evidence.record import Record, Stamp

OUTSIDE = "the checkpoint beside the journal"


def verify_journal(path: Path, keys: PublicKeys, progress: Callable[[int, int], None]) -> Verification:
    """Return what holds of the journal at `path`.

    Never raises for what the files hold.
    """
    at_rest = is_at_rest(path)
    copy = checkpoint_copy(path)
    try:
        outside = copy.read_bytes() if copy.exists() else None      # before the journal: it may grow meanwhile
    except OSError as error:
        return Verification(Status.UNREADABLE, "journal", why=f"{copy}: {error.strerror}")
    with JournalReader(path, at_rest=at_rest) as reader:
        walk = Walk(reader, keys, outside, progress)
        try:
            walk.run()
        except Bad as bad:
            return walk.result(Status.INVALID, first_bad=bad.index, where=bad.where, why=bad.why)
        except JournalUnavailable as error:
            return walk.result(Status.UNREADABLE, why=str(error))
        except JournalCorrupt as error:
            size = walk.tree.size
            return walk.result(Status.UNREADABLE, first_bad=size, where=f"record {size}", why=str(error))
    if at_rest and not is_at_rest(path):
        return walk.result(Status.UNREADABLE, why=f"{path}: the gateway started meanwhile; try again")
    return walk.result(Status.VALID)


class Walk:
    """One pass over a journal: what was found so far, and what the next record must fit."""

    def __init__(
        self, reader: JournalReader, keys: PublicKeys, outside: bytes | None, progress: Callable[[int, int], None]
    ) -> None:
        self.tree = CompactRange()
        self._reader = reader
        self._keys = keys
        self._outside = outside
        self._outside_size = claimed_size(outside)
        self._outside_held = False
        self._progress = progress
        self._gateway = self._origin = ""
        self._checkpoints = self._raw = self._covered = self._unknown = 0
        self._second = False
        self._kinds: Counter[str] = Counter()
        self._first: Stamp | None = None
        self._last: Stamp | None = None
        self._boots: set[bytes] = set()

    def run(self) -> None:
        """Check everything. Raises Bad at the first thing that does not hold."""
        if self._reader.meta("format") != FORMAT:
            raise JournalCorrupt(f"format {self._reader.meta('format')!r}: this program reads format {FORMAT}")
        self._gateway, self._origin = self._reader.gateway(), self._reader.origin()
        newest, last_raw = self._reader.newest_checkpoint(), self._reader.last_raw()
        total = self._reader.size()                 # read last: a live journal grows meanwhile
        heads = checkpoints_of(self._reader, newest)
        raws = raws_of(self._reader, last_raw)
        head, raw = next(heads, None), next(raws, None)
        for stored in records_of(self._reader, total):
            found = self._check_record(stored)
            while raw is not None and raw.index <= stored.index:
                self._check_raw(raw, stored.index, found)
                raw = next(raws, None)
            self.tree.add(stored.leaf)
            while head is not None and head.size <= self.tree.size:
                self._check_checkpoint(head)
                head = next(heads, None)
            self._check_outside()
            if self.tree.size % 256 == 0 or self.tree.size == total:
                self._progress(self.tree.size, total)
        self._check_ends(total, head, raw)

    def result(
        self, status: Status, first_bad: int | None = None, where: str = "", why: str = ""
    ) -> Verification:
        """Return what was found."""
        return Verification(
            status, "journal", self.tree.size, self._checkpoints, self._raw, self.tree.size - self._covered,
            first_bad, where, why, self._shown(), self._notes(),
        )

    def _check_record(self, stored: Stored) -> Record:
        index = self.tree.size
        where = f"record {index}"
        if stored.index != index:
            raise Bad(index, where, f"is missing; the next one is {stored.index}")
        try:
            found = record.decode(cose.verify(stored.message, self._keys.ed25519))
        except (MessageRefused, RecordRefused) as refused:
            raise Bad(index, where, str(refused)) from refused
        if found.sequence != index:
            raise Bad(index, where, f"says of itself that it is {found.sequence}")
        if found.gateway != self._gateway:
            raise Bad(index, where, f"is of gateway {found.gateway!r}, the journal of {self._gateway!r}")
        if stored.leaf != leaf_hash(stored.message):
            raise Bad(index, where, "its stored leaf hash is not the hash of its bytes")
        self._check_order(found.stamp, index)
        self._kinds[found.kind] += 1
        return found

    def _check_order(self, stamp: Stamp, index: int) -> None:
        """Check that no boot comes back, and that within a boot the monotonic time never runs back."""
        last = self._last
        if last is None or stamp.boot_id != last.boot_id:
            if stamp.boot_id in self._boots:
                raise Bad(index, f"record {index}", f"is of boot {stamp.boot_id.hex()[:8]}, which was over before")
            self._boots.add(stamp.boot_id)
        elif stamp.monotonic_ns < last.monotonic_ns:
            raise Bad(index, f"record {index}", "was made before the record before it")
        self._first = self._first or stamp
        self._last = stamp

    def _check_raw(self, raw: StoredRaw, index: int, found: Record) -> None:
        where = f"raw data of record {index}"
        if raw.index != index or raw.sha256 != found.provenance.raw_sha256:
            raise Bad(index, where, "is not what the record names")
        if sha256(raw.data).digest() != raw.sha256:
            raise Bad(index, where, "was changed: its digest is not the one the record names")
        self._raw += 1

    def _check_checkpoint(self, stored: StoredCheckpoint) -> None:
        where = f"checkpoint of size {stored.size}"
        if stored.size != self.tree.size:
            raise Bad(max(0, self.tree.size - 1), where, "has no place in this journal")
        self._check_head(stored.note, where)
        if stored.peaks != b"".join(self.tree.peaks):
            raise Bad(self.tree.size - 1, where, "its stored subtree roots are not those of the records")
        self._checkpoints += 1
        self._covered = self.tree.size

    def _check_outside(self) -> None:
        if self._outside_size == self.tree.size and self._outside is not None:
            self._check_head(self._outside, OUTSIDE)
            self._outside_held = True

    def _check_head(self, note: bytes, where: str) -> None:
        """Check a signed note against the tree as it stands now."""
        index = self.tree.size - 1
        try:
            head = checkpoint.parse(note)
            signers = checkpoint.verify(head, self._keys)
        except CheckpointRefused as refused:
            raise Bad(index, where, str(refused)) from refused
        if (head.origin, head.size) != (self._origin, self.tree.size):
            raise Bad(index, where, f"says {head.origin!r} of size {head.size}")
        if head.root != self.tree.root():
            raise Bad(index, where, "its root is not that of the records")
        if signers.unknown and self._keys.ml_dsa_44:
            raise Bad(index, where, "has a line by a key that was not given")
        self._unknown += signers.unknown
        self._second |= signers.ml_dsa_44

    def _check_ends(self, total: int, head: StoredCheckpoint | None, raw: StoredRaw | None) -> None:
        """Check what no record came along for: a checkpoint, raw data or the copy outside that says more."""
        size = self.tree.size
        if size != total:
            raise Bad(size, f"record {size}", "is missing")
        if head is not None:
            raise Bad(size, f"checkpoint of size {head.size}", f"has no place in a journal of {size} records")
        if raw is not None:
            raise Bad(size, f"raw data of record {raw.index}", "there is no such record")
        if self._outside is not None and not self._outside_held:
            try:
                claimed = checkpoint.parse(self._outside).size
            except CheckpointRefused as refused:
                raise Bad(max(0, size - 1), OUTSIDE, str(refused)) from refused
            raise Bad(size, OUTSIDE, f"says {claimed} records, the journal has {size}: cut or rolled back")

    def _shown(self) -> tuple[str, ...]:
        if self._first is None or self._last is None:
            return (f"journal of gateway {self._gateway}, no record read",)
        kinds = ", ".join(f"{count} {kind}" for kind, count in self._kinds.most_common())
        return (
            f"journal of gateway {self._gateway}, log {self._origin}, {len(self._boots)} boots",
            f"records: {kinds}",
            f"first made {moment(self._first)}",
            f"last made {moment(self._last)}",
        )

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self.tree.size > self._covered:
            notes.append(f"the last {self.tree.size - self._covered} records are not yet under a checkpoint")
        if self._unknown:
            notes.append(f"{self._unknown} checkpoint lines by keys not given were not checked")
        if self._outside is None and self._checkpoints:
            notes.append("no checkpoint beside the journal: a rollback of the whole file would not show")
        if self._checkpoints and not self._second:
            notes.append("checkpoints are signed with Ed25519 alone, or ML-DSA-44 was not checked")
        return tuple(notes)


def claimed_size(note: bytes | None) -> int | None:
    """Return the size a checkpoint claims, None where it is none."""
    if note is None:
        return None
    try:
        return checkpoint.parse(note).size
    except CheckpointRefused:
        return None

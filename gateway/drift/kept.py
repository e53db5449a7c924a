"""What the drift watch knows, kept in a file beside the journal. Edge: reads and replaces that file.

Rule: the signed journal is the truth. The file saves learning again; without it, or with a damaged one, what the
journal says of an inhibition holds, and what nobody can say any more inhibits.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from drivers.sample import Fault
from gateway.detection.drift_state import DriftLevel
from gateway.drift.bearing import borne
from gateway.drift.bounds import BOUNDS
from gateway.drift.head import HeadWatch  # noqa: TC001  msgspec reads the annotations
from gateway.drift.look import look_at
from gateway.drift.watch import INHIBITED, KINDS, LOST, RESET, UNTIL, DriftWatch
from gateway.evidence.body import FaultBody, VerdictBody, clipped
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.reader import BATCH_MAX
from gateway.evidence.record import Kind, decode
from gateway.publisher.journal import kind_of, payload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from calibration.reading import CalibratedScan
    from drivers.sample import Nanoseconds
    from gateway.detection.verdict import Verdict
    from gateway.evidence.reader import JournalReader

SCHEMA: Final = 1
UNSAVED: Final = "drift state not saved"
DIGEST_BYTES: Final = 32
# Eight heads of 32 bands that all still learn, at 20 scans each, are 4 MB.
FILE_BYTES_MAX: Final = 16_000_000
# Without a file the journal is read back so far, once: 25 us for each record, so 5 s (measured), some 20 on a small
# board. At 5 records a second that is half a day.
LOOK_BACK_RECORDS: Final = 200_000
BEFORE: Final = "before the restart: "
DETAIL_KEPT_BYTES_MAX: Final = 1000  # every verdict repeats it


class Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file, after the SHA-256 of its bytes. `records` is how many the journal `origin` had when it was written."""

    schema: int
    origin: str
    records: int
    lost: str
    heads: list[HeadWatch]


class StateUnusable(ValueError):
    """The file is no state of this version, or damaged; the message says which."""


@dataclass(slots=True)
class KeptWatch:
    """A watch with its file. `allowed_kg` is the policy's limit of a substance; `told` why its past was lost."""

    watch: DriftWatch
    path: Path
    origin: str
    allowed_kg: Callable[[str], float]
    told: str = ""

    def announced(self, now: Nanoseconds) -> list[Fault]:
        """Return what a start has to journal: that the past was lost, and what of it inhibits all the same."""
        if not self.told:
            return []
        held = [Fault(INHIBITED, f"{self.watch.lost}; {UNTIL}", now)] if self.watch.lost else []
        return [Fault(LOST, self.told, now), *held]

    def hold(self, scan: CalibratedScan, verdict: Verdict, now: Nanoseconds) -> tuple[list[Fault], Verdict]:
        """Hold a scan against what its head used to be: what to journal, and what that leaves of the verdict.

        Takes some 10 ms; call it off the loop, in the thread that saves.
        """
        look = look_at(scan, verdict)
        faults = self.watch.take(look, now)
        return faults, borne(verdict, scan, look, self.watch.state, self.allowed_kg)

    def keep(self, records: int, now: Nanoseconds) -> list[Fault]:
        """Save, and return what is to be journaled where that failed: the journal is the truth, and scans go on."""
        try:
            self.save(records)
        except OSError as error:
            return [Fault(UNSAVED, f"{self.path.name}: {error.strerror or error}", now)]
        return []

    def save(self, records: int) -> None:
        """Replace the file, for a journal of so many records: a reader finds the old state or the new one."""
        new = self.path.with_name(f".{self.path.name}.new")
        new.write_bytes(self.state_at(records))
        os.replace(new, self.path)  # noqa: PTH105  replace(2) by its own name: atomic is the point

    def state_at(self, records: int) -> bytes:
        """Return the file's content for a journal of so many records."""
        self.watch.settle()
        saved = Saved(SCHEMA, self.origin, records, self.watch.lost, list(self.watch.heads.values()))
        return sealed(msgspec.msgpack.encode(saved, enc_hook=array_in))


def state_file(journal: Path, instrument: str) -> Path:
    """Return where the state of an instrument's watch is."""
    return journal.with_name(f"drift-{instrument}.state")


def recall(path: Path, reader: JournalReader, instrument: str, allowed_kg: Callable[[str], float]) -> KeptWatch:
    """Return the watch as it was left, or what the journal knows of it. Raises JournalUnavailable or JournalCorrupt."""
    origin, size = reader.origin(), reader.size()
    try:
        saved = opened(path, origin, size)
    except StateUnusable as unusable:
        kept = KeptWatch(DriftWatch(), path, origin, allowed_kg)
        begin = max(0, size - LOOK_BACK_RECORDS)
        watched, known = replay(kept.watch, reader, begin, instrument)
        if begin and not known:
            kept.watch.lost = "nobody knows whether the head was inhibited before"
        kept.watch.settle()
        if watched or kept.watch.lost:
            kept.told = f"{unusable}; references are learnt anew"
        return kept
    watch = DriftWatch({head.head: head for head in saved.heads}, saved.lost)
    replay(watch, reader, saved.records if saved.origin == origin else 0, instrument)
    watch.settle()
    return KeptWatch(watch, path, origin, allowed_kg)


def replay(watch: DriftWatch, reader: JournalReader, begin: int, instrument: str) -> tuple[bool, bool]:
    """Follow what the journal says of the watch from record `begin` on; whether it says any, and any verdict."""
    watched = known = False
    for body in bodies(reader, begin, instrument):
        known = True
        if isinstance(body, FaultBody):
            watched = True
            if body.kind == RESET:
                watch.reset()
                watch.settle()
            elif body.kind == INHIBITED:
                watch.lost = before(body.detail)
        elif body.verdict.drift is not None:
            watched = True
            inhibited = body.verdict.drift.level is DriftLevel.INHIBITED
            watch.lost = (watch.lost or before("; ".join(body.verdict.drift.what))) if inhibited else ""
    return watched, known


def before(detail: str) -> str:
    """Return what inhibited before the restart, in as many words after the tenth restart as after the first."""
    return BEFORE + clipped(detail.removesuffix(f"; {UNTIL}").removeprefix(BEFORE), DETAIL_KEPT_BYTES_MAX)


def bodies(reader: JournalReader, begin: int, instrument: str) -> Iterator[FaultBody | VerdictBody]:
    """Return the verdicts of an instrument and the faults of its drift watch, in order."""
    while stored := reader.records(begin, BATCH_MAX):
        begin = stored[-1].index + 1
        for one in stored:
            if kind_of(one.message) not in {Kind.VERDICT, Kind.FAULT}:
                continue
            try:
                body = decode(payload_of(one.message)).body
            except RecordRefused:
                continue  # verify tells of it; here it says nothing
            judged = isinstance(body, VerdictBody) and body.instrument == instrument
            told = isinstance(body, FaultBody) and body.name == instrument and body.kind in KINDS
            if isinstance(body, VerdictBody | FaultBody) and (judged or told):
                yield body


def opened(path: Path, origin: str, size: int) -> Saved:
    """Return what the file holds. Raises StateUnusable."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise StateUnusable(f"{path.name}: {path.stat().st_size} bytes: must be at most {FILE_BYTES_MAX}")
        content = path.read_bytes()
    except OSError as error:
        raise StateUnusable(f"{path.name}: {error.strerror or error}") from error
    if content != sealed(content[DIGEST_BYTES:]):
        raise StateUnusable(f"{path.name}: damaged: its digest is not that of its bytes")
    try:
        saved = msgspec.msgpack.decode(content[DIGEST_BYTES:], type=Saved, dec_hook=array_of)
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise StateUnusable(f"{path.name}: not a state of this version: {error}") from error
    if saved.schema != SCHEMA:
        raise StateUnusable(f"{path.name}: schema = {saved.schema}: must be {SCHEMA}")
    if saved.origin == origin and saved.records > size:
        raise StateUnusable(f"{path.name}: tells of {saved.records} records, the journal has {size}")
    for head in saved.heads:
        for quantity, charted in head.charted.items():
            if quantity not in BOUNDS:
                raise StateUnusable(f"{path.name}: quantity = {quantity.value!r}: must be one of: {', '.join(BOUNDS)}")
            charted.charts.bounds = BOUNDS[quantity]  # what holds is this version's
    return saved


def sealed(content: bytes) -> bytes:
    """Return bytes behind their digest: a torn or rotten file is noticed. Who forges it could forge the digest too."""
    return hashlib.sha256(content).digest() + content


def array_in(value: object) -> object:
    """Return an array as msgpack can carry it."""
    if isinstance(value, np.ndarray):
        return [value.dtype.str, list(value.shape), value.tobytes()]
    raise NotImplementedError(f"{type(value).__name__} has no place in a state")


def array_of(_kind: type, value: object) -> object:
    """Return the array again. Raises ValueError or TypeError for what is none."""
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError("not an array")
    return np.frombuffer(value[2], np.dtype(value[0])).reshape(value[1]).copy()

"""The bytes of a signed null set: a COSE_Sign1 as a record is, around CBOR that no record can be taken for. Pure.

Rule: a file is bounded, its signature is checked before anything in it is read, and it is taken whole or refused;
docs/null-set.cddl says what stands in it.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.detection.null_set import SCANS_MAX, Demands, Excluded, NullScan, NullSet, Setting
from gateway.detection.verdict import Outcome
from gateway.evidence import cbor, cose
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.layout import DIGEST, IDENTITY, PLAN, PROSE, WORD
from gateway.evidence.record import ClockStatus
from gateway.evidence.shape import Choice, Field, Octets, Real, Several, Struct, Text, Whole
from gateway.evidence.typed_array import ArrayShape, TypedArray

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from gateway.evidence.keys import SigningKey

FORMAT: Final = "spingate null set 1"
# The largest set has 10 000 scans of 137 bytes, and 1000 excluded ones with 200 characters of reason.
FILE_BYTES_MAX: Final = 4 << 20
# An array of two whose first entry is the format. A record is a map, a bench report begins with "{".
BEGINS: Final = cbor.head(cbor.ARRAY, 2) + cbor.encode(FORMAT)
EXCLUDED_MAX: Final = 1000
SUBSTANCES_MAX: Final = 64
BANDS_MAX: Final = 64
DIGEST_BYTES: Final = 32
PFA_MIN, PFA_MAX = 1e-12, 0.5  # as of a policy; the largest set is large enough for 1e-4
ROUNDED: Final = 1e-6         # float32 keeps 6e-8


class NullSetRefused(ValueError):
    """A null set that cannot be used; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class _Packed:
    """A null set as its file holds it: a column for each figure of the scans."""

    gateway: str
    software: str
    software_sha256: bytes
    detection_sha256: bytes
    model_sha256: bytes
    demands: Demands
    setting: Setting
    substances: tuple[str, ...]
    source: str
    first_ns: int | None
    last_ns: int | None
    made_ns: int
    clock: ClockStatus
    indices: tuple[int, ...]
    digests: bytes
    outcomes: tuple[Outcome, ...]
    scores: TypedArray
    by_substance: TypedArray
    noise_ft: TypedArray
    excluded: tuple[Excluded, ...]


def _disagrees(packed: _Packed) -> str:
    """Return what is wrong between the columns, empty where nothing is."""
    count = len(packed.indices)
    shapes = {"digests": len(packed.digests) == count * DIGEST_BYTES, "outcomes": len(packed.outcomes) == count,
              "scores": packed.scores.shape == (count,),
              "by_substance": packed.by_substance.shape == (count, len(packed.substances)),
              "noise_ft": packed.noise_ft.shape == (count, len(packed.setting.plans))}
    wrong = [name for name, right in shapes.items() if not right]
    if wrong:
        return f"{', '.join(wrong)}: not of {count} scans"
    if not all(math.isfinite(score) and score >= 0.0 for score in packed.scores.values()):
        return "scores: each must be 0 or more"
    if not _the_largest(packed.scores.values(), packed.by_substance.values(), len(packed.substances)):
        return "scores: each must be the largest of its substances"
    if any(one.score < 0.0 for one in packed.excluded):
        return "excluded: each score must be 0 or more, or no number"
    # An excluded scan may be a copy of one that counts, and of one that could not be read there is no digest.
    if len(set(_digests(packed.digests))) != count or len(set(packed.indices)) != count:
        return "digests and indices: one scan stands in it twice"
    return ""


def _of_no_policy(demands: Demands) -> str:
    """Return what no policy can demand, empty where one can."""
    if PFA_MIN <= demands.pfa_per_scan <= PFA_MAX:
        return ""
    return f"pfa_per_scan = {demands.pfa_per_scan:g}: must be {PFA_MIN:g} to {PFA_MAX:g}"


def _the_largest(scores: tuple[float, ...], by_substance: tuple[float, ...], columns: int) -> bool:
    """Tell whether each scan's score is the largest of its row, which was rounded to float32."""
    rows = (by_substance[at * columns: (at + 1) * columns] for at in range(len(scores)))
    return all(math.isclose(score, max(row, default=0.0), rel_tol=ROUNDED)
               for score, row in zip(scores, rows, strict=True))


_OUTCOME: Final = Choice(Outcome.ALARM, Outcome.CLEAR, Outcome.NOT_INSPECTABLE)
_DEMANDS: Final = Struct(
    Demands, Field(1, "pfa_per_scan", Real()), Field(2, "cargo_k_min", Real()), Field(3, "cargo_k_max", Real()),
    Field(4, "empty_beyond_m", Real()), Field(5, "empty_standoff_m", Real()), check=_of_no_policy)
_SETTING: Final = Struct(Setting, Field(1, "head", IDENTITY), Field(2, "plans", Several(PLAN, BANDS_MAX)),
                         Field(3, "dwell_s", Real()))
_EXCLUDED: Final = Struct(Excluded, Field(1, "index", Whole()), Field(2, "raw_sha256", DIGEST),
                          Field(3, "score", Real()), Field(4, "why", PROSE))
_NULL_SET: Final = Struct(
    _Packed,
    Field(1, "gateway", WORD),
    Field(2, "software", Text(64, 1)),
    Field(3, "software_sha256", DIGEST),
    Field(4, "detection_sha256", DIGEST),
    Field(5, "model_sha256", DIGEST),
    Field(6, "demands", _DEMANDS),
    Field(7, "setting", _SETTING),
    Field(8, "substances", Several(WORD, SUBSTANCES_MAX)),
    Field(9, "source", WORD),
    Field(10, "first_ns", Whole(), optional=True),
    Field(11, "last_ns", Whole(), optional=True),
    Field(12, "made_ns", Whole()),
    Field(13, "clock", Choice(*ClockStatus)),
    Field(14, "indices", Several(Whole(), SCANS_MAX)),
    Field(15, "digests", Octets(0, SCANS_MAX * DIGEST_BYTES)),
    Field(16, "outcomes", Several(_OUTCOME, SCANS_MAX)),
    Field(17, "scores", ArrayShape(1, 64)),
    Field(18, "by_substance", ArrayShape(2, 32)),
    Field(19, "noise_ft", ArrayShape(2, 32)),
    Field(20, "excluded", Several(_EXCLUDED, EXCLUDED_MAX)),
    check=_disagrees,
)


def sign(nulls: NullSet, key: SigningKey) -> bytes:
    """Return the file. Raises NullSetRefused where the set fits no file."""
    try:
        payload = cbor.array_of([cbor.encode(FORMAT), _NULL_SET.encode(_packed(nulls))])
    except RecordRefused as refused:
        raise NullSetRefused(f"null set: {refused}") from refused
    data = cose.sign(payload, key.ed25519, key.kid)
    if len(data) > FILE_BYTES_MAX:
        raise NullSetRefused(f"null set of {len(data)} bytes: at most {FILE_BYTES_MAX}")
    return data


def verify(data: bytes, keys: Mapping[bytes, Ed25519PublicKey]) -> NullSet:
    """Return the null set in a file that one of `keys` (by key id) signed. Raises NullSetRefused."""
    try:
        return decode(cose.verify(data, keys, FILE_BYTES_MAX))
    except cose.MessageRefused as refused:
        raise NullSetRefused(f"not a signed null set: {refused}") from refused


def unverified(data: bytes) -> NullSet:
    """Return the null set in a file whoever signed it, to look at. Raises NullSetRefused."""
    try:
        return decode(cose.parse(data, FILE_BYTES_MAX).payload)
    except cose.MessageRefused as refused:
        raise NullSetRefused(f"not a signed null set: {refused}") from refused


def decode(payload: bytes) -> NullSet:
    """Return the null set in the payload of a signed message. Raises NullSetRefused."""
    if not payload.startswith(BEGINS):
        raise NullSetRefused(f"what is signed is not a {FORMAT!r}")
    try:
        item = cbor.decode(payload, FILE_BYTES_MAX)
        return _unpacked(_NULL_SET.unpack(item[1] if isinstance(item, list) else None))
    except RecordRefused as refused:
        raise NullSetRefused(f"null set: {refused}") from refused


def load(path: Path, keys: Mapping[bytes, Ed25519PublicKey] | None) -> tuple[NullSet, bytes]:
    """Return the null set in a file and its bytes; whoever signed it, where `keys` is None. Raises NullSetRefused."""
    data = read(path)
    try:
        return (unverified(data) if keys is None else verify(data, keys)), data
    except NullSetRefused as refused:
        raise NullSetRefused(f"{path}: {refused}") from refused


def read(path: Path) -> bytes:
    """Return the bytes of a file that is no longer than a null set may be. Raises NullSetRefused."""
    try:
        if not path.is_file():      # a named pipe would be waited for, for ever
            raise NullSetRefused(f"{path}: no such file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise NullSetRefused(f"{path}: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise NullSetRefused(f"{path}: more than {FILE_BYTES_MAX} bytes: no null set")
    if not data:
        raise NullSetRefused(f"{path}: an empty file")
    return data


def sha256(data: bytes) -> bytes:
    """Return the digest by which records name a null set: that of the file's bytes."""
    return hashlib.sha256(data).digest()


def _packed(nulls: NullSet) -> _Packed:
    scans = nulls.scans
    return _Packed(
        nulls.gateway, nulls.software, nulls.software_sha256, nulls.detection_sha256, nulls.model_sha256,
        nulls.demands, nulls.setting, nulls.substances, nulls.source, nulls.first_ns, nulls.last_ns, nulls.made_ns,
        ClockStatus(nulls.clock), tuple(scan.index for scan in scans), b"".join(scan.raw_sha256 for scan in scans),
        tuple(scan.outcome for scan in scans), TypedArray.of(scan.score for scan in scans),
        _table([scan.substances for scan in scans], len(nulls.substances)),
        _table([scan.noise_ft for scan in scans], len(nulls.setting.plans)), nulls.excluded)


def _table(rows: list[tuple[float, ...]], columns: int) -> TypedArray:
    if any(len(row) != columns for row in rows):
        raise NullSetRefused(f"a scan has another number of figures than {columns}")
    return TypedArray.of((figure for row in rows for figure in row), (len(rows), columns), 32)


def _unpacked(packed: _Packed) -> NullSet:
    columns, bands = len(packed.substances), len(packed.setting.plans)
    by_substance, noise = packed.by_substance.values(), packed.noise_ft.values()
    scans = tuple(
        NullScan(index, digest, outcome, score, by_substance[at * columns: (at + 1) * columns],
                 noise[at * bands: (at + 1) * bands])
        for at, (index, digest, outcome, score) in enumerate(
            zip(packed.indices, _digests(packed.digests), packed.outcomes, packed.scores.values(), strict=True)))
    return NullSet(
        packed.gateway, packed.software, packed.software_sha256, packed.detection_sha256, packed.model_sha256,
        packed.demands, packed.setting, packed.substances, packed.source, packed.first_ns, packed.last_ns,
        packed.made_ns, packed.clock, scans, packed.excluded)


def _digests(joined: bytes) -> list[bytes]:
    return [digest for (digest,) in struct.iter_unpack(f"{DIGEST_BYTES}s", joined)]

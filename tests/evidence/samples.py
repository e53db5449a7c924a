"""One draft of every kind, a fixed key, and small journals made of them: what the evidence tests work on.

Everything is fixed or seeded, so that golden bytes can be compared.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers.sample import BandPlan, Channel, Identity
from gateway.detection.testimony import EchoDecay, LineAccount, Occlusion, RivalAccount, SubstanceAccount
from gateway.detection.verdict import Anomaly, LineEvidence, Outcome, Passage, SubstanceScore, Verdict
from gateway.evidence.act import (
    CalibrationBody,
    ConfigurationBody,
    ContextBody,
    DispositionBody,
    Finding,
    KeyAction,
    KeyAlgorithm,
    KeyBody,
    ModelBody,
    PruningBody,
    StartBody,
)
from gateway.evidence.body import (
    AnomalyBody,
    BandSummary,
    FaultBody,
    FaultSource,
    ReadingBody,
    ScanBody,
    VerdictBody,
)
from gateway.evidence.journal import open_journal
from gateway.evidence.keys import SigningKey
from gateway.evidence.record import ClockStatus, Draft, Kind, Provenance, Stamp
from gateway.evidence.typed_array import TypedArray
from gateway.evidence.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.evidence.layout import Body

GATEWAY = "gw-1"
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32))
BOOT = bytes(range(16))
WALL_NS = 1_790_000_000_000_000_000
HEAD = Identity("Spingate", "NQR head profile 1", "0007", "1.0.0")

BODIES: dict[Kind, Body] = {
    Kind.READING: ReadingBody(
        "mag-lane-1", Identity("Twinleaf", "VMR", "12", "R4"), "vector",
        (Channel("x", "magnetic flux density", "T"), Channel("y", "magnetic flux density", "T")),
        TypedArray.of([4.5e-5, -1.25e-6, 4.6e-5, -1.5e-6, 4.7e-5, float("nan")], (3, 2)),
        TypedArray.of([1e-9, float("nan")]), 100.0, 4711, ("saturated",), False, "no certificate for serial 12",
        123_456_789,
    ),
    Kind.SCAN: ScanBody(
        "head-1", HEAD, 9,
        (BandSummary(BandPlan(3_308_400.0, 50_000.0, 0.006, 40, 12), 9_000.0,
                     TypedArray.of([1.0, 0.0] * 8, (8, 2), 32), TypedArray.of([0.5] * 8, bits=32), 0.04, 0.02),),
        300.0, 293.15, 0.25, (), True, "", 123_456_790,
    ),
    Kind.VERDICT: VerdictBody("head-1", Verdict(
        Outcome.ALARM, ("both lines of RDX stand above the noise",),
        (SubstanceScore("RDX", 88.5, 1e-9, 0.97, 294.5, 0.4, True,
                        (LineEvidence("nu+ 3.41", 3410.0, 3410.125, 2.5, 0.25, 100.0),)),),
        9, sha256(b"scan").digest(), sha256(b"model").digest(),
    )),
    Kind.ANOMALY: AnomalyBody("mag-lane-1", Anomaly(
        22.5, 13.8, 1e-6, 2.5e-8, 4.0, Passage(123_450_000, 0.125, 1.5, 0.25, 1.75, 0.75, 0.5, 0.375)), 123_456_791),
    Kind.FAULT: FaultBody(FaultSource.INSTRUMENT, "oven-1", "silent", "no answer for 3.0 s", 123_456_792),
    Kind.START: StartBody("aarch64", "Debian GNU/Linux 12", "3.11.2", ("cbor2 6.3.0",), True,
                          "spingate/gw-1\n5\nAAAA\n"),
    Kind.CONFIGURATION: ConfigurationBody("gateway.toml", "[gateway]\nid = 'gw-1'\n"),
    Kind.CALIBRATION: CalibrationBody("mag-lane-1", "serial = '12'\n", False, "expired on 2026-01-01"),
    Kind.MODEL: ModelBody("nqr-cnn-1", "ai-edge-litert 2.3.0", "# Card\n", True, ""),
    Kind.KEY: KeyBody(KeyAction.ADDED, KeyAlgorithm.ED25519, bytes([7]) * 32),
    Kind.CONTEXT: ContextBody("camera at lane 2", 123_456_793, 9, container="CSQU3054383", lane="2"),
    Kind.DISPOSITION: DispositionBody("officer 17", "customs officer", "client certificate", 2, Finding.CONFIRMED,
                                      "RDX", "in a toolbox", 123_456_794),
    Kind.PRUNING: PruningBody(0, 41, True, "raw-30d", "retention"),
}


# An alarm with everything that may be absent, and one without what may be.
DECAY = EchoDecay(0.75, 0.5, 1.25, 1.0, (4.0, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.25), 0.5, (4.0, 3.25, 2.5) + (1.0,) * 5)
RIVAL = RivalAccount("HMX", "target", 5306.0, 3410.125, 1.5, 287.5, 5050.0, 80.5, 5.25, True, "a line of it is missing")
ACCOUNT = SubstanceAccount("RDX", (LineAccount("nu+ 3.41", DECAY, 1.0625, 4.5, 0.0625),),
                           Occlusion(0.97, 0.01, 0.96, 0.95, True, "RDX", 0.97), True, (RIVAL,), 0.25, 1.5)
BARE = SubstanceAccount("RDX", ACCOUNT.lines, None, None, (replace(RIVAL, at_k=None, missing_khz=None),))


def accounted(account: SubstanceAccount) -> VerdictBody:
    """Return the alarm of `BODIES` with an account, and with a mass where the account has its range."""
    body = BODIES[Kind.VERDICT]
    assert isinstance(body, VerdictBody)
    scores = body.verdict.scores
    if account.prior_low_kg is not None:
        scores = (replace(scores[0], mass_kg=0.5, u_mass_kg=0.125), *scores[1:])
    return replace(body, verdict=replace(body.verdict, scores=scores, accounts=(account,)))


def stamp(number: int, boot_id: bytes = BOOT) -> Stamp:
    """Return the stamp of the record with this number, one a millisecond."""
    return Stamp(boot_id, number * 1_000_000, WALL_NS + number * 1_000_000, ClockStatus.SYNCHRONISED, 250_000)


def draft(kind: Kind, number: int = 0, raw: bytes | None = None, boot_id: bytes = BOOT) -> Draft:
    """Return the draft of this kind, naming raw data where some are given."""
    provenance = Provenance(
        "spingate 0.1.0", sha256(b"software").digest(), sha256(b"configuration").digest(),
        raw_sha256=None if raw is None else sha256(raw).digest(),
    )
    return Draft(stamp(number, boot_id), provenance, BODIES[kind])


def full_draft(kind: Kind) -> Draft:
    """Return the draft of this kind with everything filled in that may be absent."""
    provenance = Provenance(
        "spingate 0.1.0", sha256(b"software").digest(), sha256(b"configuration").digest(),
        sha256(b"certificate").digest(), sha256(b"model").digest(), sha256(b"scan").digest(), (3, 5),
    )
    return Draft(stamp(7), provenance, BODIES[kind])


class Clock:
    """A monotonic clock that goes on by a fixed step whenever it is asked."""

    def __init__(self, step_ns: int = 1_000_000, start_ns: int = 0) -> None:
        self._ticks = itertools.count(start_ns, step_ns)

    def __call__(self) -> int:
        """Return the next time."""
        return next(self._ticks)


def make_journal(
    path: Path, records: int, key: SigningKey = KEY, start: int = 0, checkpoint_each: int = 8, boot_id: bytes = BOOT
) -> list[bytes]:
    """Append `records` records of all kinds in turn to the journal at `path`, and return their raw data.

    A checkpoint follows each `checkpoint_each` of them, and the last one.
    """
    kinds = list(Kind)
    journal = open_journal(path, GATEWAY, key)
    raws = []
    for first in range(start, start + records, checkpoint_each):
        writer = Writer(journal, Clock(), lambda: WALL_NS)
        writer.start()
        for number in range(first, min(first + checkpoint_each, start + records)):
            raw = b"raw %d" % number if number % 3 == 0 else None
            writer.submit(draft(kinds[number % len(kinds)], number, raw, boot_id), raw).result(30)
            raws += [] if raw is None else [raw]
        writer.close()
    journal.close()
    return raws

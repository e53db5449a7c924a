"""What the gateway and its people do to the measurement: start, configure, calibrate, decide, prune.

Plain values only. A number read by a camera or typed by a person is a claim, and its source is named.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds


@dataclass(frozen=True, slots=True)
class StartBody:
    """The gateway's software began to run; its version and digest are in the provenance.

    `packages` are "name version" of what decides (cbor2, cryptography, numpy, the TFLite runtime).
    `clean` tells whether the run before ended in order. `replaces` is the newest checkpoint (a signed note)
    of the journal that was set aside for this one, None for a first journal.
    """

    machine: str
    system: str
    python: str
    packages: tuple[str, ...]
    clean: bool
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationBody:
    """The configuration now in force, as it stands in its file; its digest is in the provenance."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class CalibrationBody:
    """A certificate was taken up for an instrument, or refused with a reason. Its digest is in the provenance."""

    instrument: str
    text: str
    accepted: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ModelBody:
    """A model was taken up, or refused with a reason. Its digest is in the provenance; `card` is its card."""

    name: str
    runtime: str
    card: str
    accepted: bool
    reason: str


class KeyAction(StrEnum):
    """What happened to a key."""

    ADDED = "added"
    RETIRED = "retired"


class KeyAlgorithm(StrEnum):
    """What a key signs with."""

    ED25519 = "Ed25519"
    ML_DSA_44 = "ML-DSA-44"


@dataclass(frozen=True, slots=True)
class KeyBody:
    """A key begins or ceases to be valid at this index of the journal. `public_key` is raw."""

    action: KeyAction
    algorithm: KeyAlgorithm
    public_key: bytes


@dataclass(frozen=True, slots=True)
class ContextBody:
    """What somebody else says about the load in the bay: `source` made every claim in it.

    Container number (ISO 6346), unique consignment reference, declaration (MRN, LRN), UN/LOCODE, lane,
    HS-6 heading, event id. What was not said is None.
    """

    source: str
    received_at: Nanoseconds
    scan_id: int | None = None
    container: str | None = None
    ucr: str | None = None
    mrn: str | None = None
    lrn: str | None = None
    unlocode: str | None = None
    lane: str | None = None
    hs6: str | None = None
    event_id: str | None = None


class Finding(StrEnum):
    """What inspection of the load showed."""

    CONFIRMED = "confirmed"
    NOT_FOUND = "not found"
    NOT_INSPECTED = "not inspected"


@dataclass(frozen=True, slots=True)
class DispositionBody:
    """What an officer found. `verdict_sequence` is the record it answers."""

    officer: str
    role: str
    authentication: str
    verdict_sequence: int
    finding: Finding
    substance: str
    note: str
    received_at: Nanoseconds


@dataclass(frozen=True, slots=True)
class PruningBody:
    """Records or raw data were removed under a policy: `first` to `last`, both included."""

    first: int
    last: int
    raw_only: bool
    policy: str
    operator: str

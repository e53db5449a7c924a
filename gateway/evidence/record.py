"""The record: what is signed. One function builds it, one reads it.

A record's sequence number is its index in the journal; it goes up by exactly one, across restarts too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.evidence import cbor, layout
from gateway.evidence.cbor import RECORD_BYTES_MAX, RecordTooBig, WrongShape
from gateway.evidence.layout import DIGEST, SEQUENCE, Body
from gateway.evidence.shape import Choice, Field, Octets, Several, Struct, Text, Whole

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

VERSION = 1
# Tag, headers and signature of the COSE message around the payload take 84 bytes; the message is what is bounded.
PAYLOAD_BYTES_MAX = RECORD_BYTES_MAX - 96
SOURCES_MAX = 256

GATEWAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")     # no space and no plus: it is part of a C2SP origin


class Kind(StrEnum):
    """What a record is about."""

    READING = "reading"
    SCAN = "scan"
    VERDICT = "verdict"
    ANOMALY = "anomaly"
    FAULT = "fault"
    START = "start"
    CONFIGURATION = "configuration"
    CALIBRATION = "calibration"
    MODEL = "model"
    KEY = "key"
    CONTEXT = "context"
    DISPOSITION = "disposition"
    PRUNING = "pruning"


class ClockStatus(StrEnum):
    """How far the wall clock may be trusted."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    UNKNOWN = "unknown"
    HOLDOVER = "holdover"


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a record was made: boot and monotonic time order it, wall time labels it.

    `boot_id` is the kernel's, 16 bytes; `error_ns` is the wall clock's estimated error, None where unknown.
    """

    boot_id: bytes
    monotonic_ns: Nanoseconds
    wall_ns: int
    status: ClockStatus
    error_ns: int | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """The SHA-256 of everything a record was made with, and the records it was derived from."""

    software: str
    software_sha256: bytes
    configuration_sha256: bytes
    certificate_sha256: bytes | None = None
    model_sha256: bytes | None = None
    raw_sha256: bytes | None = None
    sources: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A record before it has a place in the journal."""

    stamp: Stamp
    provenance: Provenance
    body: Body


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was signed."""

    version: int
    kind: Kind
    gateway: str
    sequence: int
    stamp: Stamp
    provenance: Provenance
    body: Body


STAMP = Struct(
    Stamp,
    Field(1, "boot_id", Octets(16, 16)),
    Field(2, "monotonic_ns", Whole()),
    Field(3, "wall_ns", Whole()),
    Field(4, "status", Choice(*ClockStatus)),
    Field(5, "error_ns", Whole(), optional=True),
)
PROVENANCE = Struct(
    Provenance,
    Field(1, "software", Text(64, 1)),
    Field(2, "software_sha256", DIGEST),
    Field(3, "configuration_sha256", DIGEST),
    Field(4, "certificate_sha256", DIGEST, optional=True),
    Field(5, "model_sha256", DIGEST, optional=True),
    Field(6, "raw_sha256", DIGEST, optional=True),
    Field(7, "sources", Several(SEQUENCE, SOURCES_MAX)),
)
BODY_OF_KIND: dict[Kind, Struct[Any]] = {
    Kind.READING: layout.READING,
    Kind.SCAN: layout.SCAN,
    Kind.VERDICT: layout.VERDICT,
    Kind.ANOMALY: layout.ANOMALY,
    Kind.FAULT: layout.FAULT,
    Kind.START: layout.START,
    Kind.CONFIGURATION: layout.CONFIGURATION,
    Kind.CALIBRATION: layout.CALIBRATION,
    Kind.MODEL: layout.MODEL,
    Kind.KEY: layout.KEY,
    Kind.CONTEXT: layout.CONTEXT,
    Kind.DISPOSITION: layout.DISPOSITION,
    Kind.PRUNING: layout.PRUNING,
}
KIND_OF_BODY = {shape.of: kind for kind, shape in BODY_OF_KIND.items()}
KIND = Choice(*Kind)


def name_is_wrong(record: Record) -> str:
    """Return what is wrong with the gateway's name, empty where it fits an origin and a topic."""
    return "" if GATEWAY_NAME.fullmatch(record.gateway) else f"gateway = {record.gateway!r}: letters, digits, . _ -"


RECORD_OF_KIND = {
    kind: Struct(
        Record,
        Field(1, "version", Whole(VERSION, VERSION)),
        Field(2, "kind", KIND),
        Field(3, "gateway", Text(63, 1)),
        Field(4, "sequence", SEQUENCE),
        Field(5, "stamp", STAMP),
        Field(6, "provenance", PROVENANCE),
        Field(7, "body", body),
        check=name_is_wrong,
    )
    for kind, body in BODY_OF_KIND.items()
}


def encode(draft: Draft, gateway: str, sequence: int) -> bytes:
    """Return the payload that is signed. Raises RecordRefused where the draft is no record."""
    kind = KIND_OF_BODY.get(type(draft.body))
    if kind is None:
        raise WrongShape("body", f"{type(draft.body).__name__} is not the body of any kind of record")
    record = Record(VERSION, kind, gateway, sequence, draft.stamp, draft.provenance, draft.body)
    payload = RECORD_OF_KIND[kind].encode(record)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise RecordTooBig(kind, f"{len(payload)} bytes: at most {PAYLOAD_BYTES_MAX} are allowed")
    return payload


def decode(payload: bytes) -> Record:
    """Return the record in a payload whose signature has been checked. Raises RecordRefused."""
    item = cbor.decode(payload)
    if not isinstance(item, dict):
        raise WrongShape("", "must be a map")
    version = item.get(1)
    if version != VERSION:
        raise WrongShape("version", f"{version!r}: this program reads version {VERSION}")
    try:
        kind = KIND.unpack(item.get(2))
    except WrongShape as refused:
        raise refused.inside("kind") from None
    return RECORD_OF_KIND[kind].unpack(item)

"""The records by which a Twinleaf device describes itself: device, stream, segment, column. No I/O.

Rule: strings are found by the record's own length of its fixed part, so that longer records of later firmware
still read.

Source: twinleaf/twinleaf-rust, twinleaf/src/tio/proto; PyPI `twinleaf` 0.1.3 reads the same layout.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from drivers.tio import METADATA, Malformed, Packet, text

DEVICE, STREAM, SEGMENT, COLUMN = 1, 2, 3, 4

PERIODIC, UPDATE, LAST = 1, 2, 4    # flags of a metadata packet

SEGMENT_VALID, SEGMENT_ACTIVE = 1, 2

# After the length byte, in order: lengths of strings stand among the fields where the format says.
_DEVICE = struct.Struct("<BIBBB")
_STREAM = struct.Struct("<BBBHHB")
_SEGMENT = struct.Struct("<BBBBBIIIIfB")
_COLUMN = struct.Struct("<BBBBBB")


@dataclass(frozen=True, slots=True)
class Device:
    """The device itself; `session_id` is drawn at random at each boot."""

    name: str
    session_id: int
    serial: str
    firmware: str
    streams: int


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream; `sample_bytes` is the sum of its columns."""

    stream_id: int
    name: str
    columns: int
    segments: int
    sample_bytes: int
    buffer_samples: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a stream with one rate and one filter; sample n ends (n + 1)/rate_hz after its start."""

    stream_id: int
    segment_id: int
    flags: int
    epoch: int
    timeref_serial: str
    timeref_session_id: int
    start_s: int
    sampling_hz: int
    decimation: int
    filter_hz: float
    filter_kind: int

    @property
    def rate_hz(self) -> float:
        """Samples per second as they arrive."""
        return self.sampling_hz / self.decimation


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a stream; `data_type` is the protocol's code (size in bytes in the high nibble)."""

    stream_id: int
    index: int
    data_type: int
    name: str
    unit: str
    description: str


Record: TypeAlias = Device | Stream | Segment | Column


def decode_metadata(payload: bytes) -> tuple[int, Record | None]:
    """Return flags and record of a METADATA packet; None for a kind of record not known here."""
    if len(payload) < 3:
        raise Malformed(f"metadata: {len(payload)} bytes, must be 3 or more")
    return payload[1], decode_record(payload[0], payload[2:])


def encode_metadata(record: Record, flags: int) -> Packet:
    """Return the METADATA packet that announces `record`."""
    kind, data = encode_record(record)
    return Packet(METADATA, bytes([kind, flags]) + data)


def decode_records(value: bytes) -> list[Record]:
    """Return the records of a `dev.metadata` reply; kinds not known here are left out."""
    records = []
    while value:
        if len(value) < 2 or 2 + value[1] > len(value):
            raise Malformed(f"dev.metadata: a record does not fit into the {len(value)} bytes left")
        record = decode_record(value[0], value[2:2 + value[1]])
        if record is not None:
            records.append(record)
        value = value[2 + value[1]:]
    return records


def decode_record(kind: int, data: bytes) -> Record | None:
    """Return one record, None for a kind not known here."""
    if kind == DEVICE:
        (name, session, serial, firmware, streams), cut = _open(_DEVICE, data)
        names = _strings(data, cut, name, serial, firmware)
        return Device(names[0], session, names[1], names[2], streams)
    if kind == STREAM:
        (stream, columns, segments, size, buffered, name), cut = _open(_STREAM, data)
        return Stream(stream, _strings(data, cut, name)[0], columns, segments, size, buffered)
    if kind == SEGMENT:
        return _segment(data)
    if kind == COLUMN:
        (stream, index, data_type, name, unit, words), cut = _open(_COLUMN, data)
        return Column(stream, index, data_type, *_strings(data, cut, name, unit, words))
    return None


def encode_record(record: Record) -> tuple[int, bytes]:
    """Return kind and bytes of one record."""
    match record:
        case Device(name, session, serial, firmware, streams):
            words = [name.encode(), serial.encode(), firmware.encode()]
            fixed = _DEVICE.pack(len(words[0]), session, len(words[1]), len(words[2]), streams)
            return DEVICE, _join(fixed, words)
        case Stream(stream, name, columns, segments, size, buffered):
            words = [name.encode()]
            fixed = _STREAM.pack(stream, columns, segments, size, buffered, len(words[0]))
            return STREAM, _join(fixed, words)
        case Segment():
            words = [record.timeref_serial.encode()]
            fixed = _SEGMENT.pack(
                record.stream_id, record.segment_id, record.flags, record.epoch, len(words[0]),
                record.timeref_session_id, record.start_s, record.sampling_hz, record.decimation,
                record.filter_hz, record.filter_kind)
            return SEGMENT, _join(fixed, words)
        case Column(stream, index, data_type, name, unit, description):
            words = [name.encode(), unit.encode(), description.encode()]
            return COLUMN, _join(_COLUMN.pack(stream, index, data_type, *map(len, words)), words)


def _segment(data: bytes) -> Segment | None:
    fields, cut = _open(_SEGMENT, data)
    stream, segment, flags, epoch, name, session, start, sampling, decimation, cutoff, kind = fields
    if not flags & SEGMENT_VALID:
        return None     # the rest of the record means nothing then
    if not sampling or not decimation:
        raise Malformed(f"segment {segment}: rate {sampling}/{decimation} Hz, must be above 0")
    (timeref,) = _strings(data, cut, name)
    return Segment(stream, segment, flags, epoch, timeref, session, start, sampling, decimation, cutoff, kind)


def _open(layout: struct.Struct, data: bytes) -> tuple[tuple[int, ...], int]:
    if not data or not 1 + layout.size <= data[0] <= len(data):
        raise Malformed(f"record of {len(data)} bytes: fixed part must be {1 + layout.size} or more")
    return layout.unpack_from(data, 1), data[0]


def _strings(data: bytes, start: int, *sizes: int) -> list[str]:
    if start + sum(sizes) > len(data):
        raise Malformed(f"record of {len(data)} bytes: strings end at {start + sum(sizes)}")
    words = []
    for size in sizes:
        words.append(text(data[start:start + size]))
        start += size
    return words


def _join(fixed: bytes, words: list[bytes]) -> bytes:
    return bytes([1 + len(fixed)]) + fixed + b"".join(words)

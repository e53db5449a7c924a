"""What a Twinleaf device has told of its streams, and how their samples read with it. No I/O and no clock.

Rule: a sample is read only where device, stream, segment and every column are known; never by a guess.

Source: twinleaf/libtio include/tio/data.h, twinleaf/twinleaf-rust twinleaf/src/data/{parser,sample}.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from drivers.sample import Channel
from drivers.tio import PAYLOAD_BYTES_MAX, Malformed
from drivers.tio_metadata import COLUMN, SEGMENT, STREAM, Column, Device, Record, Segment, Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAKE = "Twinleaf"

SEGMENT_CHANGED = "segment changed"     # rate, filter or row are not those of the sample before
REBOOTED = "device rebooted"            # first sample of a stream after the device started anew

# numpy's name of each type code; numpy has no 24-bit integers, which are read by `_integers_of_3`.
TYPES = {
    0x10: "u1", 0x11: "i1", 0x20: "<u2", 0x21: "<i2", 0x30: "V3", 0x31: "V3", 0x40: "<u4", 0x41: "<i4",
    0x80: "<u8", 0x81: "<i8", 0x42: "<f4", 0x82: "<f8",
}
I24 = 0x31

QUANTITIES = {
    "T": "magnetic flux density", "mT": "magnetic flux density", "uT": "magnetic flux density",
    "nT": "magnetic flux density", "pT": "magnetic flux density", "fT": "magnetic flux density",
    "C": "temperature", "°C": "temperature", "degC": "temperature", "K": "temperature",
    "V": "voltage", "mV": "voltage", "A": "current", "mA": "current", "Pa": "pressure", "mbar": "pressure",
    "g": "acceleration", "m/s^2": "acceleration", "deg/s": "angular velocity", "rad/s": "angular velocity",
}

# A `dev.metadata` reply holds 498 bytes; six columns of 80 bytes fit, and the protocol allows 16 at a time.
RECORDS_ASKED_MAX = 6


@dataclass(frozen=True, slots=True)
class Layout:
    """How one stream's samples read; `kinds` are the type codes of the columns.

    `alike` is the type of every column where all are of one; a packet of four is read 2 us sooner by it.
    """

    stream: Stream
    channels: tuple[Channel, ...]
    kinds: tuple[int, ...]
    row: np.dtype[np.void]
    alike: np.dtype[Any] | None

    def read(self, samples: bytes) -> NDArray[np.float64]:
        """Return float64 [rows, channels] of the samples of one packet, packed back to back."""
        if not samples or len(samples) % self.row.itemsize:
            size = self.row.itemsize
            raise Malformed(f"stream {self.stream.name}: {len(samples)} bytes of samples, {size} each")
        with np.errstate(invalid="ignore"):     # a signalling NaN stays a NaN; the device may send one
            if self.alike is not None:
                return np.frombuffer(samples, self.alike).reshape(-1, len(self.kinds)).astype(np.float64)
            rows = np.frombuffer(samples, self.row)
            values = np.empty((len(rows), len(self.kinds)))
            for index, kind in enumerate(self.kinds):
                column = rows[f"f{index}"]
                values[:, index] = _integers_of_3(column, kind) if kind >> 4 == 3 else column
        return values


def layout(stream: Stream, columns: list[Column]) -> Layout:
    """Return the layout of a stream whose columns, in order, are all known."""
    unknown = [column.data_type for column in columns if column.data_type not in TYPES]
    if unknown:
        raise Malformed(f"stream {stream.name}: data type {unknown[0]:#x} is none of the protocol")
    row = np.dtype(",".join(TYPES[column.data_type] for column in columns) + ",")
    if row.itemsize != stream.sample_bytes:
        told = f"{stream.sample_bytes} bytes a sample, columns hold {row.itemsize}"
        raise Malformed(f"stream {stream.name}: {told}")
    channels = tuple(
        Channel(c.name or f"column {c.index}", QUANTITIES.get(c.unit, c.description), c.unit) for c in columns)
    kinds = tuple(column.data_type for column in columns)
    alike = np.dtype(TYPES[kinds[0]]) if len(set(kinds)) == 1 and kinds[0] >> 4 != 3 else None
    return Layout(stream, channels, kinds, row, alike)


def _integers_of_3(column: NDArray[np.void], kind: int) -> NDArray[np.int32]:
    three = np.frombuffer(column.tobytes(), np.uint8).reshape(-1, 3).astype(np.int32)
    whole: NDArray[np.int32] = three[:, 0] | three[:, 1] << 8 | three[:, 2] << 16
    return np.where(whole >= 1 << 23, whole - (1 << 24), whole).astype(np.int32) if kind == I24 else whole


@dataclass(slots=True)
class StreamKnowledge:
    """What is known of one stream; its layout is made once, when the last column is known."""

    stream: Stream | None = None
    segment: Segment | None = None
    columns: dict[int, Column] = field(default_factory=dict)
    layout: Layout | None = None
    segment_wanted: int = 0


class Description:
    """Everything the device has told of itself since the line was opened.

    Bounded by the protocol: 127 streams, 255 columns each, strings of 255 bytes, one segment a stream.
    """

    def __init__(self) -> None:
        self.device: Device | None = None
        self._streams: dict[int, StreamKnowledge] = {}

    def put(self, record: Record) -> None:
        """Take one record; a column or segment may come before its stream."""
        if isinstance(record, Device):
            self.device = record
            return
        known = self._known(record.stream_id)
        if isinstance(record, Segment):
            known.segment = record
            known.segment_wanted = record.segment_id    # the one before is over: it is not asked for again
        elif isinstance(record, Column):
            if known.columns.get(record.index) != record:
                known.columns[record.index] = record
                known.layout = None
        elif known.stream != record:
            _check(record)
            known.stream = record
            known.layout = None

    def reads(self, stream_id: int, segment_id: int) -> tuple[Device, Segment, Layout] | None:
        """Return what it takes to read a packet of this stream and segment, None while part is unknown."""
        known = self._known(stream_id)
        known.segment_wanted = segment_id
        segment = known.segment
        if self.device is None or known.stream is None or segment is None or segment.segment_id != segment_id:
            return None
        if known.layout is None:
            if _columns_missing(known.stream, known.columns):
                return None
            known.layout = layout(known.stream, [known.columns[i] for i in range(known.stream.columns)])
        return self.device, segment, known.layout

    def missing(self) -> bytes | None:
        """Return the argument of `dev.metadata` that asks for what is unknown, None where nothing is."""
        if self.device is None:
            return b""      # as much as fits
        wanted: list[bytes] = []
        for stream_id in range(1, self.device.streams + 1):
            known = self._known(stream_id)
            if known.stream is None:
                wanted.append(bytes([STREAM, stream_id, 0]))
            if known.segment is None or known.segment.segment_id != known.segment_wanted:
                wanted.append(bytes([SEGMENT, stream_id, known.segment_wanted]))
            if known.stream is not None:
                missing = _columns_missing(known.stream, known.columns)
                wanted += [bytes([COLUMN, stream_id, index]) for index in missing]
        return b"".join(wanted[:RECORDS_ASKED_MAX]) or None

    def _known(self, stream_id: int) -> StreamKnowledge:
        return self._streams.setdefault(stream_id, StreamKnowledge())


def _columns_missing(stream: Stream, columns: dict[int, Column]) -> list[int]:
    return [index for index in range(stream.columns) if index not in columns]


def _check(stream: Stream) -> None:
    if not 0 < stream.columns <= stream.sample_bytes <= PAYLOAD_BYTES_MAX - 4:
        told = f"{stream.columns} columns, {stream.sample_bytes} bytes a sample"
        raise Malformed(f"stream {stream.name}: {told}")

"""The three packets by which a Twinleaf device of the first generation describes its one stream. No I/O, no clock.

Rule: a description that contradicts itself is refused as `Malformed`; nothing in it is guessed.

Source: twinleaf/tio-python, tio/tio_protocol.py (MIT), the vendor's own host; twinleaf/libtio include/tio/data.h
holds an older form of two of them. All fields are little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from drivers.tio import PAYLOAD_BYTES_MAX, Malformed, text
from drivers.tio_metadata import Column, Stream
from drivers.tio_stream import TYPES, Layout, layout

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEBASE, SOURCE, STREAM = 6, 7, 8      # kinds of packet

TIMEBASE_VALID, TIMEBASE_DELETED = 1, 2
SOURCE_DELETED = 1
STREAM_DELETED = 4

# id, source, epoch, start ns, period numerator and denominator us, flags, stability, id of the source of time
_TIMEBASE = struct.Struct("<HBBQIIIf16s")
# id, timebase, period, offset, fmt, flags, channels, data type; text follows
_SOURCE = struct.Struct("<HHIIiHHB")
# id, timebase, period, offset, sample number, components, flags; components follow
_STREAM = struct.Struct("<HHIIQHH")
_COMPONENT = struct.Struct("<HHII")     # source, flags, period, offset

# Ids have 16 bits; a real device has a handful of each, and more than this fills no memory.
ENTRIES_MAX = 64

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Timebase:
    """A clock of the device: one period is `numerator_us / denominator_us`."""

    timebase_id: int
    epoch: int
    start_ns: int
    numerator_us: int
    denominator_us: int
    flags: int


@dataclass(frozen=True, slots=True)
class Source:
    """A sensor within the device. `columns` may be empty or hold one name for each channel."""

    source_id: int
    flags: int
    channels: int
    data_type: int
    name: str
    columns: tuple[str, ...]
    title: str
    unit: str


@dataclass(frozen=True, slots=True)
class Component:
    """A source's part of the row; it stands in every `period`-th row."""

    source_id: int
    period: int


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What a row of the stream holds, component after component."""

    stream_id: int
    timebase_id: int
    period: int
    flags: int
    components: tuple[Component, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbouring components of one period, read as a stream of their own; `start` and `end` are bytes of the row."""

    layout: Layout
    rate_hz: float
    period: int
    start: int
    end: int


def decode_timebase(payload: bytes) -> Timebase:
    """Return the timebase that a packet of kind 6 announces."""
    number, _source, epoch, start, numerator, denominator, flags, _stability, _origin = _fields(_TIMEBASE, payload)
    return Timebase(number, epoch, start, numerator, denominator, flags)


def decode_source(payload: bytes) -> Source:
    """Return the source that a packet of kind 7 announces; of its texts only the name must be there."""
    number, _timebase, _period, _offset, _form, flags, channels, data_type = _fields(_SOURCE, payload)
    words = [text(word) for word in payload[_SOURCE.size:].rstrip(b"\x00").split(b"\t")] + ["", "", ""]
    return Source(number, flags, channels, data_type, words[0], tuple(filter(None, words[1].split(","))), *words[2:4])


def decode_row_plan(payload: bytes) -> RowPlan:
    """Return what a packet of kind 8 announces of the stream."""
    number, timebase, period, _offset, _sample, count, flags = _fields(_STREAM, payload)
    end = _STREAM.size + count * _COMPONENT.size
    if len(payload) < end:
        raise Malformed(f"stream {number}: {count} components end at byte {end}, payload at {len(payload)}")
    found = _COMPONENT.iter_unpack(payload[_STREAM.size:end])
    return RowPlan(number, timebase, period, flags, tuple(Component(which, every) for which, _, every, _ in found))


@dataclass(slots=True)
class LegacyDescription:
    """Everything the device has told of its stream; at most ENTRIES_MAX of each kind."""

    timebases: dict[int, Timebase] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    plan: RowPlan | None = None

    def put(self, kind: int, payload: bytes) -> None:
        """Take one packet of kind 6, 7 or 8; raises Malformed."""
        if kind == TIMEBASE:
            timebase = decode_timebase(payload)
            gone = bool(timebase.flags & TIMEBASE_DELETED or not timebase.flags & TIMEBASE_VALID)
            _keep(self.timebases, timebase.timebase_id, None if gone else timebase)
        elif kind == SOURCE:
            source = decode_source(payload)
            _keep(self.sources, source.source_id, None if source.flags & SOURCE_DELETED else source)
        else:
            plan = decode_row_plan(payload)
            if not plan.stream_id:      # the first generation has stream 0 alone
                self.plan = None if plan.flags & STREAM_DELETED else plan

    def parts(self) -> tuple[Part, ...] | None:
        """Return how a row reads, None while something is unknown; raises Malformed."""
        plan = self.plan
        if plan is None or not plan.components or plan.timebase_id not in self.timebases:
            return None
        if any(one.source_id not in self.sources for one in plan.components):
            return None
        return tuple(_parts(plan, self.timebases[plan.timebase_id], self.sources))


def _keep(kept: dict[int, Entry], number: int, value: Entry | None) -> None:
    if value is None:
        kept.pop(number, None)
    elif number in kept or len(kept) < ENTRIES_MAX:
        kept[number] = value
    else:
        raise Malformed(f"entry {number}: more than {ENTRIES_MAX} of a kind")


def _parts(plan: RowPlan, timebase: Timebase, sources: dict[int, Source]) -> Iterable[Part]:
    start = 0
    for period, components in groupby(plan.components, lambda one: one.period):
        ticks_us = timebase.numerator_us * plan.period * period
        if not ticks_us or not timebase.denominator_us:
            raise Malformed(f"stream 0: period {plan.period} x {period} of "
                            f"{timebase.numerator_us}/{timebase.denominator_us} us, must be above 0")
        read = _layout([sources[one.source_id] for one in components])
        end = start + read.row.itemsize
        yield Part(read, 1e6 * timebase.denominator_us / ticks_us, period, start, end)
        start = end


def _layout(sources: list[Source]) -> Layout:
    columns = [column for source in sources for column in _columns(source)]
    size = sum(column.data_type >> 4 for column in columns)
    name = "+".join(source.name for source in sources)
    if not 0 < size <= PAYLOAD_BYTES_MAX - 4:
        raise Malformed(f"stream 0: {size} bytes a row, must be {PAYLOAD_BYTES_MAX - 4} or less")
    return layout(Stream(0, name, len(columns), 1, size, 0), columns)


def _columns(source: Source) -> list[Column]:
    if not 0 < source.channels <= PAYLOAD_BYTES_MAX or source.data_type not in TYPES:
        raise Malformed(f"source {source.name}: {source.channels} channels of type {source.data_type:#x}")
    names = source.columns if len(source.columns) == source.channels else tuple(map(str, range(source.channels)))
    return [
        Column(0, index, source.data_type, source.name if source.channels == 1 else f"{source.name}.{name}",
               source.unit, source.title)
        for index, name in enumerate(names)]


def _fields(fixed: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) < fixed.size:
        raise Malformed(f"description of {len(payload)} bytes: must be {fixed.size} or more")
    return fixed.unpack_from(payload)

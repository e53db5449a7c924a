"""Read the streams of a Twinleaf device of the second generation. No I/O and no clock.

Rule: a packet is read with what the same boot of the same device told, or not at all.

Source: twinleaf/libtio, doc/TIO Protocol Overview.md; twinleaf/twinleaf-rust, twinleaf/src/data/parser.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers import tio
from drivers.sample import Event, Fault, Identity, Sample
from drivers.tio_metadata import Device, Record, decode_metadata, decode_records
from drivers.tio_payload import Request
from drivers.tio_stream import MAKE, REBOOTED, SEGMENT_CHANGED, Description
from drivers.tio_unread import Unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.sample import Nanoseconds

METADATA_CALL = 7855    # the number the vendor's own client gives its metadata calls

# A reply of 500 bytes takes 45 ms at 115200 baud; ten times that leaves a busy device in peace.
METADATA_RETRY_NS = 500_000_000

STREAM_HEAD_BYTES = 4   # u24 number of the first sample, u8 segment


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stream stands: its segment and the number its next sample must have."""

    segment_id: int
    next_sample: int


class SecondGeneration:
    """The streams of one device. `booted` is told each session id and returns what that means.

    Fault kinds: "gap", "went back", "undescribed".
    """

    def __init__(self, booted: Callable[[int, Nanoseconds], list[Event]]) -> None:
        self._booted = booted
        self._positions: dict[int, Position] = {}
        self._rebooted: set[int] = set()    # streams whose next sample is the first since a boot
        self.opened(0)

    def opened(self, now: Nanoseconds) -> None:
        """Forget all that was told. The positions stay: in the same session, what was missed is counted."""
        self._told = Description()
        self._unread = Unread(now)
        self._metadata_due: Nanoseconds = 0

    def reboot(self, now: Nanoseconds) -> None:
        """Believe nothing told before the boot; sample numbers begin anew."""
        self._forget(now)
        self._rebooted |= set(self._positions)
        self._positions.clear()

    @property
    def streams(self) -> int | None:
        """How many streams the device says it has, None while it has not said."""
        return self._told.device.streams if self._told.device else None

    def calls(self, now: Nanoseconds) -> list[Request]:
        """Return the call for what is still unknown, where it is due."""
        if now < self._metadata_due:
            return []
        self._metadata_due = now + METADATA_RETRY_NS
        missing = self._told.missing()
        return [] if missing is None else [Request(METADATA_CALL, "dev.metadata", missing)]

    def metadata(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        """Take what the device announces of itself; raises Malformed."""
        _flags, record = decode_metadata(payload)
        return self._learn([record] if record else [], now)

    def reply(self, value: bytes, now: Nanoseconds) -> list[Event]:
        """Take the answer to the call for metadata; raises Malformed."""
        return self._learn(decode_records(value), now)

    def stream(self, stream_id: int, payload: bytes, raw: bytes, now: Nanoseconds) -> list[Event]:
        """Read one packet of samples; raises Malformed."""
        if len(payload) <= STREAM_HEAD_BYTES:
            raise tio.Malformed(f"stream {stream_id}: {len(payload)} bytes, must be {STREAM_HEAD_BYTES + 1} or more")
        first, segment_id = int.from_bytes(payload[:3], "little"), payload[3]
        known = self._told.reads(stream_id, segment_id)
        if known is None:
            return self._unread.count(stream_id, now)
        device, segment, layout = known
        values = layout.read(payload[STREAM_HEAD_BYTES:])
        before = self._positions.get(stream_id)
        if before and before.segment_id == segment_id and first < before.next_sample:
            return self._went_back(stream_id, before, first, now)
        self._positions[stream_id] = Position(segment_id, first + len(values))
        sample = Sample(
            Identity(MAKE, device.name, device.serial, device.firmware), layout.stream.name, layout.channels,
            values, segment.rate_hz, first, now, raw, self._flags(stream_id, segment_id, before))
        return [*self._losses(stream_id, before, first, segment_id, now), sample]

    def _learn(self, records: list[Record], now: Nanoseconds) -> list[Event]:
        events: list[Event] = []
        for record in records:
            if isinstance(record, Device):
                events += self._booted(record.session_id, now)
            self._told.put(record)
        if self._told.device is not None and records:
            self._metadata_due = min(self._metadata_due, now + METADATA_RETRY_NS // 10)
        return events

    def _forget(self, now: Nanoseconds) -> None:
        self._told = Description()
        self._metadata_due = now

    def _went_back(self, stream_id: int, before: Position, first: int, now: Nanoseconds) -> list[Event]:
        # Only a boot whose announcement was lost starts a segment over: believe nothing told before it.
        self._forget(now)
        del self._positions[stream_id]
        words = f"stream {stream_id}: sample {first} came where {before.next_sample} was due"
        return [Fault("went back", words, now), *self._unread.count(stream_id, now)]

    def _losses(
        self, stream_id: int, before: Position | None, first: int, segment_id: int, now: Nanoseconds,
    ) -> list[Event]:
        losses = self._unread.described(stream_id, now)
        if before is not None:
            due = before.next_sample if before.segment_id == segment_id else 0
            if first > due:
                lost = first - due
                words = f"stream {stream_id}: {lost} samples lost before {first} of segment {segment_id}"
                losses.append(Fault("gap", words, now))
        return losses

    def _flags(self, stream_id: int, segment_id: int, before: Position | None) -> tuple[str, ...]:
        if stream_id in self._rebooted:
            self._rebooted.discard(stream_id)
            return (REBOOTED,)
        return (SEGMENT_CHANGED,) if before is not None and before.segment_id != segment_id else ()

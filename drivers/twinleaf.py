"""Twinleaf magnetometers with TIO of the second generation (VMR, OMG, microSAM, shipped from 2025).

Rule: a number leaves here only with the unit, the rate and the identity the device itself gave for it.

Quantity   magnetic flux density in nT, one to three axes; further columns (temperature) as the device says
Rate       set on the device (`data.rate`); 115200 baud carry about 380 packets of 4 columns a second
Line       USB serial 115200 8N1 (FTDI 0403:6015, STM32 0483:5740), SLIP and CRC-32; or TCP 7855, bare
Host       a heartbeat at once and every 100 ms keeps the device in binary mode
Source     twinleaf/libtio (MIT), twinleaf/twinleaf-rust (MIT or Apache-2.0)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers import slip, tio, tio_payload
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.sample import Event, Fault, Identity, Sample
from drivers.tio_metadata import Device, Record, decode_metadata, decode_records
from drivers.tio_stream import Description

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

MAKE = "Twinleaf"
BAUD = 115_200

# The vendor's host sends one every 100 ms or sooner (twinleaf-rust, port/serial.rs); a port's turn is 25 ms.
HEARTBEAT_NS = 75_000_000

# A reply of 500 bytes takes 45 ms at 115200 baud; ten times that leaves a busy device in peace.
METADATA_RETRY_NS = 500_000_000

CALL_NUMBER = 7855      # the number the vendor's own client gives its metadata calls

LOG_LEVEL_MAX = 2       # critical, error and warning are worth a fault; information is not

SEGMENT_CHANGED = "segment changed"     # rate or filter are not those of the sample before
REBOOTED = "device rebooted"            # first sample of a stream after the device started anew


@dataclass(frozen=True, slots=True)
class Position:
    """Where a stream stands: its segment and the number its next sample must have."""

    segment_id: int
    next_sample: int


class TwinleafDriver:
    """One device, directly connected.

    Fault kinds, besides those of the framing: "bad packet", "gap", "went back", "rebooted", "undescribed",
    "metadata refused", "device log", "legacy stream". The first sample after a change carries a flag.
    """

    def __init__(self, options: DriverOptions) -> None:
        self._packets = options.packets
        self._session: int | None = None
        self._positions: dict[int, Position] = {}
        self._rebooted: set[int] = set()    # streams whose next sample is the first since a boot
        self._begin()

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a packet and all that was told, for another device may sit on the line now.

        The positions stay: if it is the same device in the same session, what was missed is counted.
        """
        del now
        self._begin()

    def _begin(self) -> None:
        self._reader = tio.PacketReader() if self._packets else slip.SlipReader()
        self._told = Description()
        self._unread: dict[int, int] = {}   # packets of each stream that came before its description
        self._said_once: set[str] = set()
        self._heartbeat_due: Nanoseconds = 0
        self._metadata_due: Nanoseconds = 0

    def ask(self, now: Nanoseconds) -> bytes:
        """Return a heartbeat when one is due, and the call for metadata while some is missing."""
        due: list[tio.Packet] = []
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_NS
            due.append(tio_payload.heartbeat())
        if now >= self._metadata_due:
            self._metadata_due = now + METADATA_RETRY_NS
            missing = self._told.missing()
            if missing is not None:
                call = tio_payload.Request(CALL_NUMBER, "dev.metadata", missing)
                due.append(tio_payload.encode_request(call))
        wrap = tio.pack if self._packets else lambda packet: slip.frame(tio.pack(packet))
        return b"".join(wrap(packet) for packet in due)

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return a `Sample` for every stream packet that can be read, and a `Fault` for what cannot."""
        events: list[Event] = []
        for found in self._reader.feed(chunk, now):
            if isinstance(found, Fault):
                events.append(found)
                continue
            try:
                events += self._take(tio.unpack(found), found, now)
            except tio.Malformed as wrong:
                events.append(Fault("bad packet", str(wrong), now))
        return events

    def _take(self, packet: tio.Packet, raw: bytes, now: Nanoseconds) -> list[Event]:
        if packet.route:
            return []   # from behind a hub: another device's
        if packet.kind > tio.STREAM_0:
            return self._stream(packet.kind - tio.STREAM_0, packet.payload, raw, now)
        takes = {
            tio.HEARTBEAT: self._heartbeat,
            tio.METADATA: self._metadata,
            tio.RPC_REPLY: self._reply,
            tio.RPC_ERROR: self._refusal,
            tio.LOG: self._log,
            tio.STREAM_0: self._legacy,
        }.get(packet.kind)
        return takes(packet.payload, now) if takes else []   # else a setting, or a word among hosts and hubs

    def _heartbeat(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        return self._session_is(tio_payload.boot_id(payload), now)

    def _metadata(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        _flags, record = decode_metadata(payload)
        return self._learn([record] if record else [], now)

    def _reply(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        reply = tio_payload.decode_reply(payload)
        return self._learn(decode_records(reply.value), now) if reply.number == CALL_NUMBER else []

    def _refusal(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        refusal = tio_payload.decode_refusal(payload)
        if refusal.number != CALL_NUMBER:
            return []
        return self._once(Fault("metadata refused", f"{refusal.meaning} {refusal.text}".rstrip(), now))

    def _log(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        line = tio_payload.decode_log(payload)
        return [Fault("device log", line.text, now)] if line.level <= LOG_LEVEL_MAX else []

    def _legacy(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        words = f"first generation of the protocol, {len(payload)} bytes: not read here"
        return self._once(Fault("legacy stream", words, now))

    def _learn(self, records: list[Record], now: Nanoseconds) -> list[Event]:
        events: list[Event] = []
        for record in records:
            if isinstance(record, Device):
                events += self._session_is(record.session_id, now)
            self._told.put(record)
        if self._told.device is not None and records:
            self._metadata_due = min(self._metadata_due, now + METADATA_RETRY_NS // 10)
        return events

    def _session_is(self, session: int | None, now: Nanoseconds) -> list[Event]:
        if session is None or session == self._session:
            return []
        before, self._session = self._session, session
        if before is None:
            return []
        self._forget(now)
        self._rebooted = set(self._positions)
        self._positions.clear()
        return [Fault("rebooted", f"boot id {before:08x} became {session:08x}", now)]

    def _forget(self, now: Nanoseconds) -> None:
        self._told = Description()
        self._metadata_due = now

    def _once(self, fault: Fault) -> list[Event]:
        """Say a lasting fault once for each opening of the line."""
        if fault.kind in self._said_once:
            return []
        self._said_once.add(fault.kind)
        return [fault]

    def _stream(self, stream_id: int, payload: bytes, raw: bytes, now: Nanoseconds) -> list[Event]:
        if len(payload) < 5:
            raise tio.Malformed(f"stream {stream_id}: {len(payload)} bytes, must be 5 or more")
        first, segment_id = int.from_bytes(payload[:3], "little"), payload[3]
        known = self._told.reads(stream_id, segment_id)
        if known is None:
            self._unread[stream_id] = self._unread.get(stream_id, 0) + 1
            return []
        device, segment, layout = known
        values = layout.read(payload[4:])
        before = self._positions.get(stream_id)
        if before and before.segment_id == segment_id and first < before.next_sample:
            return self._went_back(stream_id, before, first, now)
        self._positions[stream_id] = Position(segment_id, first + len(values))
        sample = Sample(
            Identity(MAKE, device.name, device.serial, device.firmware), layout.stream.name, layout.channels,
            values, segment.rate_hz, first, now, raw, self._flags(stream_id, segment_id, before))
        return [*self._losses(stream_id, before, first, segment_id, now), sample]

    def _went_back(self, stream_id: int, before: Position, first: int, now: Nanoseconds) -> list[Event]:
        # Only a boot whose announcement was lost starts a segment over: believe nothing told before it.
        self._forget(now)
        del self._positions[stream_id]
        self._unread[stream_id] = self._unread.get(stream_id, 0) + 1
        words = f"stream {stream_id}: sample {first} came where {before.next_sample} was due"
        return [Fault("went back", words, now)]

    def _losses(
        self, stream_id: int, before: Position | None, first: int, segment_id: int, now: Nanoseconds,
    ) -> list[Event]:
        losses: list[Event] = []
        unread = self._unread.pop(stream_id, 0)
        if unread:
            words = f"stream {stream_id}: {unread} packets came before their description and were not read"
            losses.append(Fault("undescribed", words, now))
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


INSTRUMENT = Instrument(
    name="twinleaf",
    title="Twinleaf magnetometer (TIO, second generation)",
    quantity="magnetic flux density",
    unit="nT",
    line=LineSettings(BAUD),
    source="twinleaf/libtio and twinleaf/twinleaf-rust: protocol overview, headers, host library",
    make=TwinleafDriver,
    kind="stream",
    uncertainty="not stated by the protocol; by certificate",
    speaks=True,
)

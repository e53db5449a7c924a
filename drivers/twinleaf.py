"""Twinleaf magnetometers: TIO of both generations, directly connected or behind a hub, and the VMR's text lines.

Rule: a number leaves here only with the unit, the rate and the identity the device itself gave for it. (Text lines
give none: `twinleaf_text` says where their units come from.)

Quantity   magnetic flux density in nT, one to three axes; further columns (temperature) as the device says
Range      not told by the protocol; VMR and OMG work in the field of the Earth, see the maker's sheet
Rate       setting `rate_hz` (call `data.rate`); 115200 baud carry about 380 packets of 4 columns a second
Line       USB serial 115200 8N1 (FTDI 0403:6015, STM32 0483:5740), SLIP and CRC-32; or TCP 7855, bare.
           Faster links (`dev.port.rate`) are documented but not used: a port's speed is its configuration's
Host       a heartbeat at once and every 100 ms keeps what is on the line in binary mode; none in text mode
Finds out  generation 2 by its metadata or numbered streams, 1 by stream 0 or by not knowing `dev.metadata`, text
           by three lines in a row from a serial line on which no packet came for 2 s
Hub        one route, one instrument: `route = "/0/2"` is behind branch 0, then 2. A port serves one route; a second
           sensor behind the same hub needs a port of its own (a TIO proxy serves many over TCP)
Sessions   another boot id is a fault and flags the next sample; so does a new segment. The 24-bit sample number does
           not wrap, for the device starts a segment before; the first generation's 32 bits are counted on here
Source     twinleaf/libtio (MIT), twinleaf/twinleaf-rust (MIT or Apache-2.0), twinleaf/tio-python (MIT)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers import slip, tio, tio_legacy, tio_payload, twinleaf_gen1, twinleaf_gen2, twinleaf_rate
from drivers.driver import DriverOptions, Instrument, LineSettings, SettingRefused
from drivers.sample import Event, Fault
from drivers.settings import Settings
from drivers.tio_stream import REBOOTED, SEGMENT_CHANGED
from drivers.twinleaf_gen1 import FirstGeneration
from drivers.twinleaf_gen2 import SecondGeneration
from drivers.twinleaf_rate import RateWish
from drivers.twinleaf_text import RATE_HZ_MAX, TextMode

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

__all__ = ["INSTRUMENT", "REBOOTED", "SEGMENT_CHANGED", "TwinleafDriver", "route_bytes"]

BAUD = 115_200

# The vendor's host sends one every 100 ms or sooner (twinleaf-rust, port/serial.rs); a port's turn is 25 ms.
HEARTBEAT_NS = 75_000_000

# A device that hears heartbeats is in binary mode long before that; one that still prints will go on.
TEXT_AFTER_NS = 2_000_000_000

RATE_HZ_WANTED_MAX = 100_000.0      # no magnetometer is as fast; the device says what it can

LOG_LEVEL_MAX = 2       # critical, error and warning are worth a fault; information is not
NOT_FOUND = 2           # the error code of a call that the device does not know

PROXY_STATUS = 64       # from a TIO proxy (TCP) alone; its one byte is one of
PROXY_WORDS = ("sensor disconnected", "sensor is back", "sensor does not come back", "sensor cannot be reached")

FIRST_KINDS = frozenset({tio.STREAM_0, tio_legacy.TIMEBASE, tio_legacy.SOURCE, tio_legacy.STREAM})
FIRST, SECOND, TEXT, UNKNOWN = "1", "2", "text", ""


def route_bytes(route: str) -> bytes:
    """Return a route ("/0/2") as it stands behind a payload (02 00); raises SettingRefused."""
    branches = [part for part in route.split("/") if part]
    known = all(part.isascii() and part.isdecimal() and int(part) < 256 for part in branches)
    if not known or len(branches) > tio.ROUTE_BYTES_MAX:
        raise SettingRefused(f'settings.route = {route!r}: must be up to 8 branches of a hub, 0 to 255, as in "/0/2"')
    return bytes(map(int, reversed(branches)))


class TwinleafDriver:
    """One device, of either generation or printing text, at one route.

    Fault kinds, besides those of the framing: "bad packet", "gap", "went back", "rebooted", "undescribed",
    "metadata refused", "device log", "other generation", "rate refused", "rate differs", "proxy status", "no stream",
    "bad line".
    The first sample after a boot or a change of segment carries a flag.
    """

    def __init__(self, options: DriverOptions) -> None:
        settings = Settings(options.settings)
        generation = settings.word("generation", "auto", ("auto", FIRST, SECOND, TEXT))
        rate_hz = settings.number("rate_hz", 0, 0, RATE_HZ_WANTED_MAX)
        self._route = route_bytes(settings.text("route"))
        self._packets = options.packets
        self._chosen = UNKNOWN if generation == "auto" else generation
        _check_text(self._chosen, rate_hz, self._route, packets=options.packets)
        self._session: int | None = None
        self._first = FirstGeneration()
        self._second = SecondGeneration(self._booted)
        self._rate = RateWish(rate_hz)
        self._text = TextMode(min(rate_hz, RATE_HZ_MAX) or RATE_HZ_MAX)
        self.opened(0)

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a packet and all that was told, for another device may sit on the line now.

        The positions stay: if it is the same device in the same session, what was missed is counted.
        """
        self._generation = self._chosen
        self._may_print = self._chosen == UNKNOWN and not self._packets and not self._route
        self._prints_from = now + TEXT_AFTER_NS
        self._renew_reader()
        for part in (self._first, self._second, self._text):
            part.opened(now)
        self._rate.begin()
        self._said_once: set[str] = set()
        self._heartbeat_due: Nanoseconds = 0

    def ask(self, now: Nanoseconds) -> bytes:
        """Return a heartbeat when one is due, and the calls for what is missing."""
        if self._generation == TEXT:
            return b""      # a heartbeat would end the text
        due: list[tio.Packet] = []
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_NS
            due.append(tio_payload.heartbeat())     # for the line, so never routed
        due += [tio_payload.encode_request(call, self._route) for call in self._calls(now)]
        wrap = tio.pack if self._packets else lambda packet: slip.frame(tio.pack(packet))
        return b"".join(wrap(packet) for packet in due)

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return a `Sample` for every stream packet that can be read, and a `Fault` for what cannot."""
        if self._generation == TEXT:
            return self._text.feed(chunk, now)
        events: list[Event] = []
        for found in self._reader.feed(chunk, now):
            if isinstance(found, Fault):
                events.append(found)
            elif isinstance(found, slip.TextLine):
                events += self._line(found, now)
            else:
                events += self._packet(found, now)
        if self._may_print and self._text.sure and any(_is_overlong(event) for event in events):
            self._renew_reader()    # no END comes in text to end the skipping
        return events

    def _renew_reader(self) -> None:
        self._reader = tio.PacketReader() if self._packets else slip.SlipReader(lines=self._may_print)

    def _calls(self, now: Nanoseconds) -> list[tio_payload.Request]:
        if self._generation == FIRST:
            return self._first.calls(now) + self._rate.calls(now)
        if self._generation == SECOND:
            return self._second.calls(now) + self._rate.calls(now)
        return self._second.calls(now)      # the answer tells the generation

    def _line(self, line: bytes, now: Nanoseconds) -> list[Event]:
        """Take a line of text, which counts only where nothing but text comes."""
        if not self._may_print or now < self._prints_from:
            return []
        events = self._text.line(line, now)
        return events if self._text.sure else []

    def _packet(self, raw: bytes, now: Nanoseconds) -> list[Event]:
        try:
            packet = tio.unpack(raw)
            self._may_print = False
            return self._take(packet, raw, now) if packet.route == self._route else self._elsewhere(packet, now)
        except tio.Malformed as wrong:
            return [Fault("bad packet", str(wrong), now)]

    def _elsewhere(self, packet: tio.Packet, now: Nanoseconds) -> list[Event]:
        """Pass over what another device says, unless the one at this route is a hub with nothing to measure."""
        if packet.kind < tio.STREAM_0 or self._second.streams != 0:
            return []
        route = "".join(f"/{branch}" for branch in reversed(packet.route))
        words = f'the device at this route has no stream; a sensor speaks at "{route}": set settings.route'
        return self._once(Fault("no stream", words, now))

    def _take(self, packet: tio.Packet, raw: bytes, now: Nanoseconds) -> list[Event]:
        kind, payload = packet.kind, packet.payload
        if kind > tio.STREAM_0:
            other = self._other(SECOND, kind, now)
            return self._second.stream(kind - tio.STREAM_0, payload, raw, now) if other is None else other
        if kind in FIRST_KINDS:
            other = self._other(FIRST, kind, now)
            return self._first.take(kind, payload, raw, now) if other is None else other
        takes = {
            tio.HEARTBEAT: self._heartbeat,
            tio.METADATA: self._metadata,
            tio.RPC_REPLY: self._reply,
            tio.RPC_ERROR: self._refusal,
            tio.LOG: self._log,
            PROXY_STATUS: self._proxy,
        }.get(kind)
        return takes(payload, now) if takes else []     # else a changed setting, or a word among hosts

    def _other(self, generation: str, kind: int, now: Nanoseconds) -> list[Event] | None:
        """Return None where the device may speak so, and take note of it; else a fault, once."""
        if self._generation == generation:
            return None
        if self._chosen == UNKNOWN and (generation == SECOND or self._generation == UNKNOWN):
            self._generation = generation
            return None
        words = f"a packet of kind {kind} is of generation {generation}, read is generation {self._generation}"
        return self._once(Fault("other generation", words, now))

    def _heartbeat(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        session = tio_payload.boot_id(payload)
        return [] if session is None else self._booted(session, now)

    def _metadata(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        other = self._other(SECOND, tio.METADATA, now)
        return self._second.metadata(payload, now) if other is None else other

    def _reply(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        reply = tio_payload.decode_reply(payload)
        if reply.number == twinleaf_gen2.METADATA_CALL:
            other = self._other(SECOND, tio.RPC_REPLY, now)
            return self._second.reply(reply.value, now) if other is None else other
        if reply.number == twinleaf_gen1.DESCRIPTION_CALL:
            self._first.identify(tio.text(reply.value))
        if reply.number == twinleaf_rate.WRITE_CALL and self._generation == FIRST:
            self._first.forget(now)     # nothing promises that it announces its new rate by itself
        return self._rate.reply(reply.number, reply.value, now)

    def _refusal(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        refusal = tio_payload.decode_refusal(payload)
        if refusal.number == twinleaf_gen1.DESCRIPTION_CALL:
            self._first.identify("")
        elif refusal.number in {twinleaf_gen2.METADATA_CALL, twinleaf_gen1.SEND_ALL_CALL}:
            if self._is_first(refusal):
                self._generation = FIRST
                return []
            return self._once(Fault("metadata refused", f"{refusal.meaning} {refusal.text}".rstrip(), now))
        return self._rate.refused(refusal, now)

    def _is_first(self, refusal: tio_payload.Refusal) -> bool:
        """Whether a device that may be of either generation does not know how the second describes itself."""
        unknown = refusal.number == twinleaf_gen2.METADATA_CALL and refusal.code == NOT_FOUND
        return unknown and self._chosen == UNKNOWN and self._generation != SECOND

    def _log(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        line = tio_payload.decode_log(payload)
        return [Fault("device log", line.text, now)] if line.level <= LOG_LEVEL_MAX else []

    def _proxy(self, payload: bytes, now: Nanoseconds) -> list[Event]:
        if not self._packets or len(payload) != 1 or payload[0] >= len(PROXY_WORDS):
            return []   # on a serial line the kind is free for anything
        return [Fault("proxy status", PROXY_WORDS[payload[0]], now)]

    def _booted(self, session: int, now: Nanoseconds) -> list[Event]:
        before, self._session = self._session, session
        if before is None or before == session:
            return []
        self._first.reboot(now)
        self._second.reboot(now)
        self._rate.begin()
        return [Fault("rebooted", f"boot id {before:08x} became {session:08x}", now)]

    def _once(self, fault: Fault) -> list[Event]:
        """Say a lasting fault once for each opening of the line."""
        if fault.kind in self._said_once:
            return []
        self._said_once.add(fault.kind)
        return [fault]


def _is_overlong(event: Event) -> bool:
    """Whether the framing lost its step on this event."""
    return isinstance(event, Fault) and event.kind == "overlong frame"


def _check_text(generation: str, rate_hz: float, route: bytes, *, packets: bool) -> None:
    if generation != TEXT:
        return
    if packets or route:
        raise SettingRefused('settings.generation = "text": must be a serial line without a route')
    if rate_hz > RATE_HZ_MAX:
        raise SettingRefused(f"settings.rate_hz = {rate_hz:g}: must be {RATE_HZ_MAX:g} or less for text lines")


INSTRUMENT = Instrument(
    name="twinleaf",
    title="Twinleaf magnetometer (TIO, both generations; text lines)",
    quantity="magnetic flux density",
    unit="nT",
    line=LineSettings(BAUD),
    source="twinleaf/libtio, twinleaf-rust and tio-python: protocol overview, headers, host libraries",
    make=TwinleafDriver,
    kind="stream",
    uncertainty="not stated by the protocol; by certificate",
    settings={
        "generation": '"auto" (the default), "1", "2" or "text" (VMR text lines; nothing is sent then)',
        "route": 'branches of hubs to the sensor, as in "/0/2"; empty (the default) for the device itself',
        "rate_hz": "samples a second to set; 0 (the default) leaves it. In text mode: at what rate lines come (0: 100)",
    },
    speaks=True,
)

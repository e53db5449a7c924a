"""An emulated Twinleaf vector magnetometer of the first generation: one stream, rows one by one. No I/O.

Rule: it says what its update packets say, in the order in which the vendor's legacy host expects it.

Source: twinleaf/tio-python, tio/tio_protocol.py and tio_session.py; packets 6, 7, 8 and 128, calls `data.send_all`,
`rpc.list`, `rpc.listinfo`. Source "vector" (x, y, z in nT) in every row; "therm" (C) in every `therm_period`-th, last
in the row as slower components must be. A change of rate is announced with a whole description.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from hil.instruments import twinleaf_calls as calls
from hil.instruments import twinleaf_packets as packets

if TYPE_CHECKING:
    from hil.instruments.twinleaf import FieldSource

NS = 1_000_000_000
HEARTBEAT_NS = NS // 2

BOOT_ID = 0x1234ABCD
RATE_HZ_MIN, RATE_HZ_MAX = 1.0, 380.0   # one row of 30 bytes a packet fills 115200 baud at that rate
ROWS_A_POLL_MAX = 100
LATE_NS_MAX = 2 * NS        # a device that was not polled for longer has lost those rows

VECTOR, THERM = 1, 2
PLATE = packets.Nameplate(serial="VMR.R4.SIM1", revision=4, build="2019-06-08/000001-SIM")

U8_BOTH = 0x8310
ACTION = 0x8000


def timebase(rate_hz: float) -> bytes:
    """Return timebase 0: the device's own clock from its start, with one tick for each row."""
    period_us = Fraction(1_000_000) / Fraction(rate_hz).limit_denominator(1000)
    return packets.packet(6, struct.pack(
        "<HBBQIIIf16s", 0, 1, 1, 0, period_us.numerator, period_us.denominator, 1, 1e-8, bytes(16)))


def source(number: int, channels: int, words: str) -> bytes:
    """Return a source of 32-bit floats; `words` are name, columns, title and unit with tabs between them."""
    return packets.packet(7, struct.pack("<HHIIiHHB", number, 0, 1, 0, 0, 0, channels, 0x42) + words.encode())


def stream(components: list[tuple[int, int]], sample: int) -> bytes:
    """Return stream 0, active, of (source, period) components."""
    head = struct.pack("<HHIIQHH", 0, 0, 1, 0, sample, len(components), 1)
    return packets.packet(8, head + b"".join(struct.pack("<HHII", which, 0, every, 0) for which, every in components))


class LegacyDevice:
    """One device. `bare` is TCP, without framing; `first_row` is the number of the first row after power-on."""

    def __init__(
        self,
        field: FieldSource,
        *,
        bare: bool = False,
        rate_hz: float = 100.0,
        therm_period: int = 10,
        first_row: int = 0,
    ) -> None:
        self._field = field
        self._bare = bare
        self._rate_hz = rate_hz
        self._therm_period = therm_period
        self._therm_active = True
        self._row = first_row
        self._host = packets.HostBytes(bare=bare)
        self._calls = calls.CallTable(self._table())
        self._boot_id = BOOT_ID
        self._began: tuple[int, int] | None = None      # when the first row at this rate began, and its number
        self._power_on = self._now = self._heartbeat_due = 0
        self._announce: list[bytes] = []

    def opened(self, now: int) -> bytes:
        """Take note of a new connection; this generation introduces itself only when asked."""
        self._clock(now)
        self._host = packets.HostBytes(bare=self._bare)
        return b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes and return the answers."""
        self._clock(now)
        answers: list[bytes] = []
        for request in self._host.feed(chunk):
            if request[0] == 2 and not request[1] & 0x0F:
                answers.append(self._calls.answer(request[4:]))
                answers += self._said()
        return self._wire(answers)

    def poll(self, now: int) -> bytes:
        """Return what the device sends by itself by now: rows and heartbeats."""
        self._clock(now)
        sent = self._said()
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_NS
            sent.append(packets.heartbeat(self._boot_id))
        since, first = self._began or (now, 0)
        if now - self._due_at(self._row + 1) > LATE_NS_MAX:
            self._row = first + int((now - since) * self._rate_hz / NS)
        for _ in range(ROWS_A_POLL_MAX):
            if self._due_at(self._row + 1) > now:
                break
            sent.append(self._one_row())
        return self._wire(sent)

    def reboot(self, boot_id: int, now: int) -> None:
        """Start anew, as after a loss of power: another boot id, row 0."""
        self._boot_id, self._row, self._began = boot_id, 0, None
        self._host = packets.HostBytes(bare=self._bare)
        self._clock(now)

    def description(self) -> list[bytes]:
        """Return the packets that `data.send_all` brings."""
        components = [(VECTOR, 1)] + ([(THERM, self._therm_period)] if self._therm_active else [])
        return [
            timebase(self._rate_hz),
            source(VECTOR, 3, "vector\tx,y,z\tMagnetic field\tnT"),
            source(THERM, 1, "therm\t\tTemperature\tC"),
            stream(components, self._row),
        ]

    def _clock(self, now: int) -> None:
        self._now = now
        if self._began is None:
            self._began = now, self._row
            self._power_on = self._heartbeat_due = now

    def _wire(self, bare: list[bytes]) -> bytes:
        return b"".join(bare if self._bare else map(packets.on_serial_line, filter(None, bare)))

    def _said(self) -> list[bytes]:
        said, self._announce = self._announce, []
        return said

    def _due_at(self, row: int) -> int:
        """Return when the row before this one is over."""
        since, first = self._began or (self._now, row)
        return since + round((row - first) * NS / self._rate_hz)

    def _one_row(self) -> bytes:
        start_s = (self._due_at(self._row) - self._power_on) / NS
        row = np.asarray(self._field(start_s, 1, self._rate_hz), "<f4").tobytes()
        if self._therm_active and self._row % self._therm_period == 0:
            row += struct.pack("<f", 30.0 + 0.5 * math.sin(start_s / 100.0))
        sent = packets.packet(128, struct.pack("<I", self._row & 0xFFFFFFFF) + row)
        self._row += 1
        return sent

    def _table(self) -> list[calls.Call]:
        text = {"dev.name": PLATE.name, "dev.desc": PLATE.description, "dev.serial": PLATE.serial}
        return [
            *(calls.reading(name, calls.TEXT_READ, words.encode) for name, words in text.items()),
            calls.Call("data.send_all", ACTION, self._send_all),
            calls.setting_of("data.rate", calls.F32_BOTH, self._read_rate, self._write_rate),
            calls.setting_of("therm.data.active", U8_BOTH, self._read_active, self._write_active),
        ]

    def _send_all(self, argument: bytes) -> bytes:
        if argument:
            raise calls.CallRefused(calls.WRONG_SIZE)
        self._announce += self.description()
        return b""

    def _read_rate(self) -> bytes:
        return struct.pack("<f", self._rate_hz)

    def _write_rate(self, argument: bytes) -> None:
        (rate_hz,) = struct.unpack("<f", argument)
        if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:   # refuses what is no number, too
            raise calls.CallRefused(calls.OUT_OF_RANGE)
        self._rate_hz = rate_hz
        self._change()

    def _read_active(self) -> bytes:
        return bytes((self._therm_active,))

    def _write_active(self, argument: bytes) -> None:
        self._therm_active = bool(argument[0])
        self._change()

    def _change(self) -> None:
        """Go on counting rows from now on, and describe them anew."""
        self._began = self._now, self._row
        self._announce += self.description()

"""Read the text lines of a Twinleaf vector magnetometer (VMR) that is not in binary mode. No I/O and no clock.

Rule: a line is read only if it is wholly what is known of these lines.

    n Bx By Bz                              CR LF
    n Bx By Bz Ax Ay Az Gx Gy Gz            CR LF
    n Bx By Bz Ax Ay Az Gx Gy Gz p T        CR LF

Source: third-party code, not the vendor's: github.com/zoran-grujic/MyTwinleafVMR, myVMRSerial.py (fields) and app.pyw
(units nT, mbar, C). The vendor documents that a device prints, not what. No unit is known for acceleration and
rotation: they stay in the raw bytes and are not delivered. The lines say neither rate nor serial number; the model is
that of the one device of which such lines are known.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.tio_stream import MAKE

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

RATE_HZ_MAX = 100.0         # the fastest that is reported; longer lines fill 115200 baud at about 100 Hz

MODEL = "VMR"
STREAM_NAME = "text"
FIELD = tuple(Channel(f"B{axis}", "magnetic flux density", "nT") for axis in "xyz")
CHANNELS = {
    4: FIELD,
    10: FIELD,
    12: (*FIELD, Channel("pressure", "pressure", "mbar"), Channel("temperature", "temperature", "C")),
}
PLACES = {4: [0, 1, 2], 10: [0, 1, 2], 12: [0, 1, 2, 9, 10]}     # of the fields behind n

LINE = re.compile(rb"(\d{1,10})((?: [+-]?\d{1,12}(?:\.\d{0,12})?(?:[eE][+-]?\d{1,2})?){3,11})")
LINE_BYTES_MAX = 320        # twelve fields at their longest

# A clock that drifts by this much is broken; a line rate that was told wrongly is off by more.
RATE_TOLERANCE = 0.1
SETTLE_NS = 2_000_000_000   # what waited in the line comes at once; only then the lines come as they are sent
CHECK_NS = 5_000_000_000

LINES_SURE = 3              # so many in a row, counted on, are no noise


class TextMode:
    """The lines of one device, told to come at `rate_hz`.

    Fault kinds: "bad line", "gap", "went back", "rate differs".
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._next: int | None = None
        self.opened(0)

    def opened(self, now: Nanoseconds) -> None:
        """The next line may be the tail of one. The position stays: what was missed is counted."""
        self._part = bytearray()
        self._joined = False        # true from the first line end on
        self._run = 0               # lines in a row, each numbered one more than the one before
        self.sure = False           # once LINES_SURE followed each other: this is a device in text mode
        self._paced_from = now + SETTLE_NS
        self._since: tuple[int, Nanoseconds] | None = None
        self._checked = False

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return what `chunk` completed, line by line. Never raises."""
        events: list[Event] = []
        *ended, rest = re.split(rb"[\r\n]", chunk)
        for piece in ended:
            self._collect(piece)
            if self._part and self._joined:
                events += self.line(bytes(self._part), now)
            self._part.clear()
            self._joined = True
        self._collect(rest)
        return events

    def line(self, line: bytes, now: Nanoseconds) -> list[Event]:
        """Return the sample of one line, without its end, or what is wrong with it."""
        found = LINE.fullmatch(line)
        fields = found[2].split() if found else []
        if found is None or len(fields) + 1 not in CHANNELS:
            self._run = 0
            return [Fault("bad line", f"{len(line)} bytes: must be a number and 3, 9 or 11 decimals", now)]
        number = int(found[1])
        events = self._place(number, now)
        places = PLACES[len(fields) + 1]
        values = np.array([[float(fields[place]) for place in places]])
        return [*events, Sample(
            Identity(MAKE, MODEL, "", ""), STREAM_NAME, CHANNELS[len(fields) + 1], values, self._rate_hz, number, now,
            line)]

    def _collect(self, piece: bytes) -> None:
        # One byte more than a line may have is kept, so that a line too long is refused and not cut to fit.
        self._part += piece[:LINE_BYTES_MAX + 1 - len(self._part)]

    def _place(self, number: int, now: Nanoseconds) -> list[Event]:
        due, self._next = self._next, number + 1
        if due is None or number == due:
            self._run += 1
            self.sure = self.sure or self._run >= LINES_SURE
            return self._paced(number, now)
        self._run, self._since = 1, None
        if number > due:
            return [Fault("gap", f"text: {number - due} lines lost before {number}", now)]
        return [Fault("went back", f"text: line {number} came where {due} was due", now)]

    def _paced(self, number: int, now: Nanoseconds) -> list[Event]:
        """Compare what came with the rate that was told, once for each opening."""
        if self._checked or now < self._paced_from:
            return []
        if self._since is None:
            self._since = number, now
        first, since = self._since
        if now - since < CHECK_NS:
            return []
        self._checked = True
        came_hz = (number - first) * 1e9 / (now - since)
        if abs(came_hz - self._rate_hz) <= RATE_TOLERANCE * self._rate_hz:
            return []
        words = f"text: {came_hz:.1f} lines a second came, settings.rate_hz says {self._rate_hz:g}"
        return [Fault("rate differs", words, now)]

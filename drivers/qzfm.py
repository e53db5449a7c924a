"""QuSpin QZFM zero-field magnetometer, second and third generation: field stream, status, zeroing, calibration.

Rule: a reading taken while the device is not locked, zeroed, calibrated or within its range says so.

Quantity   magnetic flux density along one axis in pT, 0.01 pT a count (the digital output knows no other gain: 0.33x,
           1x and 3x change the analogue output); status: coil fields in pT, cell temperature error and voltage
Range      about +-5 nT around the zeroed field, so it needs shielding; beyond `range_nt` a reading is flagged
Rate       200 Hz while it prints the field, 100 Hz low-pass; the lines carry no number, so losses show by time alone
Line       USB (FT232RL) 115200 8N1, no flow control; lines end CR LF
Host       single bytes. At each opening: status, as wished auto start, zeroing and calibration, then Print ON; later
           a look at the status every `status_every_s`, for which the field stream pauses about half a second
Faults     "malformed line", "overlong line", "gap", "no answer", "start failed", "zeroing failed",
           "calibration failed", "calibration suspect", "device log"
Flags      "starting", "zeroing", "calibrating", "saturated", "laser off", "no cell temperature lock", "no laser lock",
           "field not zeroed", "no calibration seen", "calibration suspect" (a factor above 1.5)
Source     QuSpin, "QZFM Command list"; ucn-triumf/QZFM (MIT) for Print ON and OFF, calibration and rates
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from drivers import qzfm_lines as lines
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.qzfm_panel import CHANNELS, FACTOR_MAX, Panel, calibration_of
from drivers.qzfm_start import READ_AXES, ZERO_AXES, Start, Step
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

NS = 1_000_000_000
IDENTITY = Identity("QuSpin", "QZFM", "", "")   # the line tells neither serial number nor firmware

RATE_HZ = 200.0
GAP_NS = NS // 4            # 50 samples; a busy host reads late by less
STATUS_BLOCKS = 8           # 7.5 come in a second; one record a second is enough
ALARMING = re.compile(r"error|fail|fault|overload|saturat", re.IGNORECASE)
SATURATED = "saturated"


class Qzfm:
    """One sensor on one line."""

    def __init__(self, options: DriverOptions) -> None:
        given = Settings(options.settings)
        steps: list[Step] = ["status"]
        if given.flag("start_on_start", default=False):
            steps.append("start")
        if given.flag("zero_on_start", default=False):
            steps.append("zero")
        if given.flag("calibrate_on_start", default=False):
            steps.append("calibrate")
        axis = given.word("axis", "as-set", ("as-set", *READ_AXES))
        self._start = Start(tuple(steps), given.word("zero_axes", "xyz", tuple(ZERO_AXES)), axis)
        self._range_pt = 1000.0 * given.number("range_nt", 5.0, 0.1, 80.0)
        self._every_ns = given.whole("status_every_s", 600, 0, 86_400) * NS
        name = "field" if axis == "as-set" else f"field_{axis}"
        self._channels = (Channel(name, "magnetic flux density", "pT"),)
        self._row = 0
        self._field_at: Nanoseconds | None = None
        self.opened(0)

    def opened(self, now: Nanoseconds) -> None:
        """Forget what was known: another sensor, or the same one after a loss of power, may be on the line."""
        self._reader = lines.LineReader()
        self._panel = Panel()
        self._status_at: Nanoseconds | None = None      # of the last status sample
        self._statuses = 0
        self._looked_at = self._heard_at = now
        self._start.begin(self._panel)

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the command that is due."""
        if self._start.step == "stream" and self._every_ns and now - self._looked_at >= self._every_ns:
            self._start.look(self._panel)
        return self._start.ask(self._heard_at, now)

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return a `Sample` for every field value and for a status block a second, and a `Fault` for what is wrong."""
        events: list[Event] = []
        for line in self._reader.feed(chunk, now):
            match line:
                case Fault():
                    events.append(line)
                case lines.FieldLine():
                    events += self._field(line, now)
                case lines.Message():
                    events += self._message(line.text, now)
                case _:
                    events += self._status(line, now)
        return [*events, *self._start.late(self._panel, self._heard_at, now)]

    def _field(self, line: lines.FieldLine, now: Nanoseconds) -> list[Event]:
        self._panel.half()
        if self._start.step == "stream":
            self._heard_at = now
            self._start.streaming()
        faults = self._gap(now)
        flags = (*self._start.doing(), *self._panel.flags())
        if abs(line.field_pt) >= self._range_pt:
            flags = (SATURATED, *flags)
        sample = Sample(
            IDENTITY, "field", self._channels, np.array([[line.field_pt]]), RATE_HZ, self._row, now, line.raw, flags)
        self._row += 1
        self._field_at = now
        return [*faults, sample]

    def _gap(self, now: Nanoseconds) -> list[Event]:
        """Let the numbers jump over the time in which nothing came; say so where it was not a look at the status."""
        if self._field_at is None or now - self._field_at < GAP_NS:
            return []
        silent_ns = now - self._field_at
        lost = round(silent_ns * RATE_HZ / NS)
        self._row += lost
        looked = self._status_at is not None and self._status_at >= self._field_at
        words = f"no field value for {silent_ns / NS:.2f} s: about {lost} lost"
        return [] if looked else [Fault("gap", words, now)]

    def _status(self, line: lines.Parameter | lines.Lamp, now: Nanoseconds) -> list[Event]:
        whole = self._panel.take(line)
        if self._start.step != "stream":
            self._heard_at = now
        if not whole:
            return []
        self._looked_at = now
        flags = (*self._start.doing(), *self._panel.flags())
        before = self._start.step
        events: list[Event] = [*self._start.block(self._panel, now)]
        self._status_at = now
        if self._panel.blocks % STATUS_BLOCKS == 1 or self._start.step != before:
            events.append(Sample(
                IDENTITY, "status", CHANNELS, self._panel.row(), None, self._statuses, now, whole, flags))
            self._statuses += 1
        return events

    def _message(self, text: str, now: Nanoseconds) -> list[Event]:
        factors = calibration_of(text)
        if factors is None:
            return [Fault("device log", text, now)] if ALARMING.search(text) else []
        self._start.calibrated(self._panel)
        self._panel.factors = factors
        if max(factors) <= FACTOR_MAX:
            return []
        return [Fault("calibration suspect", f"a factor is above {FACTOR_MAX}: {text}", now)]


INSTRUMENT = Instrument(
    name="qzfm",
    title="QuSpin QZFM zero-field magnetometer (second and third generation)",
    quantity="magnetic flux density",
    unit="pT",
    line=LineSettings(115_200),
    source='QuSpin, "QZFM Command list"; ucn-triumf/QZFM (MIT)',
    make=Qzfm,
    kind="stream",
    uncertainty="counts resolve 0.01 pT; scale by the device's own calibration, its error by certificate",
    settings={
        "start_on_start": "true: where it is not locked at an opening, send auto start and wait for the locks (false)",
        "zero_on_start": "true: zero the field at each opening (false)",
        "calibrate_on_start": "true: calibrate at each opening, after zeroing (false)",
        "zero_axes": "which axes are zeroed: xyz or yz (xyz)",
        "axis": "which axis is read: as-set, x, y or z (as-set)",
        "range_nt": "field beyond which a reading is flagged as saturated, nT (5)",
        "status_every_s": "how often the stream pauses for a look at the status, s; 0: never (600)",
    },
    speaks=True,
    silent_s_max=10.0,
)

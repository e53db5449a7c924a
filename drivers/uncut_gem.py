"""Quantum Village Uncut Gem: a diamond magnetometer, by the resonances (ODMR) of nitrogen vacancies in a sweep.

Rule: a field leaves here only from two resonances that were seen; a sweep without them says so and gives no number.

Quantity   magnetic flux density along the NV axis in uT, unsigned: splitting / (2 x 28.03 MHz/mT); with it splitting,
           centre, contrast, width, their standard uncertainties by the fit, and its chi2 per degree of freedom
Range      0 to about 0.5 mT with the firmware's own sweep, 2854.00 to 2885.75 MHz; below the width of a resonance
           (and below the strain of the diamond) the pair is not resolved; a field across the axis is not corrected
Rate       one sweep of 128 points in about 0.2 to 0.5 s
Line       USB 115200 8N1, output only; `LOOP`, then 128 whole mV; no checksum and no frequencies: `start_mhz` and
           `step_mhz` must be those of the sweep table in the firmware
Faults     "malformed sweep", "bad packet", "overlong frame", "rebooted"
Flags      "no resonance", "one resonance" (its place is the centre), "poor fit" (chi2 above 2), "clipped" (a point at
           1500 mV, which the firmware never passes), "points left out"
Source     QuantumVillage/UncutGem, firmware 676e291 (output format and sweep tables); constants of the NV centre:
           D = 2870 MHz, 28.03 MHz/mT, dD/dT = -0.0742 MHz/K (Acosta et al., Phys. Rev. Lett. 104, 070801, 2010)
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.odmr_fit import POOR_CHI2, Resonances, find_resonances
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings
from drivers.text_line import LineReader

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

IDENTITY = Identity("Quantum Village", "Uncut Gem", "", "")     # the line tells neither serial number nor firmware

POINTS = 128
LOOP = b"LOOP"
COOKING = b"Let's cook"     # what the firmware prints when it starts
LINE_BYTES_MAX = 64
READING = re.compile(rb"\d{1,4}")
READING_MV_MAX = 1500       # higher readings are taken again by the firmware

MHZ_PER_MT = 28.03
MHZ_PER_K = -0.0742

# Boot is 3.5 s of delays and 20 sweeps of at most 0.5 s without a word; twice that.
SILENT_S = 30.0

CHANNELS = (
    Channel("b_nv", "magnetic flux density", "uT"), Channel("b_nv_u", "magnetic flux density", "uT"),
    Channel("splitting", "frequency", "MHz"), Channel("splitting_u", "frequency", "MHz"),
    Channel("centre", "frequency", "MHz"), Channel("centre_u", "frequency", "MHz"),
    Channel("contrast", "ratio", "1"), Channel("contrast_u", "ratio", "1"),
    Channel("fwhm", "frequency", "MHz"), Channel("fwhm_u", "frequency", "MHz"),
    Channel("chi2", "ratio", "1"),
)
WARMTH = (
    Channel("temperature_shift", "temperature", "K"), Channel("temperature_shift_u", "temperature", "K"),
)

NO_RESONANCE, ONE, POOR, CLIPPED, LEFT_OUT = (
    "no resonance", "one resonance", "poor fit", "clipped", "points left out")


class UncutGem:
    """One sensor. It only listens; each sweep from one LOOP to the next is a sample."""

    def __init__(self, options: DriverOptions) -> None:
        given = Settings(options.settings)
        start = given.number("start_mhz", 2854.0, 2000.0, 4000.0)
        step = given.number("step_mhz", 0.25, 0.001, 10.0)
        self._f_mhz = start + step * np.arange(POINTS, dtype=np.float64)
        self._d_mhz = given.number("d_mhz", 0.0, 0.0, 4000.0)
        self._channels = CHANNELS + (WARMTH if self._d_mhz else ())
        self._lines = LineReader(b"\n", LINE_BYTES_MAX)
        self._sweeps = -1   # the first opening makes it 0
        self._begin()

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a sweep."""
        del now
        self._lines.opened()
        self._sweeps += 1
        self._begin()

    def _begin(self) -> None:
        self._sweep: list[int] | None = None    # None: waiting for LOOP; never above POINTS + 1 long
        self._raw: list[bytes] = []

    def ask(self, now: Nanoseconds) -> bytes:
        """Return nothing: the device takes no commands."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return a `Sample` for each whole sweep and a `Fault` for what is none."""
        events: list[Event] = []
        for line in self._lines.feed(chunk, now):
            if isinstance(line, Fault):
                events += [line, *self._damaged(line.kind, b"", now)]
            else:
                events += self._take(line.strip(), line, now)
        return events

    def _take(self, word: bytes, line: bytes, now: Nanoseconds) -> list[Event]:
        if word.endswith(LOOP):     # what stands before it is noise, or a reading that lost its end
            return [*self._unlike(word, now), *self._ended(line, now)]
        if word.startswith(COOKING):
            self._begin()
            return [Fault("rebooted", "it started anew; the first sweep comes in 8 to 14 s", now)] * (self._sweeps > 0)
        if self._sweep is None:
            return []   # the end of a sweep whose beginning was not heard, or was spoilt
        if not READING.fullmatch(word) or int(word) > READING_MV_MAX:
            return self._damaged(f"{word[:20]!r} is no reading of 0 to {READING_MV_MAX} mV", line, now)
        self._sweep.append(int(word))
        self._raw.append(line)
        return self._spoilt("no LOOP after 128 points", now) if len(self._sweep) > POINTS else []

    def _spoilt(self, why: str, now: Nanoseconds) -> list[Event]:
        """Drop the sweep and say so, once; what follows is not read until the next LOOP."""
        if self._sweep is None:
            return []
        self._begin()
        self._sweeps += 1
        return [Fault("malformed sweep", why, now)]

    def _damaged(self, why: str, line: bytes, now: Nanoseconds) -> list[Event]:
        """Behind 128 points only a LOOP can stand: what cannot be read there was one. Elsewhere it costs the sweep."""
        if self._sweep is None or len(self._sweep) < POINTS:
            return self._spoilt(why, now)
        return [*self._unlike(line.strip(), now), *self._ended(line, now)]

    def _unlike(self, word: bytes, now: Nanoseconds) -> list[Event]:
        """Say what stood where a LOOP was due, if it was heard and is not yet told as damage to a sweep."""
        if self._sweep is None or len(self._sweep) < POINTS or word in {b"", LOOP}:
            return []
        return [Fault("bad packet", f"{word[:20]!r} where LOOP was due", now)]

    def _ended(self, loop: bytes, now: Nanoseconds) -> list[Event]:
        sweep, raw = self._sweep, b"".join(self._raw)
        short = None if sweep is None or len(sweep) == POINTS else f"{len(sweep)} points instead of {POINTS}"
        events = self._spoilt(short, now) if short else []
        self._sweep, self._raw = [], [loop]
        return events if sweep is None or short else [self._fitted(sweep, raw, now)]

    def _fitted(self, sweep: list[int], raw: bytes, now: Nanoseconds) -> Sample:
        reading = np.array(sweep, dtype=np.float64)
        found = find_resonances(self._f_mhz, reading)
        values = [*numbers(found), *(self._warmth(found) if self._d_mhz else ())]
        self._sweeps += 1
        flags = (*doubts(found), *((CLIPPED,) if reading.max() >= READING_MV_MAX else ()))
        return Sample(
            IDENTITY, "sweep", self._channels, np.array([values]), None, self._sweeps - 1, now, raw, flags)

    def _warmth(self, found: Resonances | None) -> tuple[float, float]:
        """Return by how much the diamond is warmer than where its centre is `d_mhz`, K, and its uncertainty."""
        if found is None or found.dips == 1:
            return math.nan, math.nan
        return (found.centre - self._d_mhz) / MHZ_PER_K, found.centre_u / abs(MHZ_PER_K)


def numbers(found: Resonances | None) -> tuple[float, ...]:
    """Return the values of CHANNELS; NaN for what the sweep does not tell."""
    if found is None:
        return (math.nan,) * len(CHANNELS)
    ut_per_mhz = 1000.0 / (2.0 * MHZ_PER_MT)
    return (
        found.splitting * ut_per_mhz, found.splitting_u * ut_per_mhz, found.splitting, found.splitting_u,
        found.centre, found.centre_u, found.contrast, found.contrast_u, found.fwhm, found.fwhm_u, found.chi2)


def doubts(found: Resonances | None) -> tuple[str, ...]:
    """Return the flags of a fit."""
    if found is None:
        return (NO_RESONANCE,)
    told = ((ONE, found.dips == 1), (POOR, found.chi2 > POOR_CHI2), (LEFT_OUT, found.outliers > 0))
    return tuple(flag for flag, so in told if so)


INSTRUMENT = Instrument(
    name="uncut-gem",
    title="Quantum Village Uncut Gem diamond magnetometer (NV centres, ODMR sweep)",
    quantity="magnetic flux density",
    unit="uT",
    line=LineSettings(115_200),
    source="QuantumVillage/UncutGem, firmware 676e291",
    make=UncutGem,
    kind="stream",
    uncertainty="each sweep carries the fit's own standard uncertainty; axis, strain and D by certificate",
    settings={
        "start_mhz": "frequency of the first point of the sweep, MHz (2854)",
        "step_mhz": "step between its 128 points, MHz (0.25)",
        "d_mhz": "centre of the resonances at the reference temperature, MHz; 0: no temperature shift is told (0)",
    },
    speaks=True,
    silent_s_max=SILENT_S,
)

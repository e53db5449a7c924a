"""What the monitor remembers of the records that went by: traces, the newest spectrum, alerts, faults. Pure.

Rule: everything is bounded; a gateway may be watched for a month.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gateway.evidence.body import AnomalyBody, FaultBody, ReadingBody, ScanBody, VerdictBody
from gateway.evidence.describe import moment
from gateway.monitor.spectrum import Spectrum, spectra_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from gateway.evidence.record import Record

TRACE_S = 60.0        # an object takes some 10 s to pass
POINTS_PER_S = 40     # more than a wide terminal has dots for
POINTS_MAX = round(TRACE_S * POINTS_PER_S)
TRACES_MAX = 64       # as many instruments as a configuration may have
TOLD_MAX = 100        # more than fit on a screen
MAGNETIC = "magnetic flux density"


@dataclass(slots=True)
class Trace:
    """The total field, or the one component, that a magnetometer saw in the last minute."""

    unit: str
    calibrated: bool = False
    times_s: deque[float] = field(default_factory=lambda: deque(maxlen=POINTS_MAX))
    values: deque[float] = field(default_factory=lambda: deque(maxlen=POINTS_MAX))

    def window(self) -> NDArray[np.float64]:
        """Return the last minute's values in the trace's unit, evenly in time; where nothing came there is NaN."""
        grid = np.full(POINTS_MAX, math.nan)
        if self.times_s:
            ages = self.times_s[-1] - np.array(self.times_s)
            kept = (ages >= 0) & (ages < TRACE_S)  # before a restart of the machine its clock was ahead
            places = POINTS_MAX - 1 - (ages[kept] * POINTS_PER_S).astype(int)
            grid[places] = np.array(self.values)[kept]
        return bridged(grid)


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the alerts or the faults: when, what, and whether it is an alarm."""

    at: str
    words: str
    alarm: bool = False


@dataclass(slots=True)
class Memory:
    """Takes records in their order and keeps what a screen shows."""

    traces: dict[str, Trace] = field(default_factory=dict)
    spectra: tuple[Spectrum, ...] = ()
    scan: str = ""
    alerts: deque[Told] = field(default_factory=lambda: deque(maxlen=TOLD_MAX))
    faults: deque[Told] = field(default_factory=lambda: deque(maxlen=TOLD_MAX))

    def take(self, record: Record, raw: Callable[[bytes], bytes | None]) -> None:
        """Take one record; `raw` fetches raw data by their digest, None where they are gone."""
        at = moment(record.stamp)[11:19]
        match record.body:
            case ReadingBody() as reading:
                self._trace(reading)
            case ScanBody() as scan:
                digest = record.provenance.raw_sha256
                self.spectra = spectra_of((raw(digest) if digest else None) or b"")
                self.scan = f"{scan.instrument} scan {scan.scan_id}, {scan.dwell_s:g} s"
            case VerdictBody(instrument, verdict):
                reason = verdict.reasons[0] if verdict.reasons else "no covered substance above the stated limits"
                words = f"{instrument} scan {verdict.scan_id}: {verdict.outcome.upper()}: {reason}"
                self.alerts.append(Told(at, words, verdict.outcome == "alarm"))
            case AnomalyBody(instrument, anomaly):
                words = f"{instrument}: MAGNETIC ANOMALY: {anomaly.peak_t * 1e9:.1f} nT, something ferrous moves"
                self.alerts.append(Told(at, words, alarm=True))
            case FaultBody() as fault:
                self.faults.append(Told(at, f"{fault.name}: {fault.kind}: {fault.detail}"))
            case _:
                pass

    def _trace(self, reading: ReadingBody) -> None:
        columns = [place for place, one in enumerate(reading.channels) if one.quantity == MAGNETIC]
        rows = reading.values.shape[0]
        if not columns or not rows:
            return
        name = f"{reading.instrument} {reading.stream}"
        if name not in self.traces and len(self.traces) >= TRACES_MAX:
            return
        trace = self.traces.setdefault(name, Trace(reading.channels[columns[0]].unit))
        values = np.array(reading.values.values()).reshape(reading.values.shape)[:, columns]
        field_of = np.sqrt((values**2).sum(axis=1)) if len(columns) == 3 else values[:, 0]
        span_s = (rows - 1) / reading.rate_hz if reading.rate_hz else 0.0
        times = reading.seen_at / 1e9 - span_s + np.arange(rows) / (reading.rate_hz or 1.0)
        step = max(1, round((reading.rate_hz or 1.0) / POINTS_PER_S))
        trace.calibrated = reading.calibrated
        trace.times_s.extend(times[::step].tolist())
        trace.values.extend(field_of[::step].tolist())


def bridged(grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the grid with gaps of up to a second filled by the value before: a slow device is no broken one."""
    filled, since = grid.copy(), POINTS_PER_S + 1
    for place in range(1, len(filled)):
        since = 0 if np.isfinite(grid[place]) else since + 1
        if 0 < since <= POINTS_PER_S:
            filled[place] = filled[place - 1]
    return filled

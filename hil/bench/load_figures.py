"""What a long run under full load gives: what came of each instrument, what was lost, what it cost. Pure.

A sample counts as lost where its stream's own numbering skips one, or where the gateway said that it lost something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gateway.evidence.body import FaultBody, ReadingBody, VerdictBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.evidence.record import Record

HOUR_S = 3600.0
MOMENTS = 10


@dataclass(slots=True)
class Tally:
    """What the journal holds of one instrument."""

    readings: int = 0
    rows: int = 0
    lost: int = 0
    verdicts: int = 0
    faults: dict[str, int] = field(default_factory=dict)  # by kind


class Ledger:
    """Counts records as they stand in the journal, in order."""

    def __init__(self) -> None:
        self.of: dict[str, Tally] = {}
        self._next_row: dict[tuple[str, str], int] = {}

    def take(self, record: Record) -> None:
        """Count one record."""
        body = record.body
        if isinstance(body, ReadingBody):
            tally = self._tally(body.instrument)
            rows = body.values.shape[0]
            tally.readings += 1
            tally.rows += rows
            stream = body.instrument, body.stream
            if body.rate_hz is not None:
                tally.lost += max(0, body.first_row - self._next_row.get(stream, body.first_row))
                self._next_row[stream] = body.first_row + rows
        elif isinstance(body, FaultBody):
            faults = self._tally(body.name).faults
            faults[body.kind] = faults.get(body.kind, 0) + 1
        elif isinstance(body, VerdictBody):
            self._tally(body.instrument).verdicts += 1

    def _tally(self, name: str) -> Tally:
        return self.of.setdefault(name, Tally())


@dataclass(frozen=True, slots=True)
class Look:
    """One look at both processes: seconds since the first, CPU seconds used so far, resident MB."""

    at_s: float
    core_cpu_s: float
    publisher_cpu_s: float
    core_mb: float
    publisher_mb: float


@dataclass(frozen=True, slots=True)
class LoadFigures:
    """What a run cost: CPU in % of one core, memory at its end, its slope from a straight line.

    The line goes through the second half of the looks: in the first, the first scans make room for themselves.
    `core_mb_each` is the core's memory at ten moments, evenly spread, so that a slope can be told from a step.
    """

    seconds: float
    core_cpu_percent: float
    publisher_cpu_percent: float
    core_mb: float
    publisher_mb: float
    core_mb_per_hour: float
    publisher_mb_per_hour: float
    core_mb_each: tuple[float, ...]
    load_before: float
    load_after: float
    instruments: dict[str, Tally]

    @property
    def cpu_percent(self) -> float:
        """Return what both processes took of one core."""
        return round(self.core_cpu_percent + self.publisher_cpu_percent, 1)

    @property
    def lost(self) -> int:
        """Return how many samples are missing in any numbering."""
        return sum(tally.lost for tally in self.instruments.values())


def load_figures(looks: Sequence[Look], ledger: Ledger, loads: tuple[float, float]) -> LoadFigures:
    """Return the figures of a run."""
    first, last = looks[0], looks[-1]
    seconds = last.at_s - first.at_s
    half = looks[len(looks) // 2:]
    return LoadFigures(
        seconds=round(seconds, 1),
        core_cpu_percent=round(100 * (last.core_cpu_s - first.core_cpu_s) / seconds, 1),
        publisher_cpu_percent=round(100 * (last.publisher_cpu_s - first.publisher_cpu_s) / seconds, 1),
        core_mb=last.core_mb,
        publisher_mb=last.publisher_mb,
        core_mb_per_hour=slope_per_hour(half, [look.core_mb for look in half]),
        publisher_mb_per_hour=slope_per_hour(half, [look.publisher_mb for look in half]),
        core_mb_each=tuple(looks[len(looks) * n // MOMENTS].core_mb for n in range(MOMENTS)),
        load_before=loads[0],
        load_after=loads[1],
        instruments=dict(sorted(ledger.of.items())),
    )


def slope_per_hour(looks: Sequence[Look], values: Sequence[float]) -> float:
    """Return the slope of the line of least squares, per hour."""
    slope, _offset = np.polyfit([look.at_s for look in looks], values, 1)
    return round(float(slope) * HOUR_S, 2)

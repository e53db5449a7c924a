"""What a probe of an event loop found, as figures: how late, and for what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# What the loop may be held for at most: a port's round trip is a tenth of it, a reading is due each 2 ms at least.
HELD_MS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 99 %, 99.9 % and largest of something, in ms, and in how many turns it was above 5 ms."""

    p50: float
    p99: float
    p999: float
    largest: float
    above: int


@dataclass(frozen=True, slots=True)
class Lag:
    """One process: `late` is what a task sees, `cpu` the loop thread's own work in one turn.

    `waited` is what is left of a delay without that and without the time in which the machine gave the loop no core:
    Python's lock held by another thread, or a disk. `held` is the same without the time in which the process's other
    threads had no core: then who held the lock could not go on.
    """

    turns: int
    late: Spread
    cpu: Spread
    waited: Spread
    held: Spread


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """The gateway while it decides scans and while it does not, and a process that does nothing, at the same time."""

    seconds: float
    scans: int
    load_before: float
    load_after: float
    deciding: Lag
    otherwise: Lag
    control: Lag


def lag_of(turns: Mapping[str, NDArray[np.float64]], chosen: NDArray[np.bool_]) -> Lag:
    """Return the figures of the chosen turns of a probe (hil/bench/lag.py)."""
    late, cpu, no_core, others = (turns[name][chosen] for name in ("late_ms", "cpu_ms", "no_core_ms", "others_ms"))
    waited = np.maximum(late - cpu - no_core, 0.0)
    return Lag(len(late), spread(late), spread(cpu), spread(waited), spread(np.maximum(waited - others, 0.0)))


def spread(values_ms: NDArray[np.float64]) -> Spread:
    """Return the distribution, zeros where there is nothing."""
    if not len(values_ms):
        return Spread(0.0, 0.0, 0.0, 0.0, 0)
    p50, p99, p999 = (round(float(one), 3) for one in np.quantile(values_ms, (0.5, 0.99, 0.999)))
    return Spread(p50, p99, p999, round(float(values_ms.max()), 3), int(np.sum(values_ms > HELD_MS_MAX)))


def loop_lines(found: LoopFigures) -> list[str]:
    """Return the figures for a person."""
    load = f"load {found.load_before:.2f} before, {found.load_after:.2f} after"
    what = f"all in ms: p50, p99, p99.9, largest; turns above {HELD_MS_MAX:g} ms"
    lines = [f"run          {found.seconds:.0f} s, {found.scans} scans, {load}; {what}"]
    for name, lag in (("deciding", found.deciding), ("otherwise", found.otherwise), ("idle process", found.control)):
        lines.append(f"{name:<13}{lag.turns} turns")
        for what, one in (("late", lag.late), ("own work", lag.cpu), ("waited", lag.waited), ("held", lag.held)):
            figures = ", ".join(f"{value:.2f}" for value in (one.p50, one.p99, one.p999, one.largest))
            lines.append(f"  {what:<11}{figures}; {one.above}")
    return lines

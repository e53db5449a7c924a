"""How soon the drift watch sees a change, and how often it sees one where there is none. Trials on drawn scans.

Rule: a delay is counted in scans after the change, over all trials, and a trial without a fault is told as missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.drift_state import DriftLevel
from gateway.drift.bounds import LEARNT_CALIBRANTS, SCANS_PER_YEAR, Quantity
from gateway.drift.watch import DEGRADED, INHIBITED, DriftWatch
from hil.bench.drift_looks import IN_CONTROL, Shift, drawn, drawn_calibrant
from hil.training.bounds import upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.random import Generator

    from gateway.drift.look import Look

# Before the change: twenty scans teach the references and the scatter, a hundred the ranks of the energy.
BEFORE_SCANS: Final = 120
# A change that was not seen in so many scans, two thirds of a day of them, counts as missed.
AFTER_SCANS_MAX: Final = 200
# How much longer a trial goes on, to see whether a clear is stopped.
AFTER_SCANS: Final = 10
# In control: heads watched side by side, each so long; a calibrant scan comes between every so many.
QUIET_SCANS: Final = 2000
CALIBRANT_EACH: Final = 50

SHIFTS: Final = (
    (Quantity.NOISE, Shift("noise +1 dB, all channels", noise_db=1.0)),
    (Quantity.NOISE, Shift("noise +3 dB, all channels", noise_db=3.0)),
    (Quantity.GAIN, Shift("gain -5 %, one channel", gain=0.95, channel=2)),
    (Quantity.GAIN, Shift("gain -5 %, all channels", gain=0.95)),
    (Quantity.GAIN, Shift("gain -10 %, one channel", gain=0.90, channel=2)),
    (Quantity.GAIN, Shift("gain -20 %, one channel", gain=0.80, channel=2)),
    (Quantity.PHASE, Shift("phase 5 degrees, one channel", phase_deg=5.0, channel=4)),
    (Quantity.PHASE, Shift("phase 20 degrees, one channel", phase_deg=20.0, channel=4)),
    (Quantity.THERMOMETER, Shift("bay sensor off by 2 K", sensor_k=2.0)),
    (Quantity.THERMOMETER, Shift("bay sensor off by 5 K", sensor_k=5.0)),
    (Quantity.CHANCE, Shift("p-values 3 times too small", p_times=3.0)),
    (Quantity.CHANCE, Shift("p-values 10 times too small", p_times=10.0)),
    (Quantity.ENERGY, Shift("energy 2 standard deviations up", energy=2.4)),
)


@dataclass(frozen=True, slots=True)
class Delay:
    """Scans from a change to the fault that says so: median, 95th percentile and longest; `missed` saw none.

    `inhibited` counts the trials in which a clear was stopped, ten scans later at the latest.
    """

    change: str
    trials: int
    median: float
    p95: float
    longest: int
    missed: int
    inhibited: int


@dataclass(frozen=True, slots=True)
class DriftFigures:
    """All of it. `alarms_a_year_upper95` is for a scan every 5 minutes."""

    seed: int
    delays: tuple[Delay, ...]
    quiet_scans: int
    quiet_alarms: int
    quiet_inhibited: int
    alarms_a_year_upper95: float


def measure_drift(trials: int, heads: int, seed: int) -> DriftFigures:
    """Measure `trials` changes of each kind, and `heads` heads of 2000 scans in which nothing changes."""
    delays = tuple(delay_of(quantity, shift, trials, seed) for quantity, shift in SHIFTS)
    found = [quiet(np.random.default_rng((seed, 2, head))) for head in range(heads)]
    scans, alarms, inhibited = heads * QUIET_SCANS, sum(one for one, _ in found), sum(one for _, one in found)
    return DriftFigures(seed, delays, scans, alarms, inhibited, upper_bound(alarms, scans) * SCANS_PER_YEAR)


def delay_of(quantity: Quantity, shift: Shift, trials: int, seed: int) -> Delay:
    """Change one thing in heads that were watched for a while, again and again."""
    waits, stopped = [], 0
    for trial in range(trials):
        chance = np.random.default_rng((seed, 1, trial))
        wait, inhibited = seen_after(settled(chance), quantity, shift, chance)
        waits.append(wait)
        stopped += inhibited
    seen = [wait for wait in waits if wait]
    shown = np.array(seen or [0])
    return Delay(shift.name, trials, float(np.median(shown)), float(np.quantile(shown, 0.95)), int(shown.max()),
                 trials - len(seen), stopped)


def settled(chance: Generator) -> DriftWatch:
    """Return a watch that has learnt a healthy head."""
    watch = DriftWatch()
    for number in range(BEFORE_SCANS):
        watch.take(drawn(number, IN_CONTROL, chance), number)
    for number in range(LEARNT_CALIBRANTS):
        watch.take(drawn_calibrant(number, IN_CONTROL, chance), number)
    return watch


def seen_after(watch: DriftWatch, quantity: Quantity, shift: Shift, chance: Generator) -> tuple[int, bool]:
    """Return after how many scans the change is told, 0 where it is not, and whether a clear was stopped."""
    make = drawn_calibrant if shift.of_thermometer else drawn
    wait = 0
    for number in range(1, AFTER_SCANS_MAX + 1):
        told = watch.take(make(number, shift, chance), number)
        if not wait and any(fault.kind in {DEGRADED, INHIBITED} and quantity in fault.detail for fault in told):
            wait = number
        if wait and number >= wait + AFTER_SCANS:
            break
    return wait, watch.state.level is DriftLevel.INHIBITED


def quiet(chance: Generator) -> tuple[int, int]:
    """Watch one head in which nothing changes; return how many drifts were told, and whether it was inhibited."""
    watch, alarms = DriftWatch(), 0
    for number in range(QUIET_SCANS):
        for look in looks(number, chance):
            alarms += sum(fault.kind in {DEGRADED, INHIBITED} for fault in watch.take(look, number))
    return alarms, watch.state.level is DriftLevel.INHIBITED


def looks(number: int, chance: Generator) -> Iterator[Look]:
    """Return a scan, and now and then a calibrant scan before it."""
    if number % CALIBRANT_EACH == 0:
        yield drawn_calibrant(number, IN_CONTROL, chance)
    yield drawn(number, IN_CONTROL, chance)


def drift_lines(found: DriftFigures) -> list[str]:
    """Return the figures for a person, as the table of docs/drift.md."""
    rows = [f"| {one.change} | {one.median:g} | {one.p95:g} | {one.longest} | {one.missed}/{one.trials} | "
            f"{one.inhibited}/{one.trials} |" for one in found.delays]
    heads = found.quiet_scans // QUIET_SCANS
    alarms = f"{found.quiet_alarms} false drift alarms in {found.quiet_scans} scans"
    return [
        "| change | median, scans | 95 % | longest | not seen | clear stopped |",
        "|---|---|---|---|---|---|",
        *rows,
        f"in control: {alarms}, {found.quiet_inhibited} of {heads} heads inhibited",
        f"at a scan every 5 minutes at most {found.alarms_a_year_upper95:.1f} false drift alarms a year (exact, 95 %)",
    ]

"""What a measurement of the spine gives, and how repeats become one figure. Pure.

Medians of repeats throughout; a figure that could not be had is None, never a guess.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.demo.summary import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.bench.listener import Trip

MS_NS = 1e6


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of one process in MB: now (VmRSS) and at most (VmHWM)."""

    now_mb: float
    peak_mb: float


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Both processes at rest with three instruments, and after NQR scans."""

    core_idle: Memory
    publisher_idle: Memory
    core_after_scans: Memory
    publisher_after_scans: Memory
    scans: int

    @property
    def together_peak_mb(self) -> float:
        """Return the most that both processes ever held, summed."""
        return round(self.core_after_scans.peak_mb + self.publisher_after_scans.peak_mb, 1)


@dataclass(frozen=True, slots=True)
class Rates:
    """Signed and committed records per second."""

    writer_one_at_a_time: float
    writer_flat_out: float
    gateway_one_instrument: float       # polled every 5 ms: 200 at most
    gateway_many_instruments: float     # several such instruments
    instruments: int


@dataclass(frozen=True, slots=True)
class Latency:
    """From the device's answer to the subscriber, in ms; `count` readings in one run, `rate` of them a second."""

    count: int
    rate: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Stages:
    """Where the median reading spends its time in the gateway, in ms: port, calibration and draft, the rest."""

    device_to_core_ms: float
    core_to_writer_ms: float
    writer_to_subscriber_ms: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Paired runs on one device and one broker: the gateway, then the floor, again and again."""

    gateway: tuple[Latency, ...]
    floor: tuple[Latency, ...]
    stages: Stages

    def median(self, of: str) -> tuple[float, float]:
        """Return the medians over the runs of p50 and p99 for "gateway" or "floor"."""
        runs: tuple[Latency, ...] = getattr(self, of)
        return statistics.median(run.p50_ms for run in runs), statistics.median(run.p99_ms for run in runs)

    @property
    def ratio(self) -> tuple[float, float]:
        """Return gateway over floor: the medians over the pairs of the ratios of p50 and of p99."""
        pairs = list(zip(self.gateway, self.floor, strict=True))
        return (
            round(statistics.median(ours.p50_ms / least.p50_ms for ours, least in pairs), 2),
            round(statistics.median(ours.p99_ms / least.p99_ms for ours, least in pairs), 2),
        )


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured, and how busy it was: the load of the last minute before and after."""

    processor: str
    cores: int
    python: str
    broker: str
    load_before: float
    load_after: float


@dataclass(frozen=True, slots=True)
class SpineFigures:
    """Everything that `spingate bench spine` measures."""

    machine: Machine
    start_s: dict[str, float]
    memory: MemoryFigures
    rates: Rates
    latencies: Latencies


def latency_of(trips: Sequence[Trip], seconds: float) -> Latency:
    """Return one run's figures; raises ValueError where nothing arrived."""
    if not trips:
        raise ValueError("no reading arrived at the subscriber")
    ms = [(trip.arrived - trip.answered) / MS_NS for trip in trips]
    return Latency(len(ms), round(len(ms) / seconds, 1), quantile(ms, 0.50), quantile(ms, 0.99))


def stages_of(trips: Sequence[Trip]) -> Stages:
    """Return the medians of the parts of the gateway's trips."""
    whole = [(trip.answered, trip.read, trip.drafted, trip.arrived) for trip in trips
             if trip.read is not None and trip.drafted is not None]
    steps = [[(trip[n + 1] - trip[n]) / MS_NS for trip in whole] for n in range(3)]
    return Stages(*(quantile(step, 0.50) for step in steps))

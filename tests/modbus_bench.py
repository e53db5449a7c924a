"""What the Modbus tests share: a made-up scene, plans, and a port that runs for the length of a test.

Nothing here knows a register: the emulators and the drivers do.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from drivers.driver import LineSettings
from drivers.modbus_port import run_registers
from drivers.sample import BandPlan, Event, Fault, Sample, ScanCapture
from hil.instruments.felt import FeltBand, FeltScan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from drivers.address import PortAddress
    from drivers.driver import RegisterDriver

LINE = LineSettings(baud=115200)


def plans(count: int) -> tuple[BandPlan, ...]:
    """Return `count` bands that a head accepts within 300 s."""
    return tuple(BandPlan(890_000.0 + 5_000.0 * band, 20_000.0, 0.0128, 4, 20) for band in range(count))


def scene(wanted: Sequence[BandPlan], scan_id: int) -> FeltScan:
    """Return noise of 10 fT, with a strong carrier in the first band's channel 0, drawn from the scan id."""
    bands = []
    for place in range(len(wanted)):
        chance = np.random.default_rng((scan_id, place))
        field_ft = (chance.standard_normal((8, 8, 256, 2)) * 10.0).astype(np.float32).view(np.complex64)[..., 0]
        if place == 0:
            field_ft[0] += 33_000.0
        bands.append(FeltBand(field_ft, -3000.0, 100.0, 50.0, 1.5))
    return FeltScan(tuple(bands), 21.5, 0.25)


@dataclass(slots=True)
class Heard:
    """What one driver delivered, with a view by kind."""

    events: list[Event] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Keep one event; what a port delivers to."""
        self.events.append(event)

    def forget(self) -> None:
        """Keep the faults only."""
        self.events = [event for event in self.events if isinstance(event, Fault)]

    @property
    def samples(self) -> list[Sample]:
        """The samples so far."""
        return [event for event in self.events if isinstance(event, Sample)]

    @property
    def scans(self) -> list[ScanCapture]:
        """The scans so far."""
        return [event for event in self.events if isinstance(event, ScanCapture)]

    @property
    def faults(self) -> list[Fault]:
        """The faults so far."""
        return [event for event in self.events if isinstance(event, Fault)]

    def told(self, kind: str) -> list[str]:
        """Return the details of the faults of one kind."""
        return [fault.detail for fault in self.faults if fault.kind == kind]


async def until(holds: Callable[[], object], seconds_max: float) -> float:
    """Wait until something holds and return how long that took; fail the test if it takes too long."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds_max, f"not within {seconds_max} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


@contextlib.asynccontextmanager
async def running(address: PortAddress, *units: tuple[int, RegisterDriver, Heard],
                  line: LineSettings = LINE) -> AsyncIterator[list[float]]:
    """Run the port for the length of a test; gives the times of its beats."""
    beats: list[float] = []
    seats = [(number, driver, heard.take) for number, driver, heard in units]
    task = asyncio.create_task(run_registers(address, line, seats, time.monotonic_ns,
                                             lambda: beats.append(time.monotonic())))
    try:
        yield beats
        assert not task.done(), "the port ended by itself"
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is not None:
            await task

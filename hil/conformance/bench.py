"""Run one target through the gateway's own ports, and let things happen to its line. Edge: the event loop, a thread.

Rule: the port code is the daemon's, whole; every wait has a limit, and what is started here ends here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.sample import Fault, Sample, ScanCapture
from gateway import clock
from gateway.acquisition import Acquisition, options_of
from gateway.maps import read_maps
from gateway.progress import Progress
from hil.conformance.emulation import switched_on
from hil.conformance.heard import Heard
from hil.emulated import Wish
from hil.table import EMULATED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from drivers.driver import DriverOptions
    from drivers.sample import Event
    from hil.conformance.emulation import Emulation
    from hil.conformance.target import Target

# A port opens within a second and polls once a second; what is slower may say so in its row (silent_s_max).
SPEAK_S_MAX = 5.0
# The port's own pause before it opens again is 2 s at most (drivers/backoff.py).
BACK_S_MAX = 4.0
LOOK_S = 0.01
# An instrument may be silent for longer, but nobody waits for it at a bench.
SILENT_S_MAX = 30.0
SEED = 1

NOISE_BYTES = 2048
NOISE_S_MAX = 0.25  # a slow line gets less of it

# How long a person at the bench may take to pull a cable, or to put it back.
PERSON_S_MAX = 120.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a target is run. `say` shows a word to the person at the bench."""

    target: Target
    say: Callable[[str], None]

    @property
    def speak_s_max(self) -> float:
        """How long the device may take to its first sample."""
        return max(SPEAK_S_MAX, min(self.target.row.silent_s_max, SILENT_S_MAX) + 1.0)

    def options(self) -> DriverOptions:
        """What the configuration would tell the driver."""
        table = self.target.table(self.target.port or "/dev/emulated")
        return options_of(table, read_maps([table], Path()))

    def listen(self) -> Heard:
        """Open, wait for the first sample, and listen for as long as was asked."""
        return asyncio.run(self._listen(self.target.seconds))

    def listen_twice(self) -> tuple[Heard, Heard]:
        """Open and close, and open again; return what was heard each time."""
        return asyncio.run(self._twice())

    def noise(self) -> tuple[Heard, int]:
        """Put seeded noise on an emulator's line; return what was heard, and when the noise was over."""
        return asyncio.run(self._noise())

    def silence(self) -> tuple[Heard, int]:
        """Let an emulator fall silent until that is reported; return what was heard, and when it spoke again."""
        return asyncio.run(self._silence())

    def unplug(self) -> tuple[Heard, int]:
        """Pull the cable until that is reported, and put it back; return what was heard, and when it was back."""
        return asyncio.run(self._unplug())

    async def _listen(self, seconds: float) -> Heard:
        async with self._standing() as (_, port), self._open(port) as heard:
            await until(lambda: spoke(heard), self.speak_s_max)
            await asyncio.sleep(seconds if spoke(heard) else 0)     # nobody there: an hour more shows nothing
        return heard

    async def _twice(self) -> tuple[Heard, Heard]:
        async with self._standing() as (_, port):
            async with self._open(port) as first:
                await until(lambda: spoke(first), self.speak_s_max)
            if not spoke(first):
                return first, first
            async with self._open(port) as second:
                await until(lambda: spoke(second), self.speak_s_max)
        return first, second

    async def _noise(self) -> tuple[Heard, int]:
        async with self._standing() as (emulation, port), self._open(port) as heard:
            await until(lambda: spoke(heard), self.speak_s_max)
            size = min(NOISE_BYTES, int(EMULATED[self.target.instrument].bytes_per_s * NOISE_S_MAX))
            await emulation.babble(random.Random(SEED).randbytes(size))
            over = clock.monotonic_ns()
            await until(lambda: heard.first_sample_s(over) is not None, self.speak_s_max + BACK_S_MAX)
        return heard, over

    async def _silence(self) -> tuple[Heard, int]:
        async with self._standing() as (emulation, port), self._open(port) as heard:
            await until(lambda: spoke(heard), self.speak_s_max)
            faults = len(heard.faults)
            emulation.hush(silent=True)
            await until(lambda: len(heard.faults) > faults, self.target.row.silent_s_max + BACK_S_MAX)
            emulation.hush(silent=False)
            again = clock.monotonic_ns()
            await until(lambda: heard.first_sample_s(again) is not None, self.speak_s_max + BACK_S_MAX)
        return heard, again

    async def _unplug(self) -> tuple[Heard, int]:
        async with self._standing() as (emulation, port), self._open(port) as heard:
            await until(lambda: spoke(heard), self.speak_s_max)
            self._ask("pull the cable now")
            await emulation.unplug()
            await until(lambda: any(fault.kind.startswith("port ") for fault in heard.faults), self._patience_s)
            self._ask("put it back now")
            await emulation.replug()
            await until(lambda: self.target.emulated or said(heard, "port back"), self._patience_s)
            back = clock.monotonic_ns()
            await until(lambda: heard.first_sample_s(back) is not None, self.speak_s_max + BACK_S_MAX)
        return heard, back

    @property
    def _patience_s(self) -> float:
        return self.target.row.silent_s_max + BACK_S_MAX if self.target.emulated else PERSON_S_MAX

    def _ask(self, what: str) -> None:
        if not self.target.emulated:
            self.say(f"{self.target.instrument} on {self.target.port}: {what}")

    @contextlib.asynccontextmanager
    async def _standing(self) -> AsyncIterator[tuple[Emulation, str]]:
        """Give the emulation (of a real device: one that does nothing) and the port."""
        with ThreadPoolExecutor(1) as worker, tempfile.TemporaryDirectory(prefix="hil-") as folder:
            emulated = EMULATED.get(self.target.instrument)
            tcp = self.target.place == "tcp"
            wish = None if emulated is None else Wish(
                emulated.scenes[0], SEED, clock.monotonic_ns(), worker.submit, packets=tcp, ahead=True)
            place = 0 if tcp else Path(folder) / "line"
            async with switched_on(self.target, wish, place, clock.monotonic_ns) as standing:
                yield standing

    @contextlib.asynccontextmanager
    async def _open(self, port: str) -> AsyncIterator[Heard]:
        """Run the gateway's port, as the daemon does, while something is heard; a mistake of ours in it is raised."""
        heard = Heard(clock.monotonic_ns())

        def deliver(_name: str, event: Event) -> None:
            heard.take(event, clock.monotonic_ns())

        table = self.target.table(port)
        acquisition = Acquisition([table], Progress(), read_maps([table], Path()))
        running = asyncio.ensure_future(acquisition.run(deliver))
        try:
            yield heard
        finally:
            running.cancel()
            await ended(running)


def spoke(heard: Heard) -> bool:
    """Tell whether a sample or a scan came."""
    return any(isinstance(event, Sample | ScanCapture) for _, event in heard.events)


def said(heard: Heard, kind: str) -> bool:
    """Tell whether a fault of this kind came."""
    return any(isinstance(event, Fault) and event.kind == kind for _, event in heard.events)


async def until(holds: Callable[[], bool], most_s: float) -> None:
    """Wait until something holds, or until the time is up; what came of it is for the checks to tell."""
    end = clock.monotonic_ns() + most_s * 1e9
    while not holds() and clock.monotonic_ns() < end:  # noqa: ASYNC110  # conditions are looked at, not signalled
        await asyncio.sleep(LOOK_S)


async def ended(running: Awaitable[None]) -> None:
    """Wait for a task that was cancelled."""
    with contextlib.suppress(asyncio.CancelledError):
        await running

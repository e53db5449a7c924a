"""The core process: everything between the ports and the journal, in one loop. Edge: tasks and threads.

A part of ours that ends or hangs ends the process; systemd starts it again, and the journal carries on.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from drivers.nqr_head import NqrHead
from drivers.replay import live
from gateway import clock, control
from gateway.acquisition import Acquisition
from gateway.drift.desk import DriftDesk
from gateway.evidence.writer import JournalBehind
from gateway.lane_trigger import LaneTrigger
from gateway.notify import Systemd
from gateway.pipeline import Pipeline, deliver, overdue
from gateway.progress import Progress
from gateway.scans import Scans
from gateway.status import StatusDesk

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence
    from concurrent.futures import Future

    from drivers.sample import Event, Nanoseconds
    from gateway.assembly import Assembly
    from gateway.evidence.record import Draft
    from gateway.evidence.writer import Hashed
    from gateway.pipeline import Lane

    Tasks: TypeAlias = Sequence[asyncio.Task[None]]

LOG = logging.getLogger("spingate")
Result = TypeVar("Result")

WATCH_S = 0.5            # how often progress is looked at
JOURNAL_S_MAX = 10.0     # a slow SD card syncs in 50 ms; a hundred times that is a stuck disk
DECISION_S_MAX = 60.0    # a scan is decided in under a second on the slowest supported board
DISK_BYTES_MIN = 200_000_000  # at 100 records a second about an hour and a half
ABORT_S_MAX = 1.0        # a head that answers has heard of an abort by then; one that does not stops by itself
# Python's own 5 ms would be the loop's each time that it wants the lock and the worker thread is in Python code.
SWITCH_S = 0.5e-3
DRAIN_S_MAX = 12.0       # a decision takes seconds; the unit allows 20 for all of a stop


class Core:
    """One run of the gateway, from READY to the last record."""

    def __init__(self, assembly: Assembly) -> None:
        """Take everything that was opened and checked before."""
        self.assembly = assembly
        self.systemd = Systemd()
        self.progress = Progress()
        self.stopping = asyncio.Event()
        self.acquisition = Acquisition(assembly.loaded.config.instrument, self.progress, assembly.maps)
        self.worker = ThreadPoolExecutor(1, thread_name_prefix="decide")
        believe = not assembly.loaded.config.clock.require_synchronised
        table = assembly.loaded.config.scan
        heads = {name: one for name, one in self.acquisition.drivers.items() if isinstance(one, NqrHead)}
        trigger = LaneTrigger(table.present, table.wanted, table.barred) if table.trigger == "plc" else None
        self.drift = DriftDesk(assembly.lanes, assembly.drafter, self.submit, assembly.now)
        self.scans = Scans(heads, assembly.lanes, table, assembly.drafter, self.submit, assembly.now, trigger,
                           assembly.judgement.sequence)
        self.pipeline = Pipeline(
            assembly.now, assembly.drafter, self.submit, self.off_loop, assembly.judgement, believe, self.scans.decided
        )
        self.stalled: list[str] = []
        self.disk_scarce = False
        self.desk = StatusDesk(assembly, self.acquisition, clock.monotonic_ns())

    def submit(self, draft: Draft, raw: bytes | Hashed | None) -> Future[int]:
        """Queue a draft for signing."""
        return self.assembly.writer.submit(draft, raw)

    async def off_loop(self, work: Callable[..., Result], *words: object) -> Result:
        """Run arithmetic in the one worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self.worker, work, *words)

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then drain what was measured into the journal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        server = await control.serve(self.assembly.places.control, self.answer)
        lanes = [asyncio.create_task(self.pipeline.run(lane)) for lane in self.assembly.lanes.values()]
        others = [asyncio.create_task(work, name=name) for name, work in self.parts()]
        stop = asyncio.create_task(self.stopping.wait())
        sys.setswitchinterval(SWITCH_S)
        gc.freeze()  # what was loaded stays; looking through it for garbage took 33 ms, in which no port was read
        self.systemd.say("READY=1", "STATUS=measuring")
        LOG.info("ready: %d instruments, %d records", len(self.assembly.lanes), self.assembly.journal.size)
        done, _ = await asyncio.wait([*lanes, *others, stop], return_when=asyncio.FIRST_COMPLETED)
        self.systemd.say("STOPPING=1")
        server.close()
        if done == {stop}:
            await self.drain(lanes, others)
        await end([*lanes, *others, stop])
        self.worker.shutdown(wait=True)
        for task in (*lanes, *others):
            if not task.cancelled():
                task.result()  # raises what ended it

    def parts(self) -> list[tuple[str, Coroutine[object, object, None]]]:
        """Return the name and the work of everything beside the lanes that must go on for the gateway to be alive."""
        continuous = self.assembly.loaded.config.scan.trigger == "continuous"
        scans = [(f"scans of {name}", self.scans.repeat(name)) for name in self.scans.heads if continuous]
        return [*scans, ("ports", self.acquisition.run(self.deliver, self.behind)), ("watch", self.watch())]

    async def drain(self, lanes: Tasks, others: Tasks) -> None:
        """Take in nothing more, journal what was measured and decide what was scanned."""
        await end(task for task in others if task.get_name().startswith("scans of "))
        self.scans.close()
        scanning = [head for head in self.scans.heads.values() if head.progress is not None]
        for head in scanning:
            head.abort()
        await asyncio.sleep(ABORT_S_MAX if scanning else 0)
        await end(others)
        try:
            async with asyncio.timeout(DRAIN_S_MAX):
                for lane in self.assembly.lanes.values():
                    await lane.queue.put(None)
                await asyncio.gather(*lanes, return_exceptions=True)
        except TimeoutError:
            LOG.warning("not all that was measured could be journaled within %.0f s", DRAIN_S_MAX)

    def deliver(self, name: str, event: Event) -> None:
        """Put what a driver said into its instrument's lane; a clock vouches for ours, a PLC may order a scan."""
        deliver(self.assembly.lanes[name], event)
        if not live(event):
            return  # a recording neither tells the time nor what stands in the lane
        if name == self.assembly.loaded.config.clock.reference:
            self.assembly.clock_watch.take(event, clock.now())
        self.scans.look(name, event)

    def behind(self, name: str) -> bool:
        """Tell whether much of what an instrument said still waits for the disk."""
        return self.assembly.lanes[name].behind

    async def watch(self) -> None:
        """Feed systemd's watchdog as long as every part proves that it moves."""
        self.progress.expect("journal", JOURNAL_S_MAX, clock.monotonic_ns())
        for name in self.assembly.lanes:
            self.progress.expect(f"lane {name}", DECISION_S_MAX, clock.monotonic_ns())
        while True:
            await asyncio.sleep(WATCH_S)
            now = clock.monotonic_ns()
            if self.assembly.writer.failure is not None:
                raise self.assembly.writer.failure
            self.look_at_parts(now)
            self.look_at_disk()
            self.look_at_clock()
            stalled = self.progress.stalled(now)
            if not stalled:
                self.systemd.say("WATCHDOG=1", f"STATUS={self.desk.line()}")
            elif stalled != self.stalled:
                LOG.error("no progress: %s", "; ".join(stalled))
            self.stalled = stalled

    def look_at_parts(self, now: Nanoseconds) -> None:
        """Note which parts have moved; a part that has nothing to do counts as moving."""
        self.progress.step("journal", self.assembly.writer.last_progress_at)
        for lane in self.assembly.lanes.values():
            if lane.deciding_since is None:
                self.progress.step(f"lane {lane.name}", now)
            self.tell_loss(lane, now)

    def look_at_clock(self) -> None:
        """Journal it when the wall clock is believed more, or less, than before."""
        fault = self.assembly.clock_watch.changed(self.assembly.now())
        if fault is not None:
            LOG.warning("%s: %s", fault.kind, fault.detail)
            with suppress(JournalBehind):  # every record says the state too
                self.assembly.complain("clock", fault.kind, fault.detail)

    def look_at_disk(self) -> None:
        """Journal it when the disk runs out of room, and when there is room again: a full one ends the core."""
        free = shutil.disk_usage(self.assembly.places.journal.parent).free
        scarce = free < (DISK_BYTES_MIN if not self.disk_scarce else 2 * DISK_BYTES_MIN)
        if scarce is self.disk_scarce:
            return
        kind = "disk nearly full" if scarce else "disk has room again"
        LOG.warning("%s: %.0f MB free for the journal", kind, free / 1e6)
        try:
            self.assembly.complain("journal", kind, f"{free / 1e6:.0f} MB free")
        except JournalBehind:
            return
        self.disk_scarce = scarce

    def tell_loss(self, lane: Lane, now: Nanoseconds) -> None:
        """Journal what a full lane lost. Where the journal itself is behind, the next look tells it."""
        fault = overdue(lane, now)
        if fault is None:
            return
        try:
            self.submit(self.assembly.drafter.instrument_fault(self.assembly.now(), lane.name, fault), None)
        except JournalBehind:
            return
        lane.dropped, lane.last_fault, lane.faults = 0, fault, lane.faults + 1

    def answer(self, ask: control.Ask, who: str) -> control.Answer:
        """Answer one request of the control socket."""
        if ask.what == "status":
            return control.Answer(status=self.desk.status(self.assembly.now(), self.stalled))
        return self.drift.reset(ask, who) if ask.what == "reset" else self.scans.answer(ask, who)


async def end(tasks: Iterable[asyncio.Task[object]]) -> None:
    """Cancel tasks and wait until they are over; what they have to say is in their results."""
    over = list(tasks)
    for task in over:
        task.cancel()
    await asyncio.gather(*over, return_exceptions=True)

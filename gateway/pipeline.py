"""The whole path on one screen: read this first.

    port -> driver -> sample -> calibration -> reading -> detection -> verdict -> record -> journal -> publisher

Each instrument has its own queue and takes its turn in order; none waits for another. What goes wrong in the
world takes the same road as what goes right, so that silence is signed too.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from calibration.apply import calibrate
from drivers.replay import REPLAYED
from drivers.sample import Event, Fault, Sample, ScanCapture
from gateway.detection.verdict import Outcome
from gateway.detection.wording import taken_back
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.writer import JournalBehind
from gateway.intake import recordable, taken_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from calibration.certificate import Certificate
    from calibration.reading import CalibratedScan, Reading, Trust
    from drivers.sample import Nanoseconds
    from gateway.block import Block
    from gateway.clock import Now
    from gateway.detection.verdict import Verdict
    from gateway.drafts import Drafter
    from gateway.drift.kept import KeptWatch
    from gateway.evidence.record import Draft
    from gateway.evidence.writer import Hashed
    from gateway.lane_watch import LaneWatch
    from gateway.passing import Moment
    from gateway.series import Series

LOG = logging.getLogger("spingate")
Result = TypeVar("Result")
Receipt: TypeAlias = "Future[int]"  # resolves to a record's sequence number once it is on disk

BEHIND_S = 0.01          # how soon a full journal queue is tried again: a commit takes about as long
SMALL_BLOCK = 64         # values: a poll of a whole device; a tenth of a millisecond
UNSYNCED_MAX = 16        # readings on their way to the disk from where the next is asked for at once: see backlog
ORDERS_MAX = 64          # of scans that are not decided yet; one that came to nothing is pushed out by later ones
QUEUE_EVENTS_MAX = 2000  # 4 s of the fastest stream there is; a gateway further behind than that says so


class OffLoop(Protocol):
    """Runs arithmetic in a worker thread and gives back what it returns."""

    async def __call__(self, work: Callable[..., Result], *words: object) -> Result:
        """Call `work(*words)` while the loop goes on."""
        ...


@dataclass(slots=True)
class Lane:
    """One instrument's way through the house, and what it said last."""

    name: str
    block: Block
    certificate: Certificate | None
    watch: LaneWatch | None  # of a magnetometer
    serial: str = ""  # from the configuration, for a device that cannot tell its own
    scans: bool = False  # a head: its certificate is for its scans, not for what it says of itself
    refusal: str = ""  # why the configured certificate could not be taken up
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUE_EVENTS_MAX))
    dropped: int = 0
    receipts: deque[Receipt] = field(default_factory=lambda: deque(maxlen=UNSYNCED_MAX))  # of its last readings
    deciding_since: Nanoseconds | None = None  # when the scan in work was taken up
    readings: int = 0
    faults: int = 0
    last_reading: Reading | None = None
    trust: Trust | None = None  # of what the certificate is for
    orders: dict[int, Receipt] = field(default_factory=dict)  # by scan: the record of its order
    series: Series | None = None  # the load that is being scanned until it is decided
    looks: dict[int, Series] = field(default_factory=dict)  # by scan: the load that it is a look at
    last_fault: Fault | None = None
    last_verdict: Verdict | None = None
    last_scan_record: int | None = None   # the record of the scan that it is on
    drift: KeptWatch | None = None  # of an NQR head

    def ordered(self, scan_id: int, receipt: Receipt) -> None:
        """Remember the order of a scan until the scan is in: the next one is often begun before that."""
        if len(self.orders) >= ORDERS_MAX:
            del self.orders[next(iter(self.orders))]
        self.orders[scan_id] = receipt

    def looks_at(self, series: Series) -> None:
        """Remember that the series' scan is a look at its load, ended or not, until the scan is in."""
        if len(self.looks) >= ORDERS_MAX:
            del self.looks[next(iter(self.looks))]
        self.looks[series.scan_id] = self.series = series

    @property
    def behind(self) -> bool:
        """Tell whether more of its readings wait for the disk than one that is asked on and on may have there."""
        oldest = self.receipts[0] if len(self.receipts) == UNSYNCED_MAX else None
        return (oldest is not None and not oldest.done()) or self.queue.qsize() >= UNSYNCED_MAX


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What every lane shares.

    `submit` queues a draft with its raw bytes for signing and returns a receipt that resolves to the
    record's sequence number once it is on disk. `judge` decides a scan; it is slow, so it runs off the loop.
    """

    clock: Callable[[], Now]
    drafter: Drafter
    submit: Callable[[Draft, bytes | Hashed | None], Future[int]]
    off_loop: OffLoop
    judge: Callable[[CalibratedScan], Verdict]
    believe_clock: bool  # whether an undisciplined clock may say that a certificate is valid
    decided: Callable[[str, Verdict], None] | None = None  # hears of each verdict once its record is queued
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of the lanes with large blocks: see own_turn

    async def run(self, lane: Lane) -> None:
        """Take a lane's events in order up to a None, which ends it with everything told that it held.

        A scan is decided beside the events after it, not before them.
        """
        async with asyncio.TaskGroup() as decisions:
            while (event := await lane.queue.get()) is not None:
                match event:
                    case Sample() as sample:
                        for block in lane.block.add(sample):
                            await self.measure(lane, block)
                    case ScanCapture() as capture:
                        decisions.create_task(self.screen(lane, capture))
                    case Fault() as fault:
                        await self.report(lane, fault)
            await self.settle(lane)

    async def measure(self, lane: Lane, block: Sample) -> None:
        """Calibrate a block, journal the reading, and look in it for something ferrous moving past."""
        if block.values.size > SMALL_BLOCK:
            await self.own_turn()
        now = self.clock()
        certificate = None if lane.scans else lane.certificate
        calibrated = calibrate(named(block, lane.serial), certificate, now.wall_ns / 1e9, self.trusts(now))
        reading = replace(calibrated, trust=explained(calibrated.trust, "" if lane.scans else lane.refusal))
        lane.last_reading = reading
        lane.trust = lane.trust if lane.scans else reading.trust
        lane.readings += 1
        receipt = await self.journal(lane, lambda at: self.drafter.reading(at, lane.name, reading), block.raw)
        lane.receipts.append(receipt)
        live = REPLAYED not in reading.flags  # a recording of a trolley is no trolley
        # Milliseconds where the background is fitted again or a passage is measured: the loop is not held.
        told = await self.off_loop(lane.watch.take, reading, receipt) if lane.watch and live else None
        if told:
            await self.alert(lane, told)

    async def own_turn(self) -> None:
        """Wait for a pass of the loop in which no other lane works on a large block.

        The blocks of eight magnetometers are full at the same moment: 1 to 3 ms each, and no port was read meanwhile.
        """
        async with self.turn:
            await asyncio.sleep(0)

    async def alert(self, lane: Lane, told: Moment) -> None:
        """Journal an anomaly as soon as the reading that shows it is on disk."""
        source = await asyncio.wrap_future(told.receipt)
        await self.journal(lane, lambda at: self.drafter.anomaly(at, lane.name, told.anomaly, told.reading, source))

    async def screen(self, lane: Lane, capture: ScanCapture) -> None:
        """Calibrate a scan, journal it, decide, and journal the verdict. The arithmetic leaves the loop free."""
        now = self.clock()
        lane.deciding_since = now.monotonic_ns
        wall_s, trusted = now.wall_ns / 1e9, self.trusts(now)
        calibrated, bands, raw = await self.off_loop(taken_up, capture, lane.certificate, wall_s, trusted)
        scan = replace(calibrated, trust=explained(calibrated.trust, lane.refusal))
        lane.readings += 1
        lane.trust = scan.trust
        ordered, series = await order_of(lane, capture.scan_id), lane.looks.pop(capture.scan_id, None)
        receipt = await self.journal(lane, lambda at: self.drafter.scan(at, lane.name, scan, ordered, bands), raw)
        verdict = of_the_bay(await self.off_loop(series.take if series else self.judge, scan), scan)
        verdict = await self.off_loop(recordable, await self.watched(lane, scan, verdict))
        sources = (await asyncio.wrap_future(receipt), *ordered)
        if series is not None:  # the scan that is answered stands first, those it was joined to behind its order
            sources, series.records = (*sources, *series.records), (*series.records, sources[0])
        lane.last_verdict, lane.last_scan_record, lane.deciding_since = verdict, sources[0], None
        LOG.info("%s: scan %d in record %d: %s", lane.name, verdict.scan_id, sources[0], verdict.outcome)
        told = await self.journal(lane, lambda at: self.drafter.verdict(at, lane.name, verdict, scan, sources))
        if self.decided is not None:
            self.decided(lane.name, verdict)
        if lane.drift is not None:
            records = await asyncio.wrap_future(told) + 1
            for fault in await self.off_loop(lane.drift.keep, records, self.clock().monotonic_ns):
                await self.tell(lane, fault)

    async def watched(self, lane: Lane, scan: CalibratedScan, verdict: Verdict) -> Verdict:
        """Hold a scan against what its head used to be, journal what changed, and return what that leaves to say."""
        if lane.drift is None or REPLAYED in scan.flags:
            return verdict
        faults, borne = await self.off_loop(lane.drift.hold, scan, verdict, self.clock().monotonic_ns)
        for fault in faults:
            await self.tell(lane, fault)
        return borne

    def trusts(self, now: Now) -> bool:
        """Tell whether the wall clock is good enough to judge a certificate's validity by."""
        return self.believe_clock or now.state in {"synchronised", "holdover"}

    async def report(self, lane: Lane, fault: Fault) -> None:
        """Journal a fault, after what was gathered before it."""
        await self.settle(lane)
        await self.tell(lane, fault)

    async def tell(self, lane: Lane, fault: Fault) -> None:
        """Journal a fault."""
        LOG.warning("%s: %s: %s", lane.name, fault.kind, fault.detail)
        lane.last_fault = fault
        lane.faults += 1
        await self.journal(lane, lambda at: self.drafter.instrument_fault(at, lane.name, fault))

    async def settle(self, lane: Lane) -> None:
        """Journal what a lane still holds: half a block, and the anomaly of an object that is passing now."""
        for block in lane.block.flush():
            await self.measure(lane, block)
        for told in await self.off_loop(lane.watch.hurry) if lane.watch else ():
            await self.alert(lane, told)

    async def journal(
        self, lane: Lane, drafted: Callable[[Now], Draft], raw: bytes | Hashed | None = None
    ) -> Future[int]:
        """Queue a record, stamped as it is queued. A full queue makes the lane wait, and lose at its entrance.

        What a device says of itself may be too long for any record: then that is what the record is about.
        """
        while True:
            try:
                return self.submit(drafted(self.clock()), raw)
            except JournalBehind:
                await asyncio.sleep(BEHIND_S)
            except RecordRefused as refused:
                now = self.clock()
                fault = Fault("not recordable", f"what it said does not fit a record: {refused}", now.monotonic_ns)
                return self.submit(self.drafter.instrument_fault(now, lane.name, fault), None)


async def order_of(lane: Lane, scan_id: int) -> tuple[int, ...]:
    """Return the sequence of the record that ordered a scan; nothing where this run did not order it."""
    receipt = lane.orders.pop(scan_id, None)
    return () if receipt is None else (await asyncio.wrap_future(receipt),)


def explained(trust: Trust, refusal: str) -> Trust:
    """Return the trust with why the configured certificate was refused, rather than that there is none."""
    return replace(trust, reason=refusal) if refusal else trust


def of_the_bay(verdict: Verdict, scan: CalibratedScan) -> Verdict:
    """Return the verdict; of a recording it is neither alarm nor clear, whatever was found, and says so first."""
    if REPLAYED not in scan.flags:
        return verdict
    reasons = ("a replayed recording: nothing is known of what is in the bay", *taken_back(verdict.reasons))
    return replace(verdict, outcome=Outcome.NOT_INSPECTABLE, reasons=reasons)


def named(sample: Sample, serial: str) -> Sample:
    """Return the sample with the configured serial number, flagged so, where the device tells none itself."""
    if sample.device.serial or not serial:
        return sample
    device = replace(sample.device, serial=serial)
    return replace(sample, device=device, flags=(*sample.flags, "serial number from the configuration"))


def deliver(lane: Lane, event: Event) -> None:
    """Put an event into its lane; where the lane is full the loss is counted, and told by `overdue`."""
    try:
        lane.queue.put_nowait(event)
    except asyncio.QueueFull:
        lane.dropped += 1


def overdue(lane: Lane, now_ns: int) -> Fault | None:
    """Return a fault for the events that a full lane has lost, None where none were."""
    if not lane.dropped:
        return None
    return Fault("overload", f"{lane.dropped} events lost: the gateway is too slow for this instrument", now_ns)

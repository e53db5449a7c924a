"""Begin and stop scans of the NQR heads, whoever orders it: a person, a program, a schedule, the lane's PLC. Edge.

Rule: no scan runs that no record names, and every order is signed with who gave it. A load that is scanned until it is
decided is left alone by all other orders until then, and a record says why where that came to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from calibration import thermometer
from calibration.schedule import schedule
from drivers.nqr_head import SCAN_ENDS
from drivers.sample import Fault
from gateway import clock
from gateway.claims import NOTHING
from gateway.claims import objection as wrong_claim
from gateway.control import Answer
from gateway.evidence.writer import JournalBehind
from gateway.lane_trigger import LaneTrigger, Order
from gateway.progress import SECOND
from gateway.series import Series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.nqr_head import NqrHead
    from drivers.sample import Event, Nanoseconds
    from gateway.claims import Claims
    from gateway.clock import Now
    from gateway.config_tables import ScanTable
    from gateway.control import Ask
    from gateway.detection.sequence import LoadSequence
    from gateway.detection.verdict import Verdict
    from gateway.drafts import Drafter
    from gateway.evidence.record import Draft
    from gateway.evidence.writer import Hashed
    from gateway.pipeline import Lane, Receipt

HEAD_SILENT_S_MAX = 20.0  # a head says how it is each second, but not while a page of 9 to 11 s crosses a serial line
AWAY = frozenset({"port missing", "port busy", "port refused", "port lost", "no answer", "foreign device"})
ENDS_SERIES = SCAN_ENDS | {"device restarted", "device changed"}  # its phase is another's after that
VERDICT_S_MAX = 60.0      # a scan is decided within seconds; where no verdict comes its data were lost
SCAN_RETRY_S = 1.0       # pause before asking a head for the next scan
LOG = logging.getLogger("spingate")
BEHIND = "the journal does not keep up with the disk; try again in a moment"


class Submit(Protocol):
    """Queues a draft for signing; raises JournalBehind."""

    def __call__(self, draft: Draft, raw: bytes | Hashed | None) -> Receipt:
        """Return the receipt of the record."""
        ...


@dataclass(frozen=True, slots=True)
class Scans:
    """The heads of this gateway and their lanes, by name."""

    heads: Mapping[str, NqrHead]
    lanes: Mapping[str, Lane]
    table: ScanTable
    drafter: Drafter
    submit: Submit
    now: Callable[[], Now]
    trigger: LaneTrigger | None
    sequence: Callable[[int], LoadSequence | None] | None = None  # of at most so many looks, where any can be had
    away: dict[str, Nanoseconds] = field(default_factory=dict)  # heads: when one was last missed
    stopped: set[str] = field(default_factory=set)  # heads whose scan the PLC stopped: it ends when they hear of it

    def begin(self, name: str, source: str, claims: Claims, looks: int = 0, *, by_plc: bool = False) -> int:
        """Order a scan of one head and journal who asked for it and what they claim about the load.

        `looks` above one: scan the load until it is decided, at most so many times; 0: as configured.
        Raises JournalBehind where that cannot be journaled now; the scan is then given up, and its fault says so.
        """
        looks = looks or self.table.looks_max
        sequence = self.sequence(looks) if looks > 1 and self.sequence is not None else None
        if sequence is None:
            return self.order(name, source, claims, self.table.dwell_s)
        return self.look_again(name, Series(source, claims, sequence, by_plc))

    def order(self, name: str, source: str, claims: Claims, dwell_s: float, *, calibrant: bool = False) -> int:
        """Order one scan and journal the order. Raises JournalBehind, the scan given up."""
        plans = thermometer.thermometer_plans(dwell_s) if calibrant else schedule(dwell_s)
        scan_id = self.heads[name].begin(plans, dwell_s)
        try:
            receipt = self.submit(self.drafter.context(self.now(), source, scan_id, claims), None)
        except JournalBehind:
            self.heads[name].abort()
            raise
        self.lanes[name].ordered(scan_id, receipt)
        self.stopped.discard(name)
        return scan_id

    def look_again(self, name: str, series: Series) -> int:
        """Order the next scan of a load. Raises JournalBehind; a series that has begun is then over, and ends."""
        series.look, series.idle_since = series.look + 1, None
        series.scan_id = self.order(name, series.orderer, series.claims, self.table.look_dwell_s)
        self.lanes[name].looks_at(series)
        return series.scan_id

    def decided(self, name: str, verdict: Verdict) -> None:
        """Take note of a verdict that was journaled: scan the load again where it left it open."""
        series = self.lanes[name].series
        if series is None or series.scan_id != verdict.scan_id:
            return
        if verdict.look is None or verdict.look.final:
            self.lanes[name].series = None
        else:
            self.go_on(name, series)

    def go_on(self, name: str, series: Series) -> None:
        """Begin the next scan of a load, or end the series where it cannot be known to be the same load."""
        if not self.hears(name):
            self.end(name, f"{name} does not answer")
        elif series.by_plc and (self.trigger is None or not self.trigger.holds):
            self.end(name, "the PLC does not say that the object still stands there")
        elif self.heads[name].progress is not None:
            self.end(name, f"{name} is scanning for somebody else")
        else:
            try:
                self.look_again(name, series)
            except JournalBehind:
                self.end(name, BEHIND)

    def end(self, name: str, why: str) -> None:
        """End the series of a head, undecided, and journal why. The last verdict, which says "not yet", stands."""
        series = self.lanes[name].series
        if series is None:
            return
        series.ended, self.lanes[name].series = why, None
        LOG.warning("%s: sequence ended at %s: %s", name, series.where, why)
        detail = f"{series.where}, scan {series.scan_id}: {why}; the load is not decided"
        with suppress(JournalBehind):  # the last verdict on the load already says that it is open
            self.submit(self.drafter.component_fault(self.now(), name, "sequence ended", detail), None)

    def close(self) -> None:
        """End every series: the gateway stops, and does not carry them on when it starts again."""
        for name in self.heads:
            self.end(name, "the gateway stops")

    def busy(self, name: str) -> bool:
        """Tell whether a head scans, or is between two scans of one load."""
        return self.heads[name].progress is not None or self.lanes[name].series is not None

    def stop(self, name: str, source: str) -> None:
        """Give up the running scan of one head and journal who wanted it. It stops, JournalBehind raised or not."""
        self.heads[name].abort()
        self.end(name, f"stopped by {source}")
        self.submit(self.drafter.component_fault(self.now(), name, "scan stopped", f"ordered by {source}"), None)

    async def repeat(self, name: str) -> None:
        """Scan again and again: the next begins when the last one's data are in, or its fault."""
        while True:
            if not self.busy(name):
                with suppress(JournalBehind):  # the disk needs a moment; the next look tries again
                    self.begin(name, "schedule", NOTHING)
            await asyncio.sleep(SCAN_RETRY_S)

    def answer(self, ask: Ask, who: str) -> Answer:
        """Start or stop a scan for `who`, or say why not."""
        names = [ask.head] if ask.head else list(self.heads)
        refused = self.objection(ask, names)
        if refused:
            return Answer(refused=refused)
        source = f"{ask.via or 'control socket'}, user {who}"
        try:
            if ask.what == "stop":
                self.stop(names[0], source)
                return Answer()
            if ask.what == "thermometer":
                source = f"{source}, of the calibrant in its jig"
                return Answer(scan_id=self.order(names[0], source, ask.claims, thermometer.DWELL_S, calibrant=True))
            return Answer(scan_id=self.begin(names[0], source, ask.claims, ask.looks))
        except JournalBehind:
            return Answer(refused=BEHIND)

    def objection(self, ask: Ask, names: list[str]) -> str:
        """Say why an order for the heads in `names` cannot be followed now; empty where it can."""
        if len(names) != 1 or names[0] not in self.heads:
            return f"head = {ask.head!r}: must be one of: {', '.join(self.heads) or 'none'}"
        scanning = self.busy(names[0])
        if ask.what == "stop":
            return "" if scanning else f"{names[0]} is not scanning: there is nothing to stop"
        if not self.hears(names[0]):
            return f"{names[0]} does not answer: `spingate status` says since when"
        if scanning:
            return f"{names[0]} is scanning; wait for its verdict, or stop it"
        return wrong_claim(ask.claims)

    def hears(self, name: str) -> bool:
        """Tell whether a head was heard of lately: a scan must not begin when it comes back, on another load."""
        lane = self.lanes[name]
        if lane.last_reading is None or clock.monotonic_ns() - lane.last_reading.seen_at > HEAD_SILENT_S_MAX * SECOND:
            return False
        return self.away.get(name, 0) < lane.last_reading.seen_at

    def look(self, instrument: str, event: Event) -> None:
        """Note which heads are missed, end series that were broken, and follow the lane's PLC.

        A scan of every free head is begun as an object arrives, and stopped as it leaves.
        """
        if isinstance(event, Fault) and event.kind in AWAY:  # not the last fault: "scan failed" often follows
            self.away[instrument] = event.seen_at
        if instrument in self.heads:
            self.watch(instrument, event)
        if self.trigger is None or instrument != self.table.plc:
            return
        order = self.trigger.take(event)
        for name in self.heads if order else ():
            with suppress(JournalBehind):  # a start is tried again with the PLC's next word, while the object stands
                if order is Order.STOP and self.busy(name) and name not in self.stopped:
                    self.stop(name, f"PLC {instrument}: {self.trigger.reason}")
                    self.stopped.add(name)
                elif order is Order.START and not self.busy(name) and self.hears(name):
                    self.begin(name, f"PLC {instrument}", NOTHING, by_plc=True)
                    self.trigger.started()

    def watch(self, name: str, event: Event) -> None:
        """End a series whose scan was lost, or whose head is no longer what it was."""
        series = self.lanes[name].series
        if series is None:
            return
        if isinstance(event, Fault) and event.kind in ENDS_SERIES:
            self.end(name, f"{event.kind}: {event.detail}")
        elif self.heads[name].progress is not None:
            series.idle_since = None
        elif series.idle_since is None:
            series.idle_since = clock.monotonic_ns()
        elif clock.monotonic_ns() - series.idle_since > VERDICT_S_MAX * SECOND:
            self.end(name, f"no verdict within {VERDICT_S_MAX:g} s")

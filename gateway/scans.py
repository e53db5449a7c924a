"""Begin and stop scans of the NQR heads, whoever orders it: a person, a program, a schedule, the lane's PLC. Edge.

Rule: no scan runs that no record names, and every order is signed with who gave it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from calibration import thermometer
from calibration.schedule import schedule
from drivers.sample import Fault
from gateway import clock
from gateway.claims import NOTHING
from gateway.claims import objection as wrong_claim
from gateway.control import Answer
from gateway.evidence.writer import JournalBehind
from gateway.lane_trigger import LaneTrigger, Order
from gateway.progress import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.nqr_head import NqrHead
    from drivers.sample import Event, Nanoseconds
    from gateway.claims import Claims
    from gateway.clock import Now
    from gateway.config_tables import ScanTable
    from gateway.control import Ask
    from gateway.drafts import Drafter
    from gateway.evidence.record import Draft
    from gateway.pipeline import Lane, Receipt

HEAD_SILENT_S_MAX = 20.0  # a head says how it is each second, but not while a page of 9 to 11 s crosses a serial line
AWAY = frozenset({"port missing", "port busy", "port refused", "port lost", "no answer", "foreign device"})
SCAN_RETRY_S = 1.0       # pause before asking a head for the next scan
BEHIND = "the journal does not keep up with the disk; try again in a moment"


class Submit(Protocol):
    """Queues a draft for signing; raises JournalBehind."""

    def __call__(self, draft: Draft, raw: bytes | None) -> Receipt:
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
    away: dict[str, Nanoseconds] = field(default_factory=dict)  # heads: when one was last missed
    stopped: set[str] = field(default_factory=set)  # heads whose scan the PLC stopped: it ends when they hear of it

    def begin(self, name: str, source: str, claims: Claims, *, calibrant: bool = False) -> int:
        """Order a scan of one head and journal who asked for it and what they claim about the load.

        Raises JournalBehind where that cannot be journaled now; the scan is then given up, and its fault says so.
        """
        dwell_s = thermometer.DWELL_S if calibrant else self.table.dwell_s
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

    def stop(self, name: str, source: str) -> None:
        """Give up the running scan of one head and journal who wanted it. It stops, JournalBehind raised or not."""
        self.heads[name].abort()
        self.submit(self.drafter.component_fault(self.now(), name, "scan stopped", f"ordered by {source}"), None)

    async def repeat(self, name: str) -> None:
        """Scan again and again: the next begins when the last one's data are in, or its fault."""
        while True:
            if self.heads[name].progress is None:
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
            calibrant = ask.what == "thermometer"
            source = f"{source}, of the calibrant in its jig" if calibrant else source
            return Answer(scan_id=self.begin(names[0], source, ask.claims, calibrant=calibrant))
        except JournalBehind:
            return Answer(refused=BEHIND)

    def objection(self, ask: Ask, names: list[str]) -> str:
        """Say why an order for the heads in `names` cannot be followed now; empty where it can."""
        if len(names) != 1 or names[0] not in self.heads:
            return f"head = {ask.head!r}: must be one of: {', '.join(self.heads) or 'none'}"
        scanning = self.heads[names[0]].progress is not None
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
        """Note which heads are missed, and follow the lane's PLC.

        A scan of every free head is begun as an object arrives, and stopped as it leaves.
        """
        if isinstance(event, Fault) and event.kind in AWAY:  # not the last fault: "scan failed" often follows
            self.away[instrument] = event.seen_at
        if self.trigger is None or instrument != self.table.plc:
            return
        order = self.trigger.take(event)
        for name, head in self.heads.items() if order else ():
            with suppress(JournalBehind):  # a start is tried again with the PLC's next word, while the object stands
                if order is Order.STOP and head.progress is not None and name not in self.stopped:
                    self.stop(name, f"PLC {instrument}: {self.trigger.reason}")
                    self.stopped.add(name)
                elif order is Order.START and head.progress is None and self.hears(name):
                    self.begin(name, f"PLC {instrument}", NOTHING)
                    self.trigger.started()

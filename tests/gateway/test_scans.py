"""A scan is begun and stopped once for each reason there is, with a record of who ordered it."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.nqr_head import NqrHead
from drivers.sample import Channel, Fault, Identity, Sample
from gateway import clock
from gateway.block import Block
from gateway.config_tables import ScanTable
from gateway.control import Ask
from gateway.drafts import Drafter
from gateway.evidence.act import ContextBody
from gateway.evidence.body import FaultBody
from gateway.evidence.record import Draft, Provenance
from gateway.evidence.writer import JournalBehind
from gateway.lane_trigger import LaneTrigger
from gateway.pipeline import ORDERS_MAX, Lane, order_of
from gateway.scans import Scans

PLC = Identity("", "lane", "", "")


class Bay:
    """A head that was heard just now, the PLC of its lane, and what was journaled."""

    def __init__(self) -> None:
        self.bodies: list[object] = []
        self.behind = False
        self.lane = Lane("head", Block(1.0), None, None)
        self.hear(clock.monotonic_ns())
        table = ScanTable(trigger="plc", plc="plc", present="object")
        drafter = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
        self.scans = Scans({"head": NqrHead()}, {"head": self.lane}, table, drafter, self.submit, clock.now,
                           LaneTrigger("object", (), ()))

    def submit(self, draft: Draft, raw: object) -> Future[int]:
        """Keep what would be signed."""
        assert raw is None
        if self.behind:
            raise JournalBehind("full")
        self.bodies.append(draft.body)
        return filed(len(self.bodies) - 1)

    def hear(self, at: int) -> None:
        """Hear of the head."""
        self.lane.last_reading = Reading(Identity("a", "b", "c", "d"), "head", (), np.zeros((1, 0)), np.zeros(0), None,
                                         0, at, bytes(32), Trust(calibrated=False, certificate_sha256=None))

    def present(self, bit: float) -> None:
        """Have the PLC say whether an object is there."""
        self.scans.look("plc", Sample(PLC, "lane", (Channel("object", "state", "1"),), np.array([[bit]]), None, 0, 0,
                                      b""))


def filed(sequence: int) -> Future[int]:
    """Return the receipt of a record that is on disk."""
    done: Future[int] = Future()
    done.set_result(sequence)
    return done


async def test_claims_stay_with_their_scan_where_the_next_one_is_ordered_before_it_is_filed() -> None:
    """A head is free as soon as its data are in; they are decided for seconds after that, and not lost meanwhile."""
    lane = Lane("head", Block(1.0), None, None)
    for scan_id in range(1, 4):
        lane.ordered(scan_id, filed(10 * scan_id))
    assert [await order_of(lane, scan_id) for scan_id in (2, 1, 3)] == [(20,), (10,), (30,)]
    assert await order_of(lane, 2) == (), "an order belongs to one scan"
    for scan_id in range(2 * ORDERS_MAX):
        lane.ordered(scan_id, filed(scan_id))
    assert len(lane.orders) == ORDERS_MAX


def test_a_scan_that_the_plc_stops_is_stopped_by_one_record() -> None:
    """The head may hear of it only after a page of seconds, and the PLC says ten times a second why."""
    bay = Bay()
    for _object in range(2):
        bay.present(1)
        assert bay.scans.heads["head"].progress is not None
        for _ in range(50):
            bay.present(0)
        bay.scans.heads["head"] = NqrHead()  # type: ignore[index]  # one that is free again
    assert [type(body) for body in bay.bodies] == [ContextBody, FaultBody] * 2


@pytest.mark.parametrize("later", ["scan failed", "overload"])
def test_a_head_that_is_away_is_away_whatever_else_went_wrong_since(later: str) -> None:
    """A scan that was cut off fails too: the next one must not begin when the head comes back, on another load."""
    bay = Bay()
    at = clock.monotonic_ns()
    for kind in ("no answer", later):
        fault = Fault(kind, "", at)
        bay.scans.look("head", fault)
        bay.lane.last_fault = fault
    assert "does not answer" in bay.scans.answer(Ask("start"), "root").refused
    bay.present(1)
    assert bay.bodies == []
    bay.hear(at + 1)
    assert bay.scans.answer(Ask("start"), "root").scan_id == 1


def test_a_scan_whose_order_cannot_be_journaled_is_given_up() -> None:
    """No scan runs that no record names: the head is told before it was asked for anything."""
    bay = Bay()
    bay.behind = True
    assert "try again" in bay.scans.answer(Ask("start"), "root").refused
    head = bay.scans.heads["head"]
    head.ask(0)
    assert "scan aborted" in [fault.kind for fault in head.refuse("nobody there", 1) if isinstance(fault, Fault)]

"""The head scans a load again as long as its verdict leaves it open, and whatever breaks that off is told."""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.nqr_head import NqrHead
from drivers.sample import Channel, Fault, Identity, Sample
from gateway import clock
from gateway.block import Block
from gateway.claims import Claims
from gateway.config_tables import ScanTable
from gateway.control import Ask
from gateway.detection.detector import Detector, Policy
from gateway.detection.sequence import LoadSequence
from gateway.detection.verdict import Outcome, SequenceLook, Verdict
from gateway.drafts import Drafter
from gateway.evidence.act import ContextBody
from gateway.evidence.body import FaultBody
from gateway.evidence.record import Draft, Provenance
from gateway.evidence.writer import Hashed, JournalBehind
from gateway.lane_trigger import LaneTrigger
from gateway.pipeline import Lane
from gateway.progress import SECOND
from gateway.scans import VERDICT_S_MAX, Scans
from gateway.series import Series

PLC = Identity("", "lane", "", "")


@cache
def detector() -> Detector:
    """A detector without a network: no scan is decided here."""
    return Detector(Policy())


class Bay:
    """A head of a lane with a PLC, under a configuration that scans a load up to five times; and what was journaled."""

    def __init__(self, looks_max: int = 5) -> None:
        self.bodies: list[object] = []
        self.behind = False
        self.lane = Lane("head", Block(1.0), None, None, scans=True)
        self.lane.last_reading = Reading(
            Identity("a", "b", "c", "d"), "head", (), np.zeros((1, 0)), np.zeros(0), None, 0, clock.monotonic_ns(),
            bytes(32), Trust(calibrated=False, certificate_sha256=None))
        table = ScanTable(trigger="plc", plc="plc", present="object", looks_max=looks_max)
        drafter = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
        self.heads = {"head": NqrHead()}
        self.scans = Scans(self.heads, {"head": self.lane}, table, drafter, self.submit, clock.now,
                           LaneTrigger("object", (), ()), lambda looks: LoadSequence(detector(), looks))

    def submit(self, draft: Draft, raw: bytes | Hashed | None) -> Future[int]:
        """Keep what would be signed."""
        assert raw is None
        if self.behind:
            raise JournalBehind("full")
        self.bodies.append(draft.body)
        done: Future[int] = Future()
        done.set_result(len(self.bodies) - 1)
        return done

    def present(self, bit: float) -> None:
        """Have the PLC say whether an object is there."""
        channel = Channel("object", "state", "1")
        self.scans.look("plc", Sample(PLC, "lane", (channel,), np.array([[bit]]), None, 0, 0, b""))

    def delivered(self) -> None:
        """Let the head be done with its scan: another one stands for it."""
        last, self.heads["head"] = self.heads["head"], NqrHead()
        self.heads["head"]._last_scan_id = last._last_scan_id

    def verdict(self, *, final: bool = False) -> None:
        """Decide the scan that was delivered."""
        series = self.lane.series
        assert series is not None
        look = SequenceLook(series.look, 5, 0.001, 60.0 * series.look, (bytes(32),), final)
        answer = Verdict(Outcome.CLEAR if final else Outcome.NOT_INSPECTABLE, () if final else ("open",), (),
                         series.scan_id, bytes(32), bytes(32), look=look)
        self.scans.decided("head", answer)

    def orders(self) -> list[ContextBody]:
        """The orders of scans."""
        return [body for body in self.bodies if isinstance(body, ContextBody)]

    def faults(self) -> list[tuple[str, str]]:
        """Kind and detail of the faults."""
        return [(body.kind, body.detail) for body in self.bodies if isinstance(body, FaultBody)]


def looked(looks: int = 1) -> Bay:
    """A bay in which a person's load was looked at so many times and is open: the next scan has begun."""
    bay = Bay()
    assert not bay.scans.answer(Ask("start", claims=Claims(container="CSQU3054383")), "root").refused
    for _ in range(looks):
        bay.delivered()
        bay.verdict()
    return bay


def test_a_verdict_that_leaves_the_load_open_begins_the_next_scan_under_the_same_claims() -> None:
    """Each scan has a record that names who ordered the load, what they claim of it, and which look it is."""
    bay = looked(2)
    assert bay.heads["head"].progress is not None
    assert [order.source for order in bay.orders()] == [
        "control socket, user root", *(f"control socket, user root; look {n} of 5" for n in (2, 3))]
    assert {order.container for order in bay.orders()} == {"CSQU3054383"}
    assert [order.scan_id for order in bay.orders()] == [1, 2, 3]
    bay.delivered()
    bay.verdict(final=True)
    assert bay.heads["head"].progress is None
    assert bay.lane.series is None
    assert bay.faults() == []


def test_by_default_a_load_is_scanned_once() -> None:
    """A configuration that says nothing of looks behaves as it did, and so does an order of one."""
    for bay, looks in ((Bay(looks_max=1), 0), (Bay(), 1)):
        assert not bay.scans.answer(Ask("start", looks=looks), "root").refused
        assert bay.lane.series is None
        assert ScanTable().looks_max == 1


def test_between_two_scans_of_a_load_nobody_else_gets_the_head() -> None:
    """Neither a person nor the PLC nor the schedule; after the last look all may."""
    bay = Bay()
    bay.scans.begin("head", "x", Claims())
    bay.delivered()
    assert "is scanning" in bay.scans.answer(Ask("start"), "root").refused
    bay.present(1)
    assert len(bay.orders()) == 1
    bay.verdict(final=True)
    assert not bay.scans.answer(Ask("start"), "root").refused


@pytest.mark.parametrize("between", [False, True])
def test_an_object_that_leaves_ends_the_sequence_once_and_nothing_is_clear(between: bool) -> None:  # noqa: FBT001  a parameter of the test
    """During a scan or between two: the record says which look it was, and that the load is not decided."""
    bay = Bay()
    bay.present(1)
    bay.delivered()
    bay.verdict()
    if between:
        bay.delivered()
    for _ in range(20):
        bay.present(0)
    kinds = [kind for kind, _ in bay.faults()]
    assert kinds == ["sequence ended", "scan stopped"]
    assert "look 2 of 5, scan 2: stopped by PLC plc: object is 0; the load is not decided" in bay.faults()[0][1]
    bay.delivered()
    bay.present(1)
    assert len(bay.orders()) == 3, "the next object is another load"
    assert bay.lane.series is not None
    assert bay.lane.series.look == 1


def test_a_plc_that_is_lost_sight_of_lets_no_further_scan_begin() -> None:
    """Nobody can say that the same object still stands there."""
    bay = Bay()
    bay.present(1)
    bay.delivered()
    bay.scans.look("plc", Fault("no answer", "", clock.monotonic_ns()))
    bay.verdict()
    assert len(bay.orders()) == 1
    assert "does not say that the object still stands there" in bay.faults()[0][1]


@pytest.mark.parametrize("kind", ["scan failed", "scan aborted", "schedule refused", "device restarted"])
def test_a_fault_in_the_middle_breaks_the_sequence(kind: str) -> None:
    """What was half scanned cannot be joined, and a head that restarted has another phase."""
    bay = looked()
    bay.scans.look("head", Fault(kind, "scan 2: no luck", clock.monotonic_ns()))
    assert bay.faults() == [
        ("sequence ended", f"look 2 of 5, scan 2: {kind}: scan 2: no luck; the load is not decided")]
    assert bay.lane.series is None


def test_a_line_that_is_lost_for_a_moment_does_not_break_a_scan_that_outlives_it() -> None:
    """The driver says whether the scan was lost; until then it is not."""
    bay = looked()
    bay.scans.look("head", Fault("no answer", "", clock.monotonic_ns()))
    assert bay.lane.series is not None
    bay.delivered()
    bay.verdict()
    assert "does not answer" in bay.faults()[0][1], "but the next one does not begin on a head that is away"


@pytest.mark.parametrize("between", [False, True])
def test_a_stop_ends_all_scans_of_the_load(between: bool) -> None:  # noqa: FBT001  a parameter of the test
    """Whether one runs or the last is being decided, whose verdict then begins nothing."""
    bay = looked()
    series = bay.lane.series
    assert series is not None
    if between:
        bay.delivered()
    assert not bay.scans.answer(Ask("stop"), "root").refused
    assert [kind for kind, _ in bay.faults()] == ["sequence ended", "scan stopped"]
    look = SequenceLook(2, 5, 0.001, 120.0, (bytes(32),), final=False)
    bay.scans.decided("head", Verdict(Outcome.NOT_INSPECTABLE, (), (), series.scan_id, bytes(32), bytes(32), look=look))
    assert len(bay.orders()) == 2
    assert "nothing to stop" in bay.scans.answer(Ask("stop"), "root").refused or not between


def test_a_gateway_that_stops_ends_its_sequences() -> None:
    """It does not know what stands in the bay when it starts again."""
    bay = looked()
    bay.scans.close()
    assert "the gateway stops" in bay.faults()[0][1]


def test_a_verdict_that_never_comes_ends_the_sequence() -> None:
    """The scan was lost in an overload: the head must not wait for ever."""
    bay = looked()
    bay.delivered()
    bay.scans.look("head", Fault("overload", "", clock.monotonic_ns()))
    assert bay.lane.series is not None
    assert bay.lane.series.idle_since is not None
    bay.lane.series.idle_since -= round((VERDICT_S_MAX + 1) * SECOND)
    bay.scans.look("head", Fault("overload", "", clock.monotonic_ns()))
    assert "no verdict within" in bay.faults()[0][1]
    assert bay.lane.series is None


def test_a_disk_that_is_behind_ends_the_sequence_rather_than_scan_without_a_record() -> None:
    """No scan runs that no record names."""
    bay = looked()
    bay.delivered()
    bay.behind = True
    bay.verdict()
    assert bay.lane.series is None
    head = bay.heads["head"]
    head.ask(0)
    assert "scan aborted" in [fault.kind for fault in head.refuse("nobody there", 1) if isinstance(fault, Fault)]


def test_what_was_ended_is_never_clear_even_where_its_last_scan_would_be() -> None:
    """The scan was in when the object left; its verdict comes a moment later."""
    from tests.detection.test_joined import empty

    series = Series("x", Claims(), LoadSequence(detector(), 5), look=1)
    series.ended = "stopped by PLC plc"
    verdict = series.take(empty(1)[0])
    assert verdict.outcome is Outcome.NOT_INSPECTABLE
    assert "stopped by PLC plc" in verdict.reasons[0]
    other = Series("x", Claims(), LoadSequence(detector(), 5), look=1)
    assert other.take(empty(1)[0]).outcome is Outcome.CLEAR

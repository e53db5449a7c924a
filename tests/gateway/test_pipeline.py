"""The rules of the path: what is lost is counted, what has no name is not invented, what is refused says why."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.reading import CalibratedScan, Reading, Trust
from drivers.replay import REPLAYED
from drivers.sample import Channel, Event, Fault, Identity, Sample
from gateway.block import Block
from gateway.claims import Claims
from gateway.clock import ClockState, Now
from gateway.detection.verdict import Anomaly, Outcome, Verdict
from gateway.drafts import Drafter
from gateway.evidence.body import DETAIL_BYTES_MAX, AnomalyBody, FaultBody, ReadingBody
from gateway.evidence.record import Draft, Provenance, decode, encode
from gateway.evidence.writer import JournalBehind
from gateway.lane.anomaly import PassDetector
from gateway.lane_watch import LaneWatch
from gateway.pipeline import QUEUE_EVENTS_MAX, Lane, Pipeline, deliver, explained, named, of_the_bay, overdue

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.evidence.writer import Hashed

NOW = Now(1_000, 2_000, "unsynchronised", None)
DRAFTER = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
LANE_S = 0.3
POLLED = Sample(Identity("Make", "Model", "", ""), "poll", (Channel("value", "temperature", "degC"),), np.zeros((1, 1)),
                None, 0, 500, b"raw")


def lane() -> Lane:
    """Return a lane without certificate and detector."""
    return Lane("oven", Block(1.0), None, None)


class Alarmed(PassDetector):
    """Sees something in every reading, without five minutes of quiet before."""

    def feed(self, reading: Reading) -> Anomaly:
        """Return the same anomaly again."""
        del reading
        return Anomaly(20.0, 10.0, 1e-6, 1e-9, 1.0)


class Journal:
    """Where a test's drafts end up, as payloads that could be signed; the first `behind` of them are turned away."""

    def __init__(self, behind: int = 0) -> None:
        self.behind = behind
        self.bodies: list[object] = []

    def submit(self, draft: Draft, _raw: bytes | Hashed | None) -> Future[int]:
        """Take a draft if it is a record."""
        payload = encode(draft, "bay", len(self.bodies))
        if self.behind:
            self.behind -= 1
            raise JournalBehind("full")
        self.bodies.append(decode(payload).body)
        done: Future[int] = Future()
        done.set_result(len(self.bodies) - 1)
        return done


async def run(journal: Journal, events: list[Event], through: Lane) -> None:
    """Send events through a lane, long after it has nothing more to do."""
    async def inline(work: Callable[..., object], *words: object) -> object:
        return work(*words)

    pipeline = Pipeline(lambda: NOW, DRAFTER, journal.submit, inline, None, believe_clock=False)  # type: ignore[arg-type]  # no scans here
    for event in events:
        deliver(through, event)
    await asyncio.wait([task := asyncio.create_task(pipeline.run(through))], timeout=LANE_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_what_a_full_lane_loses_is_counted_until_it_was_told() -> None:
    """A lane holds a bounded number of events; each one beyond is counted, and asking twice does not forget it."""
    full = lane()
    for _ in range(QUEUE_EVENTS_MAX + 7):
        deliver(full, Fault("silent", "", 0))
    assert full.queue.qsize() == QUEUE_EVENTS_MAX
    for _ in range(2):
        fault = overdue(full, 5)
        assert fault is not None
        assert "7 events lost" in fault.detail
    full.dropped = 0
    assert overdue(full, 5) is None


async def test_a_journal_that_is_behind_delays_and_drops_nothing() -> None:
    """Three refusals of a full queue, and the reading is in, after the fault before it."""
    journal = Journal(behind=3)
    await run(journal, [Fault("no answer", "late", 400), POLLED], lane())
    assert [type(body) for body in journal.bodies] == [FaultBody, ReadingBody]


async def test_large_blocks_of_several_lanes_are_worked_on_in_different_passes_of_the_loop() -> None:
    """Eight magnetometers fill their blocks at the same moment: between any two of them every port is looked at."""
    passes, seen, journal = [0], [], Journal()

    def submit(draft: Draft, raw: bytes | Hashed | None) -> Future[int]:
        seen.append(passes[0])
        return journal.submit(draft, raw)

    async def inline(work: Callable[..., object], *words: object) -> object:
        return work(*words)

    async def count() -> None:
        while True:
            passes[0] += 1
            await asyncio.sleep(0)

    pipeline = Pipeline(lambda: NOW, DRAFTER, submit, inline, None, believe_clock=False)  # type: ignore[arg-type]  # no scans here
    block = replace(POLLED, values=np.zeros((480, 1)), rate_hz=480.0)
    lanes = [lane() for _ in range(8)]
    counting = asyncio.create_task(count())
    await asyncio.gather(*(pipeline.measure(one, block) for one in lanes))
    counting.cancel()
    assert len(set(seen)) == len(seen) == len(lanes)
    assert seen == sorted(seen)


async def test_what_fits_no_record_is_told_as_a_fault() -> None:
    """A device that says too much is not silently lost: the record is about that."""
    journal = Journal()
    talkative = replace(POLLED, device=Identity("x" * 300, "", "", ""))
    await run(journal, [talkative, Fault("noise", "z" * 10_000, 400)], lane())
    first, second = journal.bodies
    assert isinstance(first, FaultBody)
    assert (first.kind, "300 bytes" in first.detail) == ("not recordable", True)
    assert isinstance(second, FaultBody)
    assert len(second.detail.encode()) <= DETAIL_BYTES_MAX


async def test_a_certificate_that_was_refused_is_the_reason_in_every_reading() -> None:
    """Nobody reads that there is no certificate when there is one that cannot be read."""
    journal = Journal()
    refused = lane()
    refused.refusal = "certificate refused: not a TOML file"
    await run(journal, [POLLED], refused)
    reading = journal.bodies[0]
    assert isinstance(reading, ReadingBody)
    assert (reading.calibrated, reading.reason) == (False, refused.refusal)
    good = Trust(calibrated=True, certificate_sha256=bytes(32))
    assert explained(good, "") == good


def test_a_configured_serial_number_is_used_only_where_the_device_tells_none_and_is_flagged() -> None:
    """A number that was typed never passes for one that was read."""
    typed = named(POLLED, "S-1")
    assert (typed.device.serial, typed.flags) == ("S-1", ("serial number from the configuration",))
    own = replace(POLLED, device=replace(POLLED.device, serial="OWN"))
    assert named(own, "S-1") == own
    assert named(POLLED, "") == POLLED


def test_a_scan_without_a_label_can_be_recorded() -> None:
    """Nobody has to name the load; a claim that was not made is not in the record."""
    for label, claimed in (("", None), ("MSKU 123456-7", "MSKU 123456-7")):
        body = decode(encode(DRAFTER.context(NOW, "schedule", 3, Claims(label=label)), "bay", 0)).body
        assert body.event_id == claimed  # type: ignore[union-attr]  # a context


def test_a_replayed_scan_is_neither_alarm_nor_clear() -> None:
    """Whatever the detector found in a recording, nothing is said of the bay, and the reason comes first."""
    found = Verdict(Outcome.ALARM, ("a line",), (), 3, bytes(32), bytes(32))
    live_scan = CalibratedScan(POLLED.device, 3, (), 60.0, 295.0, 0.2, 0, bytes(32), Trust(True, bytes(32)))
    assert of_the_bay(found, live_scan) == found
    replayed = of_the_bay(found, replace(live_scan, flags=(REPLAYED,)))
    assert replayed.outcome is Outcome.NOT_INSPECTABLE
    assert replayed.reasons[0].startswith("a replayed recording")
    assert replayed.reasons[1:] == ("a line",)
    clear = replace(found, outcome=Outcome.CLEAR, reasons=("clear down to 2 kg TNT",))
    assert of_the_bay(clear, replace(live_scan, flags=(REPLAYED,))).reasons[1:] == (
        "what would have been found: 2 kg TNT",)


@pytest.mark.parametrize(("flags", "alerts"), [((), 1), ((REPLAYED,), 0)])
async def test_a_recording_of_a_trolley_is_no_trolley(flags: tuple[str, ...], alerts: int) -> None:
    """What a replayed magnetometer saw is journaled as readings, flagged, and raises no alert."""
    journal, watched = Journal(), lane()
    watched.watch = LaneWatch(Alarmed, 1.0)
    await run(journal, [replace(POLLED, flags=flags), Fault("end of recording", "", 600)], watched)
    assert sum(isinstance(body, ReadingBody) for body in journal.bodies) == 1
    assert sum(isinstance(body, AnomalyBody) for body in journal.bodies) == alerts


@pytest.mark.parametrize(("state", "trusted"), [
    ("synchronised", True), ("holdover", True), ("unsynchronised", False), ("unknown", False),
])
def test_a_certificate_is_judged_by_a_clock_that_somebody_vouches_for(state: ClockState, trusted: bool) -> None:  # noqa: FBT001  # a case
    """An atomic clock counts as much as a time server; where the configuration says so, any clock does."""
    for believed in (False, True):
        pipeline = Pipeline(lambda: NOW, DRAFTER, None, None, None, believe_clock=believed)  # type: ignore[arg-type]  # asked for nothing
        assert pipeline.trusts(Now(1, 2, state, None)) is (trusted or believed)

"""What a restart leaves of the watch: its file, the journal's word where the file is gone, and the operator's."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration.reading import CalibratedBand, CalibratedScan, Trust
from calibration.schedule import schedule
from drivers.sample import Fault, Identity
from gateway.block import Block
from gateway.clock import Now
from gateway.control import Ask
from gateway.detection.drift_state import DriftLevel
from gateway.detection.verdict import Outcome, Verdict
from gateway.drafts import Drafter
from gateway.drift.desk import DriftDesk
from gateway.drift.kept import DIGEST_BYTES, UNSAVED, KeptWatch, StateUnusable, opened, recall, state_file
from gateway.drift.watch import DEGRADED, INHIBITED, LOST, RESET
from gateway.evidence import keys
from gateway.evidence.body import FaultBody, VerdictBody
from gateway.evidence.journal import open_journal
from gateway.evidence.reader import reader_of
from gateway.evidence.record import Draft, Provenance
from gateway.evidence.writer import JournalBehind, Writer
from gateway.pipeline import Lane, Pipeline
from hil.bench.drift_looks import Shift
from tests.drift.healthy import Bay, learnt

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
NOW = Now(1_000, 2_000, "synchronised", None)
DRAFTER = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
HEAD = Identity("a", "b", "c", "d")
CLEAR = Verdict(Outcome.CLEAR, (), (), 1, bytes(32), bytes(32))


def allowed_kg(_name: str) -> float:
    """Allow any limit there is."""
    return 1e6


def journal(path: Path, *faults: tuple[str, str], readings: int = 0) -> None:
    """Write a journal of some records and these faults of the head."""
    made = open_journal(path, "bay-1", keys.generate())
    writer = Writer(made, lambda: 1_000, lambda: 2_000)
    writer.start()
    for _ in range(readings):
        writer.submit(DRAFTER.component_fault(NOW, "clock", "clock unknown", "")).result()
    for kind, detail in faults:
        writer.submit(DRAFTER.instrument_fault(NOW, "head", Fault(kind, detail, 5))).result()
    writer.close()
    made.close()


def recalled(path: Path) -> KeptWatch:
    """Return the watch as a start of the core finds it."""
    with reader_of(path) as reader:
        return recall(state_file(path, "head"), reader, "head", allowed_kg)


def kept(path: Path, bay: Bay, records: int = 0) -> None:
    """Save a bay's watch as the core does, when the journal had so many records."""
    with reader_of(path) as reader:
        KeptWatch(bay.watch, state_file(path, "head"), reader.origin(), allowed_kg).save(records)


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    """The watch that was saved and the one that was not tell the same of the same scans, and save the same."""
    path = tmp_path / "journal.db"
    journal(path)
    bay = learnt()
    bay.calibrant(2)
    bay.scan(3, Shift("", noise_db=1.2))
    kept(path, bay)
    again = recalled(path)
    assert again.watch.state == bay.watch.state
    assert again.told == ""
    other = Bay(1, again.watch)
    other.chance, other.number = np.random.default_rng(9), bay.number
    bay.chance = np.random.default_rng(9)
    shift = Shift("", gain=0.8, channel=1)
    assert other.scan(12, shift) == bay.scan(12, shift)
    one, two = (KeptWatch(x.watch, path, "", allowed_kg).state_at(3) for x in (bay, other))
    assert one == two


def test_a_state_that_cannot_be_written_is_told_and_stops_no_scan(tmp_path: Path) -> None:
    """The file saves learning again; a full disk under it must not end the gateway."""
    journal(tmp_path / "journal.db")
    watch = recalled(tmp_path / "journal.db")
    assert watch.keep(1, 7) == []
    watch.path.with_name(f".{watch.path.name}.new").mkdir()
    (fault,) = watch.keep(2, 7)
    assert (fault.kind, fault.seen_at) == (UNSAVED, 7)


def test_a_fresh_gateway_learns_and_says_nothing(tmp_path: Path) -> None:
    """No file and no past: nothing was lost."""
    journal(tmp_path / "journal.db", readings=3)
    fresh = recalled(tmp_path / "journal.db")
    assert (fresh.told, fresh.watch.state.level) == ("", DriftLevel.LEARNING)


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "empty", "of another journal's length"])
def test_a_lost_state_lifts_no_inhibition_and_says_so(tmp_path: Path, damage: str) -> None:
    """The signed journal says that the head was inhibited, whatever became of the file."""
    path = tmp_path / "journal.db"
    journal(path, (DEGRADED, "pilot gain: -6 %"), (INHIBITED, "pilot gain: -20 %"))
    kept(path, learnt(), 2 if damage != "of another journal's length" else 99)
    file = state_file(path, "head")
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage != "of another journal's length":
        file.write_bytes({"cut": content[:-5], "flipped": content[:60] + b"\xff" + content[61:], "empty": b""}[damage])
    found = recalled(path)
    assert found.watch.state.level is DriftLevel.INHIBITED
    assert found.watch.state.what == ("before the restart: pilot gain: -20 %",)
    assert found.told.startswith("drift-head.state: ")
    assert found.told.endswith("references are learnt anew")
    bay = Bay(1, found.watch)
    bay.scan(50)
    assert bay.watch.state.level is DriftLevel.INHIBITED, "being well is no reason"


def test_losing_the_state_again_and_again_neither_lifts_nor_makes_an_inhibition(tmp_path: Path) -> None:
    """A start that finds no file journals what it took up; the next start finds the same, in the same words."""
    for name, first, level in (("bad", (INHIBITED, "pilot gain: -20 %"), DriftLevel.INHIBITED),
                               ("good", (DEGRADED, "pilot gain: -6 %"), DriftLevel.LEARNING)):
        told, words = [first], set()
        for start in range(3):
            path = tmp_path / name / str(start) / "journal.db"
            path.parent.mkdir(parents=True)
            journal(path, *told)
            found = recalled(path)
            assert found.watch.state.level is level
            words.add(found.watch.state.what)
            told += [(fault.kind, fault.detail) for fault in found.announced(5)]
        assert len(words) == 1
        assert {kind for kind, _ in told[1:]} == ({LOST, INHIBITED} if name == "bad" else {LOST})


def test_what_the_journal_has_beyond_the_file_counts(tmp_path: Path) -> None:
    """A crash between the record and the file: an inhibition holds, and so does an operator's reset."""
    path = tmp_path / "journal.db"
    journal(path, (INHIBITED, "null p-values: 2"))
    kept(path, learnt(), 0)
    assert recalled(path).watch.state.level is DriftLevel.INHIBITED
    kept(path, learnt(), 1)
    assert recalled(path).watch.state.level is DriftLevel.OK
    bad = learnt()
    bad.scan(5, Shift("", gain=0.7))
    other = tmp_path / "other" / "journal.db"
    other.parent.mkdir()
    journal(other, (INHIBITED, "pilot gain: -30 %"), (RESET, "by user root: new cell"))
    kept(other, bad, 1)
    assert recalled(other).watch.state.level is DriftLevel.LEARNING
    state_file(other, "head").unlink()
    assert recalled(other).watch.state.level is DriftLevel.LEARNING


def test_a_past_that_nobody_can_tell_any_more_inhibits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, and with no word of the head in all that is read back, somebody has to look."""
    monkeypatch.setattr("gateway.drift.kept.LOOK_BACK_RECORDS", 5)
    path = tmp_path / "journal.db"
    journal(path, (INHIBITED, "pilot gain: -20 %"), readings=0)
    assert recalled(path).watch.state.what == ("before the restart: pilot gain: -20 %",)
    long = tmp_path / "long" / "journal.db"
    long.parent.mkdir()
    journal(long, readings=9)
    found = recalled(long)
    assert found.watch.state.level is DriftLevel.INHIBITED
    assert found.watch.state.what == ("nobody knows whether the head was inhibited before",)


@cache
def a_state() -> bytes:
    """Return the file of a head that is known and well."""
    return KeptWatch(learnt().watch, Path("drift-head.state"), "o", allowed_kg).state_at(4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.integers(0, 20_000))
def test_no_bytes_in_the_file_are_believed_or_raise_another_error(tmp_path: Path, damage: bytes | int) -> None:
    """Noise, or the file with any one byte changed, is unusable, and nothing else happens."""
    path = tmp_path / "drift-head.state"
    content = bytearray(a_state())
    if isinstance(damage, int):
        content[damage % len(content)] ^= 0x55
    path.write_bytes(damage if isinstance(damage, bytes) else bytes(content))
    with pytest.raises(StateUnusable):
        opened(path, "o", 9)


def test_a_file_of_another_shape_is_unusable_though_its_digest_is_right(tmp_path: Path) -> None:
    """What another version wrote is not taken apart."""
    import hashlib

    path = tmp_path / "drift-head.state"
    for content in (b"\x81\xa6schema\x01", b"\xc0", b""):
        path.write_bytes(hashlib.sha256(content).digest() + content)
        with pytest.raises(StateUnusable, match="not a state of this version"):
            opened(path, "o", 9)
    assert DIGEST_BYTES == 32


def test_a_quantity_without_bounds_makes_the_file_unusable(tmp_path: Path) -> None:
    """A well-sealed file that charts what has no bounds must not stop the start."""
    import hashlib

    kept = KeptWatch(learnt().watch, tmp_path / "drift-head.state", "o", lambda _: 8.0)
    content = kept.state_at(9)[DIGEST_BYTES:]
    known = msgspec.msgpack.encode("noise density")
    assert known in content
    other = content.replace(known, msgspec.msgpack.encode("energy score"))
    kept.path.write_bytes(hashlib.sha256(other).digest() + other)
    with pytest.raises(StateUnusable, match=r"quantity = 'energy score': must be one of"):
        opened(kept.path, "o", 9)


class Records:
    """What a pipeline or a desk journals, as bodies."""

    def __init__(self) -> None:
        self.bodies: list[object] = []
        self.behind = False

    def submit(self, draft: Draft, raw: object) -> Future[int]:
        """Keep what would be signed."""
        assert raw is None
        if self.behind:
            raise JournalBehind("full")
        self.bodies.append(draft.body)
        done: Future[int] = Future()
        done.set_result(len(self.bodies) - 1)
        return done


def scan(number: int, gain: float, chance: np.random.Generator) -> CalibratedScan:
    """Return a scan of noise by a head with this gain."""
    bands = []
    for plan in schedule(60.0)[:3]:
        noise = chance.standard_normal((8, 8, 256)) + 1j * chance.standard_normal((8, 8, 256))
        pilot = (gain * (1.0 + 0.01 * chance.standard_normal(8))).astype(np.complex64)
        bands.append(CalibratedBand(plan, (gain * noise).astype(np.complex64), -9000.0, pilot, 0.02, 0.01))
    return CalibratedScan(HEAD, number, tuple(bands), 60.0, 295.0, 0.2, 1, bytes(32),
                          Trust(calibrated=True, certificate_sha256=bytes(32)))


async def watched(pipeline: Pipeline, lane: Lane, gains: list[float]) -> list[Verdict]:
    """Send scans through the pipeline's own step and return the verdicts it leaves."""
    chance = np.random.default_rng(3)
    return [await pipeline.watched(lane, scan(number, gain, chance), CLEAR) for number, gain in enumerate(gains)]


def a_lane(path: Path) -> Lane:
    """Return the lane of a head that is watched."""
    lane = Lane("head", Block(1.0), None, None, scans=True)
    journal(path)
    lane.drift = recalled(path)
    return lane


def test_the_pipeline_journals_a_drift_before_the_verdict_that_it_bears_on(tmp_path: Path) -> None:
    """A head that loses a third of its gain: degraded or inhibited first, then no clear, and the verdicts say so."""
    async def inline(work: Callable[..., Result], *words: object) -> Result:
        return work(*words)

    records, lane = Records(), a_lane(tmp_path / "journal.db")
    pipeline = Pipeline(lambda: NOW, DRAFTER, records.submit, inline, lambda _scan: CLEAR, believe_clock=True)
    verdicts = asyncio.run(watched(pipeline, lane, [1.0] * 4 + [0.65] * 4))
    assert [one.outcome for one in verdicts[:4]] == [Outcome.CLEAR] * 4
    assert verdicts[-1].outcome is Outcome.NOT_INSPECTABLE
    assert verdicts[-1].drift is not None
    assert verdicts[-1].drift.level is DriftLevel.INHIBITED
    kinds = [body.kind for body in records.bodies if isinstance(body, FaultBody)]
    assert kinds == [INHIBITED]
    assert lane.last_fault is not None
    assert lane.faults == 1
    unwatched = Lane("head", Block(1.0), None, None, scans=True)
    assert asyncio.run(watched(pipeline, unwatched, [0.1])) == [CLEAR]


def test_a_reset_is_journaled_with_who_and_why_and_done_only_then(tmp_path: Path) -> None:
    """Without a reason, for no head, or with a journal that is behind, nothing is lifted."""
    records, lane = Records(), a_lane(tmp_path / "journal.db")
    assert lane.drift is not None
    lane.drift.watch.lost = "before the restart: pilot gain: -20 %"
    lane.drift.watch.settle()
    desk = DriftDesk({"head": lane, "oven": Lane("oven", Block(1.0), None, None)}, DRAFTER, records.submit, lambda: NOW)
    assert desk.reset(Ask("reset", "head"), "ann").refused == "why = '': must say why the head may be taken as it is"
    assert "must be one of: head" in desk.reset(Ask("reset", "oven", because="x"), "ann").refused
    records.behind = True
    assert "does not keep up" in desk.reset(Ask("reset", because="new cell"), "ann").refused
    assert lane.drift.watch.state.level is DriftLevel.INHIBITED
    records.behind = False
    assert desk.reset(Ask("reset", because="new cell"), "ann").refused == ""
    body = records.bodies[0]
    assert isinstance(body, FaultBody)
    assert (body.kind, body.name) == (RESET, "head")
    assert body.detail.startswith("by user ann: new cell; before: inhibited: before the restart: pilot gain: -20 %")
    lane.drift.watch.settle()
    assert (lane.drift.watch.state.level, lane.drift.watch.lost) == (DriftLevel.LEARNING, "")


def test_a_verdict_of_an_inhibited_head_is_enough_to_know(tmp_path: Path) -> None:
    """Where the fault itself was pruned, the newest verdict still says how the head was."""
    path = tmp_path / "journal.db"
    made = open_journal(path, "bay-1", keys.generate())
    writer = Writer(made, lambda: 1_000, lambda: 2_000)
    writer.start()
    state = replace(learnt().watch.state, level=DriftLevel.INHIBITED, what=("pilot gain: -20 %",))
    body = VerdictBody("head", replace(CLEAR, outcome=Outcome.NOT_INSPECTABLE, reasons=("x",), drift=state))
    writer.submit(DRAFTER.draft(NOW, body)).result()
    writer.close()
    made.close()
    assert recalled(path).watch.state.what == ("before the restart: pilot gain: -20 %",)
    assert LOST == "drift state lost"

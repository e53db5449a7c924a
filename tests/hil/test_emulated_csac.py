"""The emulated clock answers as the guide's transcript, and the driver reads it through its scenes."""

from __future__ import annotations

import pytest

from drivers.csac import CsacDriver, clock_report
from drivers.driver import DriverOptions
from hil.instruments.csac import GONE_S, HEADER, REFERENCE_S, SCENES, SERIAL, Csac
from tests.drivers.conversation import SECOND, Conversation, faults, samples, value


def talk(scene: str, start: int = 0) -> Conversation:
    """Return a driver and a clock on a line that has just been opened."""
    talking = Conversation(CsacDriver(DriverOptions()), Csac(0, scene=scene), now=start)
    talking.driver.opened(start)
    return talking


@pytest.mark.parametrize(("sent", "answer"), [
    (b"!6\r\n", HEADER.encode() + b"\r\n"), (b"6", HEADER.encode() + b"\r\n"),
    (b"!TA1221578499\r\n", b"TimeOfDay = 1221578499\r\n"), (b"!D80\r\n", b"80\r\n"), (b"!DC150\r\n", b"150\r\n"),
    (b"!DCL\r\n", b"Phase comp latched\r\n"), (b"!U3300,300\r\n", b"3300,300\r\n"), (b"!X\r\n", b"?\r\n"),
    (b"!garb\x1b!D?\r\n", b"30\r\n"), (b"x\r\n", b""),
])
def test_the_guide_s_examples_are_answered_as_it_prints_them(sent: bytes, answer: bytes) -> None:
    """Pages 20 to 28, whole and byte by byte."""
    assert Csac(0).feed(sent, 0) == answer
    clock = Csac(0)
    assert b"".join(clock.feed(sent[i:i + 1], 0) for i in range(len(sent))) == answer


def test_a_shift_of_the_time_of_day_is_answered_as_the_guide_prints_it() -> None:
    """Set, and three seconds later moved back by an hour: 1221574902."""
    clock = Csac(0)
    clock.feed(b"!TA1221578499\r\n", 0)
    assert clock.feed(b"!TD-3600\r\n", 3 * SECOND) == b"TimeOfDay = 1221574902\r\n"


def test_the_guide_s_checksum_transcript_is_answered() -> None:
    """Checksums on: analogue tuning is 0x0041*4D; a wrong one is *; and Mc takes them away."""
    clock = Csac(0, scene="checksum")
    assert clock.feed(b"!MA*0C\r\n", 0) == b"0x0041*4D\r\n"
    assert clock.feed(b"!MA\r\n!MA*0D\r\n6", 0) == b"*\r\n*\r\n"
    assert clock.feed(b"!Ma*2C\r\n", 0) == b"0x0040*4C\r\n"
    assert clock.feed(b"!Mc*2E\r\n", 0) == b"0x0000\r\n"


def test_discipline_measurement_and_auto_sync_exclude_each_other() -> None:
    """The last that is set stands."""
    clock = Csac(0, scene="free")
    assert clock.feed(b"!MD\r\n!MS\r\n!MM\r\n!MA\r\n", 0) == b"0x0010\r\n0x0008\r\n0x0004\r\n0x0005\r\n"


def test_the_time_of_day_is_answered_within_20_ms_of_the_next_1pps() -> None:
    """Not before the edge; and then with the second that began there."""
    clock = Csac(0)
    assert clock.feed(b"!T?\r\n", SECOND // 4) == b""
    assert clock.poll(SECOND) == b""
    assert clock.poll(SECOND + 20_000_000) == b"1221578500\r\n"


def test_a_sync_without_a_reference_fails_after_three_seconds() -> None:
    """S with one, E without."""
    there, gone = Csac(0), Csac(0, scene="free")
    there.feed(b"!S\r\n", 0)
    gone.feed(b"!S\r\n", 0)
    assert (there.poll(SECOND), gone.poll(SECOND), gone.poll(3 * SECOND)) == (b"S\r\n", b"", b"E\r\n")


def test_it_says_openly_that_it_is_emulated() -> None:
    """Serial number and version."""
    assert "EMUL" in SERIAL
    assert b"1.09-EMULATED" in Csac(0).feed(b"^", 0)


@pytest.mark.parametrize("scene", SCENES)
def test_every_line_of_telemetry_fits_the_guide_s_135_characters(scene: str) -> None:
    """And has seventeen fields."""
    clock = Csac(0, scene=scene)
    for second in range(0, 200, 5):
        told = clock.feed(b"!^*5E\r\n" if scene == "checksum" else b"^", second * SECOND).decode()
        assert (len(told) <= 135 + 5, told.count(",")) == (True, 16)


@pytest.mark.parametrize(("scene", "locked", "disciplined"), [
    ("disciplined", True, True), ("holdover", True, True), ("free", True, False), ("warm-up", False, False),
    ("checksum", True, False), ("alarm", True, True),
])
def test_the_driver_reads_every_scene_once_a_second(scene: str, *, locked: bool, disciplined: bool) -> None:
    """One sample a poll at the 1PPS, and nothing to complain of but the refusal that tells of the checksums."""
    talking = talk(scene, SECOND // 3)
    events = talking.run(10)
    assert faults(events) == (["refused"] if scene == "checksum" else [])
    found = samples(events)
    assert len(found) in {9, 10}
    reports = [clock_report(sample) for sample in found]
    assert {(report.locked, report.disciplined) for report in reports if report} == {(locked, disciplined)}
    assert [value(sample, "time_of_day_at_pps") for sample in found] == [
        value(found[0], "time_of_day_at_pps") + second for second in range(len(found))]
    assert all(report and report.tod_at and report.tod_at % SECOND <= 25_000_000 for report in reports)
    assert ("alarm: contrast low" in found[0].flags) == (scene == "alarm")


def test_holdover_is_seen_while_the_reference_is_gone() -> None:
    """It goes after 20 s and is back 40 s later."""
    reports = [clock_report(sample) for sample in samples(talk("holdover").run(65))]
    held = [place for place, report in enumerate(reports) if report and report.holdover]
    assert held == list(range(held[0], held[0] + len(held)))
    assert abs(held[0] - REFERENCE_S) <= 2
    assert abs(len(held) - GONE_S) <= 1
    assert reports[-1] is not None
    assert reports[-1].disciplined


def test_a_poll_never_writes() -> None:
    """Over half a minute of every scene only the three questions go out: no mode, no time of day, no steering."""
    for scene in SCENES:
        talking = talk(scene)
        talking.run(30)
        sent = {text for _, way, text in talking.lines if way == ">"}
        assert sent <= {b"!6\r\n", b"!T?\r\n", b"!^\r\n", b"!6*36\r\n", b"!T?*6B\r\n", b"!^*5E\r\n"}


def test_answers_that_are_late_by_half_a_second_are_given_up_and_never_mixed_up() -> None:
    """Telemetry comes too late for its question each time: no sample, a folded complaint, no wrong number."""
    talking = Conversation(CsacDriver(DriverOptions()), Csac(0), delay_ns=SECOND // 2)
    events = talking.run(20)
    assert samples(events) == []
    assert set(faults(events)) == {"no answer"}
    assert len(faults(events)) <= 2
    talking.delay_ns = 0
    assert len(samples(talking.run(10))) >= 8

"""The atomic clock's driver reads what the guide prints, and says what the clock says against itself."""

from __future__ import annotations

import random

import pytest

from drivers import csac_telemetry as telemetry
from drivers.csac import INSTRUMENT, ClockReport, CsacDriver, clock_report
from drivers.driver import DriverOptions, SettingRefused
from drivers.sample import Channel, Event, Identity, Sample
from tests.drivers.conversation import faults, samples, value

MS = 1_000_000
SECOND = 1000 * MS

# Printed in the guide, revision D, pages 20 (header and the beginning of the telemetry), 21 and 27.
HEADER = b"Status,Alarm,SN,Mode,Contrast,LaserI,TCXO,HeatP,Sig,Temp,Steer,ATune,Phase,DiscOK,TOD,LTime,Ver\r\n"
PRINTED = b"0,0x0000,1209CS00909,0x0010,4381,0.86,1.573,17.62,0.99"
TOD = b"1221578499\r\n"

# What the guide prints goes on with these, written by its table 6: the example is not legible further.
GOOD = PRINTED + b"6,28.26,-24,---,-1,1,1221578499,86475,1.09\r\n"


def line(**changed: str) -> bytes:
    """Return the telemetry line with some fields changed."""
    fields = dict(zip(telemetry.HEADER, GOOD.decode().strip().split(","), strict=True)) | changed
    return ",".join(fields.values()).encode() + b"\r\n"


def driver(**settings: str | bool) -> CsacDriver:
    """Return a driver on a line that has just been opened and is quiet."""
    made = CsacDriver(DriverOptions(settings=settings))
    made.opened(0)
    return made


def poll(made: CsacDriver, now: int, *answers: bytes) -> tuple[list[bytes], list[Event]]:
    """Run one poll from `now`, one answer to a question, 10 ms later; return the questions and the events."""
    asked, events = [], []
    for answer in answers:
        asked.append(made.ask(now))
        now += 10 * MS
        events += made.feed(answer, now)
    return asked, events


def read(made: CsacDriver, telemetry_line: bytes, now: int = 2 * SECOND) -> Sample:
    """Return the sample of one poll of a clock that tells its time of day."""
    (sample,) = samples(poll(made, now, telemetry_line, TOD)[1])
    return sample


def known(**settings: str | bool) -> CsacDriver:
    """Return a driver that has the header and has read once; its next poll is due at one second."""
    made = driver(**settings)
    made.ask(0)
    answers = (HEADER, GOOD) if settings.get("tod") is False else (HEADER, GOOD, TOD)
    assert len(samples(poll(made, 60 * MS, *answers)[1])) == 1
    return made


@pytest.mark.parametrize(("text", "digits"), [
    ("MA", "0C"), ("0x0041", "4D"), ("Mc", "2E"),   # the guide's transcript of the checksum mode
    ("^", "5E"), ("6", "36"),                       # computed
])
def test_the_guide_s_checksums_are_ours(text: str, digits: str) -> None:
    """Golden words of the guide: the XOR of the characters between ! and *, two hex digits."""
    assert telemetry.checksum(text) == digits
    assert telemetry.unsummed(f"{text}*{digits}") == (text, True)
    assert telemetry.unsummed(f"{text}*00") == (f"{text}*00", False)


def test_a_poll_asks_header_once_then_telemetry_then_the_time_of_day_at_the_1pps() -> None:
    """The sample has every number in its unit, the identity, and both lines as they came."""
    made = driver()
    assert made.ask(0) == b""       # the line is to be quiet after it was opened
    asked, events = poll(made, 60 * MS, HEADER, GOOD, TOD)
    assert asked == [b"!6\r\n", b"!^\r\n", b"!T?\r\n"]
    (sample,) = samples(events)
    assert sample.device == Identity("Microchip", "SA.45s", "1209CS00909", "1.09")
    assert {c.name: (v, c.unit) for c, v in zip(sample.channels, sample.values[0].tolist(), strict=True)} == {
        "status": (0, "1"), "mode": (16, "1"), "contrast": (4381, "1"), "laser_current": (0.86, "mA"),
        "tcxo_tuning": (1.573, "V"), "heater_power": (17.62, "mW"), "signal": (0.996, "V"),
        "temperature": (28.26, "degC"), "steering": (-24, "1e-12"), "phase": (-1, "ns"), "discipline": (1, "1"),
        "time_of_day": (1221578499, "s"), "since_lock": (86475, "s"), "time_of_day_at_pps": (1221578499, "s")}
    assert (sample.raw, sample.rate_hz, sample.first_row, sample.flags) == (GOOD + TOD, None, 0, ())
    assert sample.seen_at == 90 * MS
    assert poll(made, SECOND + 60 * MS, GOOD, TOD)[0] == [b"!^\r\n", b"!T?\r\n"]


def test_the_clock_report_needs_no_knowledge_of_the_protocol() -> None:
    """Locked and disciplined, with the time of day and when it came."""
    sample = read(known(), GOOD)
    assert clock_report(sample) == ClockReport(
        locked=True, disciplined=True, holdover=False, phase_ns=-1.0, tod_s=1221578499,
        tod_at=2 * SECOND + 20 * MS, alarms=())


def test_a_sample_of_another_instrument_makes_no_clock_report() -> None:
    """Neither another stream nor one without a status."""
    sample = read(known(), GOOD)
    other = Sample(sample.device, "oven", sample.channels, sample.values, None, 0, 0, b"")
    assert clock_report(other) is None
    bare = Sample(sample.device, "clock", (Channel("x", "time", "s"),), sample.values[:, :1], None, 0, 0, b"")
    assert clock_report(bare) is None


@pytest.mark.parametrize(("disc_ok", "disciplined", "holdover", "flags"), [
    ("0", False, False, ("discipline acquiring",)), ("1", True, False, ()), ("2", False, True, ("holdover",)),
])
def test_the_state_of_discipline_is_told(
    disc_ok: str, flags: tuple[str, ...], *, disciplined: bool, holdover: bool,
) -> None:
    """Acquiring, disciplined, holdover; only the second has nothing to say against itself."""
    sample = read(known(), line(DiscOK=disc_ok))
    report = clock_report(sample)
    assert report is not None
    assert (report.disciplined, report.holdover, sample.flags) == (disciplined, holdover, flags)


def test_a_reference_that_is_gone_leaves_no_phase() -> None:
    """NEEDREFPPS is no number; the flag says so."""
    sample = read(known(), line(Phase="NEEDREFPPS", DiscOK="2"))
    report = clock_report(sample)
    assert report is not None
    assert (report.phase_ns, sample.flags) == (None, ("holdover", "reference 1PPS missing"))


@pytest.mark.parametrize(("bits", "words"), [
    ("0x0001", ("contrast low",)), ("0x4002", ("synthesiser tuning limit", "stack")),
    ("0x3C00", ("TCXO low", "TCXO high", "laser current low", "laser current high")),
    ("0x0004", ("temperature bridge",)), ("0x0010", ("light low",)), ("0x0020", ("light high",)),
    ("0x0040", ("heater low",)), ("0x0080", ("heater high",)), ("0x0100", ("microwave power low",)),
    ("0x0200", ("microwave power high",)), ("0x0400", ("TCXO low",)), ("0x1000", ("laser current low",)),
    ("0x8008", ("bit 0x0008", "bit 0x8000")),
])
def test_alarms_are_told_in_words(bits: str, words: tuple[str, ...]) -> None:
    """Every bit of table 7, and a bit that it does not list by its number."""
    sample = read(known(), line(Alarm=bits))
    assert sample.flags == tuple(f"alarm: {word}" for word in words)
    report = clock_report(sample)
    assert report is not None
    assert report.alarms == words


def test_a_clock_that_warms_up_is_not_locked_and_says_what_it_does() -> None:
    """The status is a number and a flag; what it cannot measure yet is left out."""
    sample = read(known(), line(Status="7", Phase="---", DiscOK="0"))
    assert sample.flags == ("not locked: heater equilibration", "discipline acquiring")
    report = clock_report(sample)
    assert report is not None
    assert (report.locked, report.disciplined, report.phase_ns) == (False, False, None)


def test_a_clock_that_nobody_disciplines_reports_no_discipline() -> None:
    """Mode bit 0x0010 off: DiscOK says nothing then."""
    sample = read(known(), line(Mode="0x0001", ATune="1.234", Phase="---", DiscOK="0"))
    assert value(sample, "analogue_tuning") == 1.234
    assert "discipline" not in {channel.name for channel in sample.channels}
    report = clock_report(sample)
    assert report is not None
    assert (report.disciplined, report.holdover, sample.flags) == (False, False, ())


def test_a_clock_in_checksum_mode_is_found_out_and_its_checksums_are_proved() -> None:
    """The first refusal (*) turns checksums on; a wrong one is a fault and no sample."""
    made = driver()
    made.ask(0)
    _, events = poll(made, 60 * MS, b"*\r\n")
    assert faults(events) == ["refused"]
    summed = [f"{text}*{telemetry.checksum(text)}\r\n".encode()
              for text in (HEADER.decode().strip(), GOOD.decode().strip(), TOD.decode().strip())]
    asked, events = poll(made, 2 * SECOND, *summed)
    assert asked == [b"!6*36\r\n", b"!^*5E\r\n", b"!T?*6B\r\n"]
    assert faults(events) == []
    assert samples(events)[0].raw == summed[1] + summed[2]
    _, events = poll(made, 3 * SECOND, summed[1].replace(b"4381", b"4382"), summed[2])
    assert (faults(events), samples(events)) == (["bad checksum"], [])


def test_a_checksum_that_was_taken_up_by_mistake_is_given_up_when_nothing_answers() -> None:
    """A star in noise turned it on; the clock does not answer to it, so after three the next goes without."""
    made = known(tod=False)
    assert made.ask(SECOND) == b"!^\r\n"
    made.feed(b"*\r\n", SECOND)
    asked = [text for turn in range(2000, 6000, 25) if (text := made.ask(turn * MS))]
    assert asked == [b"!^*5E\r\n"] * 3 + [b"!^\r\n"]


def test_the_checksum_can_be_fixed_by_a_setting() -> None:
    """On from the first question; off even when refused."""
    on, off = driver(checksum="on"), driver(checksum="off")
    for made, text in ((on, b"!6*36\r\n"), (off, b"!6\r\n")):
        made.ask(0)
        assert made.ask(60 * MS) == text
        made.feed(b"*\r\n", 61 * MS)
        assert made.ask(2 * SECOND) == text
    with pytest.raises(SettingRefused, match=r"settings\.checksum = 'maybe'"):
        driver(checksum="maybe")
    assert set(INSTRUMENT.settings) == {"checksum", "tod"}


def test_a_time_of_day_that_does_not_come_costs_only_itself() -> None:
    """After 1.5 s the telemetry goes out without it, seen when it came; the flag says so, the complaint is told."""
    made = known()
    poll(made, SECOND, line(TOD="77"))
    assert made.ask(SECOND + 10 * MS) == b"!T?\r\n"
    assert made.ask(2510 * MS) == b""
    assert made.feed(b"", 2510 * MS) == []
    made.ask(2511 * MS)
    events = made.feed(b"", 2511 * MS)
    assert faults(events) == ["no answer"]
    (sample,) = samples(events)
    assert (sample.flags, sample.seen_at) == (("time of day not at the 1PPS",), SECOND + 10 * MS)
    report = clock_report(sample)
    assert report is not None
    assert (report.tod_s, report.tod_at) == (77, None)


@pytest.mark.parametrize(("before", "tod", "taken"), [
    ("1000", b"999", False), ("1000", b"1000", True), ("1000", b"1002", True), ("1000", b"1003", False),
    ("4294967295", b"0", True), ("4294967295", b"4294967296", False),
])
def test_a_time_of_day_from_an_earlier_question_is_not_believed(before: str, tod: bytes, *, taken: bool) -> None:
    """It must follow the telemetry before it by two seconds at most, over the end of the 32 bits too."""
    events = poll(known(), SECOND, line(TOD=before), tod + b"\r\n")[1]
    assert [value(sample, "time_of_day_at_pps") for sample in samples(events)] == [int(tod)] * taken
    assert faults(events) == []


def test_a_clock_that_does_not_tell_the_time_of_day_is_read_without_it() -> None:
    """It refuses the question: the sample goes out at once, and the refusal is said."""
    _, events = poll(known(), SECOND, GOOD, b"?\r\n")
    assert faults(events) == ["refused"]
    assert samples(events)[0].flags == ("time of day not at the 1PPS",)


def test_a_clock_that_is_silent_is_asked_once_a_poll_and_complained_of() -> None:
    """No telemetry: the time of day is not asked for, and nothing is said of the poll but the complaint."""
    made = known()
    asked = [text for turn in range(1000, 4000, 25) if (text := made.ask(turn * MS))]
    assert asked == [b"!^\r\n"] * 3
    assert faults(made.feed(b"", 4 * SECOND)) == ["no answer"]


def test_without_the_1pps_one_question_a_poll_is_enough() -> None:
    """The setting `tod` false takes the time of day from telemetry."""
    made = known(tod=False)
    asked, events = poll(made, SECOND, GOOD)
    assert asked == [b"!^\r\n"]
    assert value(samples(events)[0], "time_of_day") == 1221578499
    assert samples(events)[0].flags == ()


def test_a_late_answer_is_never_taken_for_another_question_s() -> None:
    """A header and a time of day that come while telemetry is awaited are thrown away, and so is what nobody asked."""
    made = known(tod=False)
    made.ask(SECOND)
    assert made.feed(TOD + HEADER + TOD, SECOND + MS) == []
    (sample,) = samples(made.feed(GOOD, SECOND + 2 * MS))
    assert value(sample, "time_of_day") == 1221578499
    assert made.feed(GOOD, SECOND + 3 * MS) == []
    assert samples(poll(made, 2 * SECOND, GOOD)[1])[0].first_row == sample.first_row + 1


def test_a_header_of_another_firmware_is_believed_and_one_that_is_refused_is_not_needed() -> None:
    """Fields are read by name; a device that does not know the question is read by the guide's header."""
    made = driver(tod=False)
    _, events = poll(made, 60 * MS, b"Status,Alarm,SN,Mode,New,HeatP\r\n", b"0,0x0000,1209CS00909,0x0000,x,9.50\r\n")
    assert [c.name for c in samples(events)[0].channels] == ["status", "mode", "heater_power"]
    old = driver(tod=False)
    old.ask(0)
    asked, events = poll(old, 60 * MS, b"?\r\n", GOOD)
    assert (asked, faults(events), len(samples(events))) == ([b"!6\r\n", b"!^\r\n"], ["refused"], 1)
    assert poll(old, 2 * SECOND, GOOD)[0] == [b"!^\r\n"]


@pytest.mark.parametrize("changed", [
    {"Status": "11"}, {"Status": "-"}, {"Alarm": "0000"}, {"Mode": "0x10"}, {"SN": ""}, {"HeatP": "nan"},
    {"HeatP": "1e3"}, {"TOD": "12345678901"}, {"Ver": "1.09,2"}, {"Phase": "ABC"},
])
def test_a_doubtful_field_makes_no_sample(changed: dict[str, str]) -> None:
    """Each field has its form; what does not keep it is said and the poll is void."""
    _, events = poll(known(), SECOND, line(**changed), TOD)
    assert (faults(events), samples(events)) == (["bad packet"], [])


def test_every_cut_gives_the_same_sample() -> None:
    """The answer in two pieces, cut anywhere."""
    for cut in range(len(GOOD) + 1):
        made = known(tod=False)
        made.ask(SECOND)
        (sample,) = samples([*made.feed(GOOD[:cut], SECOND), *made.feed(GOOD[cut:], SECOND)])
        assert sample.raw == GOOD


def test_noise_gives_no_sample_and_the_next_answer_is_read() -> None:
    """200 kB of seeded noise, in the middle of a poll and outside of it."""
    made, noise = known(tod=False), random.Random(8)
    now = SECOND
    for _ in range(200):
        now += 20 * MS
        made.ask(now)
        assert samples(made.feed(noise.randbytes(1000), now)) == []
    made.feed(b"\r\n", now)
    turns = range(now, now + 2 * SECOND, 25 * MS)
    asked_at = next(turn for turn in turns if made.ask(turn) == b"!^\r\n")
    assert len(samples(made.feed(GOOD, asked_at + 10 * MS))) == 1

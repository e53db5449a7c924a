"""The Geometrics driver reads what the manuals print, in every format, and believes no line that is not whole."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from drivers.driver import DriverOptions, SettingRefused
from drivers.geometrics import INSTRUMENT, OUT_OF_RANGE, WEAK, Geometrics
from drivers.sample import Channel, Event, Fault, Sample

NS = 1_000_000_000
TENTH = NS // 10

# The printout of the G-882 manual, page 38, and the frames of page 47 (packed BCD) with the same data in ASCII.
PRINTOUT = """\
$ 49895.131,1249
$ 49895.376,1287
$ 49995.517,1245
$ 49995.293,1272
$ 49995.835,1229
$ 49995.071,1281
$ 49995.159,1298
$ 49995.508,1214
$ 49995.216,1245
$ 49995.347,1297
"""
FIRST = bytes.fromhex("24 20 34 39 38 39 35 2e 31 33 31 2c 31 32 34 39 0d 0a")
HIGH = bytes.fromhex("24 31 30 34 33 32 31 2e 35 30 30 2c 31 32 35 30 0d 0a")
ASCII = bytes.fromhex("24 20 35 34 33 36 39 2E 31 32 37 2C 31 32 33 34 2C 35 36 37 38 2C 30 30 30 30 0D 0A")
PACKED = bytes.fromhex("24 54 36 91 27 12 34 56 78 00 00 2A")
EXCESS = bytes.fromhex("24 87 69 c4 5a 45 67 89 ab 33 33 2a")

FIELD = Channel("field", "magnetic flux density", "nT")


def driver(**settings: Any) -> Geometrics:
    """Return a driver of an opened line."""
    made = Geometrics(DriverOptions(settings=settings))
    made.opened(0)
    return made


def feed_all(to: Geometrics, chunks: list[bytes]) -> list[Event]:
    """Return all events of the chunks."""
    return [event for chunk in chunks for event in to.feed(chunk, 7)]


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples among the events."""
    return [event for event in events if isinstance(event, Sample)]


def kinds(events: list[Event]) -> list[str]:
    """Return the kinds of the faults among the events."""
    return [event.kind for event in events if isinstance(event, Fault)]


def summary(events: list[Event]) -> list[object]:
    """Events as values that compare: arrays do not."""
    return [(e.device, e.stream, e.channels, e.values.tobytes(), e.rate_hz, e.first_row, e.raw, e.flags)
            if isinstance(e, Sample) else e for e in events]


def wire(text: str) -> bytes:
    """Return lines as they travel."""
    return text.replace("\n", "\r\n").encode()


def test_the_manual_s_first_line_is_read_byte_for_byte() -> None:
    """49895.131 nT, a Larmor level of 1249 of 9999 for 5 V, at 10 Hz, unflagged."""
    (event,) = driver().feed(FIRST, 42)
    assert isinstance(event, Sample)
    assert event.values.tolist() == [[49895.131, pytest.approx(1249 * 5 / 9999)]]
    assert event.channels == (FIELD, Channel("analog_0", "voltage", "V"))
    assert (event.rate_hz, event.first_row, event.seen_at, event.raw, event.flags) == (10.0, 0, 42, FIRST, ())
    assert (event.device.make, event.device.serial) == ("Geometrics", "")


def test_the_manual_s_printout_gives_ten_readings_in_a_row() -> None:
    """Each line is one row, numbered without a gap."""
    found = samples(driver().feed(wire(PRINTOUT), 0))
    assert [s.values[0, 0] for s in found] == [float(line[1:].split(",")[0]) for line in PRINTOUT.splitlines()]
    assert [s.first_row for s in found] == list(range(10))


@pytest.mark.parametrize("frame", [ASCII, PACKED, EXCESS], ids=["ascii", "packed BCD", "excess-3"])
@pytest.mark.parametrize("told", [True, False])
def test_the_manual_s_frame_says_the_same_in_every_format(frame: bytes, told: bool) -> None:  # noqa: FBT001  # a case
    """54369.127 nT and three channels, whether format and layout were configured or found out."""
    form = {ASCII: "ascii", PACKED: "packed-bcd", EXCESS: "excess-3"}[frame]
    to = driver(format=form, analog="3") if told else driver()
    if not told and frame != ASCII:
        assert to.feed(frame, 0) == [], "one frame alone may be noise"
    (event,) = to.feed(frame, 0)
    assert isinstance(event, Sample)
    volts = [n * 5 / 9999 for n in (1234, 5678, 0)]
    assert event.values.tolist() == [[54369.127, *map(pytest.approx, volts)]]
    assert event.raw == frame


def test_a_field_above_the_range_keeps_its_number_and_is_flagged_and_one_without_signal_is_no_number() -> None:
    """104321.5 nT is printed with a 1 and flagged; 0 nT is no caesium signal's: NaN, a flag and one fault."""
    (fault, high) = driver().feed(HIGH, 0)
    assert isinstance(high, Sample)
    assert (high.values[0, 0], high.flags) == (104321.5, (OUT_OF_RANGE,))
    assert fault == Fault("signal lost", "counter 00 reads 104321.500 nT: outside 20000 to 100000", 0)
    to = driver()
    events = [*to.feed(b"$ 00000.000,0012\r\n", 0), *to.feed(b"$ 00000.000,0012\r\n", TENTH)]
    assert kinds(events) == ["signal lost"]
    assert [(math.isnan(s.values[0, 0]), s.flags) for s in samples(events)] == [(True, (OUT_OF_RANGE, WEAK))] * 2
    assert samples(to.feed(FIRST, 2 * TENTH))[0].flags == ()


def test_a_weak_larmor_signal_is_flagged_for_the_reading_may_be_erratic() -> None:
    """The manual wants 800 or more on channel 0 (page 85)."""
    (event,) = driver().feed(b"$ 49895.131,0799\r\n", 0)
    assert isinstance(event, Sample)
    assert (event.flags, event.values[0, 0]) == ((WEAK,), 49895.131)


def test_a_chain_of_counters_gives_a_column_for_each() -> None:
    """CR replaced by a comma, one preamble, one end; clock fields are passed over."""
    line = b"$ 49895.131,1249, 50001.002,1100,0104,D123H01M02S03_04, 49000.000\r\n"
    (event,) = driver().feed(line, 0)
    assert isinstance(event, Sample)
    assert [channel.name for channel in event.channels] == [
        "field.0", "analog_0.0", "field.1", "analog_0.1", "analog_1.1", "field.2"]
    assert event.values[0, [0, 2, 5]].tolist() == [49895.131, 50001.002, 49000.0]
    assert event.stream == "chain"
    assert samples(driver(analog="1,2,0").feed(line, 0))
    assert kinds([*(wrong := driver(analog="1,1,0")).feed(FIRST, 0), *wrong.feed(line, 0)]) == ["malformed line"]


def test_a_binary_chain_is_read_as_configured_even_where_a_preamble_stands_in_the_digits() -> None:
    """Two counters with 1 and 0 channels; 2424.2424 in the field looks like four preambles."""
    frame = bytes.fromhex("24 24 24 24 24 08 24 50 00 10 02 2a")
    to = driver(format="packed-bcd", analog="1,0")
    (event,) = to.feed(frame, 0)
    assert isinstance(event, Sample)
    assert event.values[0, [0, 2]].tolist() == [24242.424, 50001.002]
    torn = frame[:-1] + frame   # the first one's terminator is lost
    again = to.feed(torn, TENTH)
    assert kinds(again) == ["malformed line"]
    assert samples(again)[0].raw == frame


@pytest.mark.parametrize(("frame", "settings", "flagged"), [
    ("24 24 24 24 24 08 24 50 00 10 02 2a", {}, True),      # two counters, or one with three channels
    ("24 24 24 24 24 08 24 50 00 10 02 2a", {"analog": "1,0"}, False),
    ("24 54 36 91 27 12 34 2a", {}, False),                 # one counter as delivered: it can be nothing else
], ids=["guessed", "configured", "certain"])
def test_a_layout_that_may_be_a_chain_s_is_flagged_until_it_is_configured(
    frame: str, settings: dict[str, str], flagged: bool,  # noqa: FBT001  # a case
) -> None:
    """The second counter's field, told as volts, would be a value that no device gave."""
    to = driver(**settings)
    found = samples(feed_all(to, [bytes.fromhex(frame)] * 2))
    assert [("layout guessed" in sample.flags) for sample in found][-1] is flagged


def test_a_frame_that_fits_both_binary_formats_is_not_guessed() -> None:
    """Digits of 3 to 6 alone are possible in both; the next frame tells, and from then on all are read."""
    both = bytes.fromhex("24 55 66 55 66 33 44 2a")
    to = driver()
    assert samples(to.feed(both, 0)) == []
    assert len(samples(to.feed(2 * bytes.fromhex("24 54 36 91 27 12 34 2a"), TENTH))) == 1
    (read,) = samples(to.feed(both, 2 * TENTH))
    assert read.values[0, 0] == 55665.566


@pytest.mark.parametrize("line", [
    b"$ 4989.131,1249", b"$ 49895131,1249", b"$ 49895.131,124", b"$ 49895.131,12490", b"$249895.131,1249",
    b"$ 49895.131 1249", b"$ 49895.131,", b"$1249, 49895.131", b"$", b" 49895.131,1249", b"$ 49895.131,1249,\xb2234",
])
def test_a_line_that_is_not_whole_is_a_fault_and_leaves_a_gap(line: bytes) -> None:
    """It costs one row, never a wrong number; the next line is read."""
    to = driver()
    to.feed(FIRST, 0)
    events = to.feed(line + b"\r\n" + FIRST, TENTH)
    assert kinds(events) == ["malformed line"]
    assert [s.first_row for s in samples(events)] == [2]


def test_a_change_of_layout_is_believed_when_it_came_twice() -> None:
    """A line that lost a whole channel on its way is a fault; a channel that was switched on is a layout."""
    to, two = driver(), b"$ 49895.131,1249,0104\r\n"
    to.feed(FIRST, 0)
    assert kinds(to.feed(two + FIRST, TENTH)) == ["malformed line"]
    events = to.feed(two + two + two, 2 * TENTH)
    assert kinds(events) == ["malformed line"]
    assert [len(s.channels) for s in samples(events)] == [3, 3]


def test_a_line_cut_short_by_the_next_one_costs_itself_alone() -> None:
    """What follows the last preamble is whole."""
    to = driver()
    to.feed(FIRST, 0)
    events = to.feed(FIRST[:9] + FIRST, TENTH)
    assert kinds(events) == ["malformed line"]
    assert [s.raw for s in samples(events)] == [FIRST]


def test_a_line_that_never_ends_is_said_once_and_holds_no_memory() -> None:
    """100 kB without an end: one fault, then the next line is read."""
    to = driver()
    to.feed(FIRST, 0)
    events = [event for _ in range(100) for event in to.feed(b"x" * 1000, TENTH)]
    assert kinds(events) == ["overlong line"]
    assert len(to._reader._part) == 0
    assert len(samples(to.feed(b"\r\n" + FIRST, TENTH))) == 1


def test_lines_that_did_not_come_are_a_gap_in_the_numbers() -> None:
    """Three seconds of silence at 10 Hz are about 30 rows, also over a new opening of the line."""
    to = driver()
    to.feed(FIRST, 0)
    to.opened(2 * NS)
    events = to.feed(FIRST, 3 * NS)
    assert events[0] == Fault("gap", "no line for 3.0 s: about 30 lost", 3 * NS)
    assert samples(events)[0].first_row >= 31


def test_a_cycle_time_that_is_not_the_configured_one_is_said() -> None:
    """20 Hz of lines where 10 Hz is configured: one fault within half a minute; none where it is right."""
    for hz, expected in ((20, ["wrong rate"]), (10, [])):
        to = driver()
        events = [event for n in range(30 * hz) for event in to.feed(FIRST, n * NS // hz)]
        assert kinds(events) == expected


def test_a_driver_that_only_listens_sends_nothing() -> None:
    """Commands change the device: they are sent only where the configuration asks for it."""
    to = driver(format="packed-bcd", cycle_ms=50)
    assert [to.ask(now) for now in range(0, 10 * NS, NS)] == [b""] * 10


def test_commands_go_out_one_at_a_time_each_after_the_echo_of_the_one_before() -> None:
    """Version, format and cycle time; 125 ms is C00125; the version becomes the firmware."""
    to = driver(configure=True, format="excess-3", cycle_ms=125, analog="3")
    assert (to.ask(0), to.ask(NS)) == (b"IV00\r", b"")
    assert to.feed(b"IV00:A4\r\n", NS) == []
    assert (to.ask(NS), to.ask(NS)) == (b"OE\r", b"")
    assert to.feed(EXCESS + b"OE\r\n" + EXCESS[:3], 2 * NS)[0].device.firmware == "A4"  # type: ignore[union-attr]  # the first is the sample
    assert to.ask(2 * NS) == b"C00125\r"
    assert kinds(to.feed(EXCESS[3:] + b"C00125\r\n", 2 * NS)) == []
    assert to.ask(9 * NS) == b""


def test_a_missing_echo_is_tried_three_times_then_said_and_left() -> None:
    """The data keep coming meanwhile; the next command has its turn."""
    to = driver(configure=True)
    sent, events = [], []
    for n in range(100):
        sent += [word] if (word := to.ask(n * TENTH)) else []
        events += to.feed(FIRST, n * TENTH)
    assert sent[:4] == [b"IV00\r"] * 3 + [b"C0010\r"]
    assert kinds(events) == ["no answer"]
    assert len(samples(events)) == 100


def test_a_refused_command_is_said_with_the_counter_that_refused_it() -> None:
    """ERRnn, with or without words."""
    to = driver(configure=True)
    to.ask(0)
    (fault,) = to.feed(b"ERR02:what\r\n", 1)
    assert fault == Fault("command refused", "command IV00: ERR02:what (counter 02)", 1)
    assert to.ask(1) == b"C0010\r"
    assert kinds(to.feed(b"ERR\r\n", 1)) == ["command refused"]
    assert kinds(to.feed(b"ERR01\r\n", 1)) == ["command refused"]


@pytest.mark.parametrize(("settings", "words"), [
    ({"format": "sandia"}, "settings.format = 'sandia': must be one of"),
    ({"analog": "1,9"}, "settings.analog = '1,9': must be one number from 0 to 8 for each counter"),
    ({"analog": ",".join("1" * 21)}, "at most 20"),
    ({"cycle_ms": 101}, "must be a multiple of 5"), ({"cycle_ms": 5}, "settings.cycle_ms = 5"),
    ({"preamble": "*"}, "settings.preamble = '*'"), ({"preamble": "$$"}, "one printable character"),
    ({"configure": 1}, "settings.configure = 1: must be true or false"),
])
def test_a_setting_that_cannot_be_used_is_refused_with_key_value_and_rule(
    settings: dict[str, Any], words: str,
) -> None:
    """The message tells a technician what to write."""
    with pytest.raises(SettingRefused, match=words.replace("(", r"\(").replace("*", r"\*").replace("$", r"\$")):
        Geometrics(DriverOptions(settings=settings))


GOOD = [wire(PRINTOUT), ASCII * 3, PACKED * 3, EXCESS * 3, b"IV00:A4\r\nERR01\r\n"]


@pytest.mark.parametrize("data", GOOD, ids=["printout", "ascii", "packed BCD", "excess-3", "echoes"])
def test_golden_lines_give_the_same_events_however_they_are_cut(data: bytes) -> None:
    """Whole, byte by byte and at every cut."""
    whole = summary(feed_all(driver(), [data]))
    assert summary(feed_all(driver(), [data[i:i + 1] for i in range(len(data))])) == whole
    for cut in range(len(data) + 1):
        assert summary(feed_all(driver(), [data[:cut], data[cut:]])) == whole


@pytest.mark.parametrize("seed", range(3))
def test_noise_never_raises_and_gives_the_same_events_however_it_is_cut(seed: int) -> None:
    """100 kB of noise among good lines; memory stays within one line; a good line after it is read."""
    rng = random.Random(seed)
    data = b"".join(rng.choice(GOOD) + rng.randbytes(rng.randrange(3000)) for _ in range(60))
    whole = summary(feed_all(driver(), [data]))
    pieces, rest, to = [], data, driver()
    while rest:
        size = rng.randrange(1, 200)
        pieces.append(rest[:size])
        rest = rest[size:]
    assert summary(feed_all(to, pieces)) == whole
    assert len(to._reader._part) <= 2048


def test_noise_is_never_taken_for_a_chain_and_the_line_after_it_is_read() -> None:
    """A million seeded bytes give no sample, though nothing was configured; then the manual's first line does."""
    rng, to = random.Random(5), driver()
    assert samples(feed_all(to, [rng.randbytes(10_000) for _ in range(100)])) == []
    assert len(samples(to.feed(b"\r\n" + FIRST, 7))) == 1


def test_the_row_of_the_table_says_how_the_line_is_set() -> None:
    """9600 8N1, a talker, and a silence that leaves room for the longest cycle."""
    assert (INSTRUMENT.line.baud, INSTRUMENT.line.bits, INSTRUMENT.line.parity) == (9600, 8, "N")
    assert INSTRUMENT.speaks
    assert INSTRUMENT.silent_s_max > 2 * 5.0

"""The QZFM driver reads the vendor's lines, brings the sensor to its stream, and says what a reading is worth."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from drivers.driver import DriverOptions, SettingRefused
from drivers.qzfm import INSTRUMENT, SATURATED, Qzfm
from drivers.qzfm_lines import LINE_BYTES_MAX, FieldLine, Lamp, Message, Parameter, read_line
from drivers.sample import Event, Fault, Sample

NS = 1_000_000_000
# The vendor's page: 123.45 pT, laser locked, and a Bz coil field of 814.5 pT.
FIELD = bytes.fromhex("21 38 34 30 30 39 35 33 0d 0a")
LOCKED = bytes.fromhex("7c 33 31 0d 0a")
COIL = b"~0733582.50\r\n"
CALIBRATION = b"#Calibration x:0.85, y:0.91, z:0.88, (xy)0.01\r\n"


def block(lamps: str = "11111", coil: float = 814.5) -> bytes:
    """Return a status block with the lamps as given."""
    lit = "".join(f"|{n}{state}\r\n" for n, state in enumerate(lamps, start=1))
    coils = "".join(f"~{key}{coil + 32768:08.2f}\r\n" for key in ("07", "08", "09"))
    return f"{lit}~048388608\r\n~054095\r\n{coils}".encode()


def driver(**settings: Any) -> Qzfm:
    """Return a driver of an opened line."""
    made = Qzfm(DriverOptions(settings=settings))
    made.opened(0)
    return made


def streaming(**settings: Any) -> Qzfm:
    """Return a driver that has read a good status and said Print ON."""
    to = driver(**settings)
    assert to.ask(0) == b"8"
    to.feed(b"".join(block() for _ in range(3)) + CALIBRATION, 1)
    assert to.ask(2) == b"7"
    return to


def samples(events: list[Event], stream: str = "field") -> list[Sample]:
    """Return the samples of a stream among the events."""
    return [event for event in events if isinstance(event, Sample) and event.stream == stream]


def kinds(events: list[Event]) -> list[str]:
    """Return the kinds of the faults among the events."""
    return [event.kind for event in events if isinstance(event, Fault)]


def summary(events: list[Event]) -> list[object]:
    """Events as values that compare: arrays do not."""
    return [(e.device, e.stream, e.channels, e.values.tobytes(), e.rate_hz, e.first_row, e.raw, e.flags)
            if isinstance(e, Sample) else e for e in events]


@pytest.mark.parametrize(("line", "meaning"), [
    (FIELD, FieldLine((8400953 - 8388608) * 0.01, FIELD)), (LOCKED, Lamp(3, True, LOCKED)),
    (COIL, Parameter("07", 814.5, COIL)), (b"|40\r\n", Lamp(4, False, b"|40\r\n")),
    (b"~048388608\r\n", Parameter("04", 0.0, b"~048388608\r\n")),
    (b"~048912896\r\n", Parameter("04", 1.0, b"~048912896\r\n")),
    (b"#Print ON\r\n", Message("Print ON")), (b"#\xff\r\n", Message("\ufffd")),
    (b"!840095\r\n", None), (b"!99999999\r\n", None), (b"!84009x3\r\n", None), (b"|6\r\n", None), (b"~7\r\n", None),
    (b"~07-32.5.1\r\n", None), (b"8400953\r\n", None), (b"!8400953!8400953\r\n", None),
])
def test_a_line_means_what_the_vendor_s_page_says_or_nothing(line: bytes, meaning: object) -> None:
    """The page's examples, and what comes near them."""
    assert read_line(line[:-2], line) == meaning


def test_the_page_s_field_value_is_a_sample_at_200_hz() -> None:
    """123.45 pT, its bytes kept, and no flag once the status is good."""
    (sample,) = samples(streaming().feed(FIELD, 42))
    assert sample.values.tolist() == [[pytest.approx(123.45)]]
    assert (sample.rate_hz, sample.first_row, sample.raw, sample.flags, sample.seen_at) == (200.0, 0, FIELD, (), 42)
    assert [(c.name, c.unit) for c in sample.channels] == [("field", "pT")]


def test_a_status_block_is_a_sample_of_its_own_once_a_second() -> None:
    """Coil fields in pT and cell temperature, whatever line a block begins with."""
    to = driver()
    to.ask(0)
    data = block()[5:] + block() + block()
    first, *more = samples(to.feed(data, NS), "status")
    assert first.values[0, 2:].tolist() == [814.5] * 3
    assert first.values[0, :2].tolist() == [0.0, 4095.0]
    assert first.rate_hz is None
    assert first.raw == block()[5:] + block()[:5]
    assert len(more) == 1, "the one with which the look at the status ended"
    assert samples(driver().feed(COIL + COIL, 0), "status")[0].values[0, 3:] == pytest.approx(math.nan, nan_ok=True)


@pytest.mark.parametrize(("lamps", "flag"), [
    ("01111", "laser off"), ("10111", "no cell temperature lock"), ("11011", "no laser lock"),
    ("11101", "field not zeroed"), ("11110", ""),
])
def test_a_lamp_that_is_out_flags_the_readings(lamps: str, flag: str) -> None:
    """The state of the status block stands by every field value after it; a slave is as good as a master."""
    to = driver()
    to.ask(0)
    to.feed(block(lamps) * 3 + CALIBRATION, 1)
    to.ask(2)
    (sample,) = samples(to.feed(FIELD, 3))
    assert sample.flags == ((flag,) if flag else ())


def test_a_reading_before_any_status_is_flagged_as_unknown() -> None:
    """What the device has not said is not good."""
    (sample,) = samples(driver().feed(b"\r\n" + FIELD, 0))
    assert "no calibration seen" in sample.flags
    assert "no laser lock" in sample.flags


@pytest.mark.parametrize(("counts", "flagged"), [
    (8388608 + 499_999, False), (8388608 + 500_000, True), (8388608 - 500_000, True), (16_777_215, True),
])
def test_a_field_beyond_the_range_is_flagged_as_saturated(counts: int, flagged: bool) -> None:  # noqa: FBT001  # a case
    """5 nT either way; the number itself is kept."""
    (sample,) = samples(streaming().feed(f"!{counts:07d}\r\n".encode(), 3))
    assert (SATURATED in sample.flags) == flagged
    assert sample.values[0, 0] == pytest.approx((counts - 8388608) / 100)


def test_the_whole_start_runs_in_the_device_s_order_and_flags_what_comes_meanwhile() -> None:
    """Status, auto start, zeroing until the coils are steady, zeroing off, calibration, axis and Print ON."""
    to = driver(start_on_start=True, zero_on_start=True, calibrate_on_start=True, zero_axes="yz", axis="x")
    assert to.ask(0) == b"8"
    to.feed(block("10000") * 3, NS)
    assert (to.ask(NS), to.ask(NS)) == (b">", b"")
    status = samples(to.feed(block("11000") * 9, 3 * NS), "status")
    assert {sample.flags[0] for sample in status} == {"starting"}
    to.feed(block("11100") * 2, 4 * NS)
    assert to.ask(4 * NS) == b"hD"
    moving = b"".join(block("11110", coil) for coil in (100.0, 300.0, 500.0, 700.0))
    events = to.feed(moving + FIELD, 6 * NS)
    assert {sample.flags[0] for sample in samples(events) + samples(events, "status")} == {"zeroing"}
    assert to.ask(6 * NS) == b""
    to.feed(block("11110", 814.0) * 6, 8 * NS)
    assert (to.ask(8 * NS), to.ask(8 * NS)) == (b"E", b"9")
    assert samples(to.feed(block() * 9, 9 * NS), "status")[0].flags == ("calibrating", "no calibration seen")
    to.feed(CALIBRATION, 10 * NS)
    assert to.ask(10 * NS) == b"G7"
    (sample,) = samples(to.feed(FIELD, 11 * NS))
    assert (sample.flags, sample.channels[0].name) == ((), "field_x")


def test_a_sensor_that_is_locked_is_not_started_again() -> None:
    """A cable that was loose for a moment must not cost minutes."""
    to = driver(start_on_start=True)
    assert to.ask(0) == b"8"
    to.feed(block() * 3, NS)
    assert to.ask(NS) == b"7"


@pytest.mark.parametrize(("settings", "lamps", "seconds", "kind", "after"), [
    ({"start_on_start": True}, "10000", 600, "start failed", b"7"),
    ({"zero_on_start": True}, "11100", 60, "zeroing failed", b"E"),
    ({"calibrate_on_start": True}, "11110", 100, "calibration failed", b"7"),
])
def test_a_step_that_does_not_end_is_said_and_the_stream_begins_flagged(
    settings: dict[str, Any], lamps: str, seconds: int, kind: str, after: bytes,
) -> None:
    """Every step has its deadline; the readings after it carry why."""
    to = driver(**settings)
    to.ask(0)
    to.feed(block(lamps) * 3, NS)
    to.ask(NS)
    assert kinds(to.feed(block(lamps), seconds * NS)) == []
    assert kinds(to.feed(block(lamps), (seconds + 2) * NS)) == [kind]
    assert to.ask((seconds + 2) * NS) == after
    assert samples(to.feed(FIELD, (seconds + 3) * NS))[0].flags


def test_a_calibration_of_a_field_that_is_not_zeroed_is_not_tried() -> None:
    """The device would calibrate against the wrong zero."""
    to = driver(calibrate_on_start=True)
    to.ask(0)
    assert kinds(to.feed(block("11100") * 3, NS)) == ["calibration failed"]
    assert to.ask(NS) == b"7"


def test_a_calibration_factor_above_one_and_a_half_is_suspect() -> None:
    """Said once when it comes, and by every reading after it."""
    to = streaming()
    assert kinds(to.feed(b"#Calibration x:0.85, y:15.9, z:0.88\r\n", 3)) == ["calibration suspect"]
    assert samples(to.feed(FIELD, 4))[0].flags == ("calibration suspect",)


def test_a_device_that_lost_its_lock_has_lost_its_calibration_too() -> None:
    """After a restart the factors of before say nothing."""
    to = streaming()
    to.feed(block("10000") * 2, 3)
    assert "no calibration seen" in samples(to.feed(FIELD, 4))[0].flags


def test_print_on_and_off_are_said_again_until_the_device_does_so() -> None:
    """A command may be lost while the electronics boot: every 2 s, and after 10 s a fault."""
    to = driver()
    assert [to.ask(n * NS) for n in range(5)] == [b"8", b"", b"8", b"", b"8"]
    assert kinds(to.feed(FIELD, 11 * NS)) == ["no answer"]
    to = streaming()
    sent = [to.ask(n * NS) for n in range(1, 12)]
    assert sent.count(b"7") == 5
    assert kinds(to.feed(block(), 12 * NS)) == ["no answer"]
    assert kinds(to.feed(FIELD, 13 * NS)) == []


def test_the_status_is_looked_at_now_and_then_and_the_pause_is_a_gap_in_the_numbers_but_no_fault() -> None:
    """Print OFF, two blocks, Print ON."""
    to = streaming(status_every_s=60)
    to.feed(FIELD, 60 * NS)
    assert to.ask(60 * NS) == b""
    assert to.ask(61 * NS) == b"8"
    to.feed(block() * 3, 61 * NS + NS // 2)
    assert to.ask(61 * NS + NS // 2) == b"7"
    events = to.feed(FIELD, 61 * NS + NS * 3 // 4)
    assert kinds(events) == []
    assert samples(events)[0].first_row == 1 + 350
    assert streaming(status_every_s=0).ask(86_400 * NS) == b"7", "only because nothing came"


def test_field_values_that_did_not_come_are_a_gap() -> None:
    """The lines have no number: what is missing is told from the time."""
    to = streaming()
    to.feed(FIELD, NS)
    events = to.feed(FIELD, 2 * NS)
    assert kinds(events) == ["gap"]
    assert samples(events)[0].first_row == 201


def test_what_is_none_of_the_four_kinds_is_a_fault_and_costs_nothing_else() -> None:
    """Also an endless line; and zero bytes are taken out."""
    to = streaming()
    events = to.feed(b"!84\x00009\x0053\r\nhello\r\n" + FIELD + b"x" * 5000 + b"\n" + FIELD, 3)
    assert kinds(events) == ["malformed line", "overlong line"]
    assert [s.values[0, 0] for s in samples(events)] == [pytest.approx(123.45)] * 3
    assert kinds(to.feed(b"#Temperature sensor fault\r\n#Print ON\r\n", 4)) == ["device log"]


@pytest.mark.parametrize(("settings", "words"), [
    ({"axis": "q"}, "settings.axis = 'q'"), ({"zero_axes": "z"}, "settings.zero_axes = 'z'"),
    ({"range_nt": 0}, "settings.range_nt = 0"), ({"zero_on_start": 1}, "settings.zero_on_start = 1"),
    ({"status_every_s": 0.5}, "settings.status_every_s = 0.5"),
])
def test_a_setting_that_cannot_be_used_is_refused(settings: dict[str, Any], words: str) -> None:
    """With key, value and rule."""
    with pytest.raises(SettingRefused, match=words):
        Qzfm(DriverOptions(settings=settings))


GOOD = block() + block("10000") + CALIBRATION + FIELD * 3 + b"hello\r\n"


def feed_all(to: Qzfm, chunks: list[bytes]) -> list[Event]:
    """Return all events of the chunks."""
    return [event for chunk in chunks for event in to.feed(chunk, 7)]


def test_golden_lines_give_the_same_events_however_they_are_cut() -> None:
    """Whole, byte by byte and at every cut."""
    whole = summary(feed_all(driver(), [GOOD]))
    assert summary(feed_all(driver(), [GOOD[i:i + 1] for i in range(len(GOOD))])) == whole
    for cut in range(len(GOOD) + 1):
        assert summary(feed_all(driver(), [GOOD[:cut], GOOD[cut:]])) == whole


@pytest.mark.parametrize("seed", range(2))
def test_noise_never_raises_and_gives_the_same_events_however_it_is_cut(seed: int) -> None:
    """100 kB of noise among good lines; memory stays within one line; the line after it is read."""
    rng, to = random.Random(seed), driver()
    data = b"".join(GOOD + rng.randbytes(rng.randrange(3000)) for _ in range(60))
    whole = summary(feed_all(driver(), [data]))
    rest, pieces = data, []
    while rest:
        size = rng.randrange(1, 200)
        pieces.append(rest[:size])
        rest = rest[size:]
    assert summary(feed_all(to, pieces)) == whole
    assert len(to._reader._part) <= LINE_BYTES_MAX
    assert len(samples(to.feed(b"\r\n" + FIELD, 7))) == 1


def test_the_row_of_the_table_says_how_the_line_is_set() -> None:
    """115200 8N1, and it talks by itself in either mode."""
    assert INSTRUMENT.line.baud == 115_200
    assert INSTRUMENT.speaks

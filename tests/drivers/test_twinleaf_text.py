"""Lines of text are read where nothing else comes, wholly or not at all."""

from __future__ import annotations

import random

import pytest

from drivers import slip, tio
from drivers import tio_payload as payload
from drivers.driver import DriverOptions
from drivers.sample import Event, Fault, Identity, Sample
from drivers.twinleaf import TwinleafDriver
from drivers.twinleaf_text import LINE_BYTES_MAX

SECOND = 1_000_000_000

# Made up to the layout that github.com/zoran-grujic/MyTwinleafVMR reads; no recorded line is published.
FOUR = b"%d 21000.5 -500.25 43210.5\r\n"
TEN = b"%d 21000.5 -500.25 43210.5 0.01 -0.02 0.98 0.1 0 -0.1\r\n"
TWELVE = b"%d 21000.5 -500.25 43210.5 0.01 -0.02 0.98 0.1 0 -0.1 1013.25 30.5\r\n"


def text_driver(rate_hz: float = 100) -> TwinleafDriver:
    """Return a driver that was told to read text."""
    return TwinleafDriver(DriverOptions(settings={"generation": "text", "rate_hz": rate_hz}))


def faults(events: list[Event]) -> list[str]:
    """Return the kinds of the faults."""
    return [event.kind for event in events if isinstance(event, Fault)]


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples."""
    return [event for event in events if isinstance(event, Sample)]


def summary(events: list[Event]) -> list[object]:
    """Events as values that compare: arrays do not."""
    return [(e.first_row, e.values.tobytes(), e.raw) if isinstance(e, Sample) else e for e in events]


@pytest.mark.parametrize(("line", "values"), [
    (FOUR, {"Bx nT": 21000.5, "By nT": -500.25, "Bz nT": 43210.5}),
    (TEN, {"Bx nT": 21000.5, "By nT": -500.25, "Bz nT": 43210.5}),
    (TWELVE, {"Bx nT": 21000.5, "By nT": -500.25, "Bz nT": 43210.5, "pressure mbar": 1013.25, "temperature C": 30.5}),
])
def test_a_line_of_each_length_is_read(line: bytes, values: dict[str, float]) -> None:
    """Only what has a known unit is delivered; the line itself is kept whole."""
    (sample,) = samples(text_driver(50).feed(b"\r\n" + line % 7, 42))
    named = {f"{channel.name} {channel.unit}": value for channel, value in
             zip(sample.channels, sample.values[0].tolist(), strict=True)}
    assert named == values
    assert (sample.first_row, sample.rate_hz, sample.seen_at, sample.raw) == (7, 50.0, 42, (line % 7).rstrip())
    assert (sample.stream, sample.device) == ("text", Identity("Twinleaf", "VMR", "", ""))


def test_nothing_is_sent_to_a_device_that_shall_go_on_printing() -> None:
    """One heartbeat would put it into binary mode."""
    driver = text_driver()
    assert [driver.ask(n * SECOND) for n in range(5)] == [b""] * 5


def test_the_tail_of_a_line_begun_before_we_listened_is_no_fault() -> None:
    """The first piece, up to its end, says nothing."""
    assert summary(text_driver().feed((FOUR % 1)[5:] + FOUR % 2, 0)) == summary(text_driver().feed(b"\n" + FOUR % 2, 0))


@pytest.mark.parametrize("line", [
    b"1 2 3", b"1 2 3 4 5", b"a 1 2 3", b"1 1 2 nan", b"1 1 2 inf", b"1  1 2 3", b"1 1 2 3 ", b"-1 1 2 3", b"1.5 1 2 3",
    b"1 1 2 3,", b"Twinleaf VMR", b"1 1 2 " + b"3" * 400, b"\xff1 1 2 3", b"1 " * 12,
])
def test_a_line_that_is_not_wholly_known_is_a_fault_and_costs_itself_alone(line: bytes) -> None:
    """No field is guessed from a damaged line, and the next one is read."""
    events = text_driver().feed(b"\n" + FOUR % 6 + line + b"\r\n" + FOUR % 7, 0)
    assert faults(events) == ["bad line"]
    assert [sample.first_row for sample in samples(events)] == [6, 7]


def test_lost_lines_are_a_gap_and_a_number_that_goes_back_is_said() -> None:
    """The numbers of the lines are the device's own."""
    driver = text_driver()
    events = driver.feed(b"\n" + FOUR % 6 + FOUR % 10 + FOUR % 2 + FOUR % 3, 0)
    assert faults(events) == ["gap", "went back"]
    assert [sample.first_row for sample in samples(events)] == [6, 10, 2, 3]
    driver.opened(SECOND)
    assert faults(driver.feed(b"\n" + FOUR % 104, SECOND)) == ["gap"]


def test_a_rate_that_the_lines_do_not_keep_is_said_once() -> None:
    """50 lines a second where 100 were told: the readings' time would be wrong."""
    for told, expected in ((100, ["rate differs"]), (50, [])):
        driver = text_driver(told)
        driver.opened(0)
        driver.feed(b"\n", 0)
        events = [event for n in range(1000) for event in driver.feed(FOUR % n, n * SECOND // 50)]
        assert faults(events) == expected


@pytest.mark.parametrize("seed", range(2))
def test_text_among_noise_gives_the_same_events_however_it_is_cut_and_holds_no_more_than_a_line(seed: int) -> None:
    """Whole, byte by byte and in random pieces; memory is bounded."""
    rng = random.Random(seed)
    data = b"".join(rng.choice((FOUR, TWELVE)) % n + (rng.randbytes(rng.randrange(400)) if rng.random() < 0.1 else b"")
                    for n in range(300))
    whole = summary(text_driver().feed(data, 0))
    assert len([event for event in whole if isinstance(event, tuple)]) > 200
    for size in (1, 7, 4096):
        driver = text_driver()
        events: list[Event] = []
        for start in range(0, len(data), size):
            events += driver.feed(data[start:start + size], 0)
            assert len(driver._text._part) <= LINE_BYTES_MAX + 1
        assert summary(events) == whole


def test_a_device_that_only_prints_is_found_out_after_two_seconds() -> None:
    """Heartbeats should have ended the text; where they do not, three lines in a row are believed."""
    driver = TwinleafDriver(DriverOptions())
    driver.opened(0)
    assert driver.feed(b"".join(FOUR % n for n in range(100)), SECOND) == []
    events = driver.feed(b"".join(FOUR % n for n in range(100, 110)), 3 * SECOND)
    assert [sample.first_row for sample in samples(events)] == list(range(102, 110))
    noisy = driver.feed(FOUR % 110 + b"\xff" + b"x" * 2000 + b"\r\n" + FOUR % 111, 3 * SECOND)
    noisy += driver.feed(b"".join(FOUR % n for n in range(112, 200)), 3 * SECOND)
    assert samples(noisy)[-1].first_row == 199
    assert faults(noisy) == ["overlong frame", "gap"]


def test_a_packet_ends_the_reading_of_text() -> None:
    """A device that speaks packets and prints is a device that speaks packets."""
    driver = TwinleafDriver(DriverOptions())
    driver.opened(0)
    driver.feed(slip.frame(tio.pack(payload.heartbeat(5))), 0)
    assert driver.feed(b"".join(FOUR % n for n in range(100)), 3 * SECOND) == []


def test_other_text_is_passed_over() -> None:
    """What a device prints about itself is neither a sample nor a fault."""
    driver = TwinleafDriver(DriverOptions())
    driver.opened(0)
    assert driver.feed(b"Twinleaf VMR R8\r\n> \r\nready\r\n1 2 3 4\r\n" * 50, 3 * SECOND) == []

"""The Uncut Gem driver takes whole sweeps and nothing else, and gives a field only where two resonances were seen."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from drivers.driver import DriverOptions, SettingRefused
from drivers.sample import Event, Fault, Sample
from drivers.uncut_gem import INSTRUMENT, UncutGem

# The firmware's output as its source prints it; the golden frame is the first two lines.
GOLDEN = bytes.fromhex("4c 4f 4f 50 0d 0a 31 33 34 32 0d 0a")
BOOT = b"Let's cook...\r\n"
F = 2854.0 + 0.25 * np.arange(128, dtype=np.float64)


def sweep(splitting: float = 10.0, *, depth: float = 40.0, centre: float = 2870.0, base: float = 1342.0) -> bytes:
    """Return LOOP and 128 readings of two dips, 1.6 MHz wide, with noise of 2 mV that is always the same."""
    dips = sum((0.8 / (0.8 + 1j * (F - at))).real for at in (centre - splitting / 2, centre + splitting / 2))
    noise = 2.0 * np.random.default_rng(3).standard_normal(128)
    readings = [f"{max(0, min(1500, round(mv)))}\r\n" for mv in base - depth * dips + noise]
    return b"LOOP\r\n" + "".join(readings).encode()


LOOP = b"LOOP\r\n"


def driver(**settings: Any) -> UncutGem:
    """Return a driver of an opened line."""
    made = UncutGem(DriverOptions(settings=settings))
    made.opened(0)
    return made


def feed_all(to: UncutGem, chunks: list[bytes]) -> list[Event]:
    """Return all events of the chunks."""
    return [event for chunk in chunks for event in to.feed(chunk, 7)]


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples among the events."""
    return [event for event in events if isinstance(event, Sample)]


def kinds(events: list[Event]) -> list[str]:
    """Return the kinds of the faults among the events."""
    return [event.kind for event in events if isinstance(event, Fault)]


def value(sample: Sample, name: str) -> float:
    """Return one channel of a sample."""
    return float(sample.values[0, [channel.name for channel in sample.channels].index(name)])


def summary(events: list[Event]) -> list[object]:
    """Events as values that compare: arrays do not."""
    return [(e.device, e.channels, e.values.tobytes(), e.first_row, e.raw, e.flags)
            if isinstance(e, Sample) else e for e in events]


def test_a_sweep_of_the_firmware_s_form_is_a_sample_when_the_next_one_begins() -> None:
    """LOOP, 128 lines, LOOP: splitting over 56.06 MHz/mT is the field, within what the fit says of itself."""
    data = sweep(10.0)
    assert data[:4] == GOLDEN[:4]
    to = driver()
    assert to.feed(data, 0) == []
    (sample,) = samples(to.feed(LOOP, 42))
    assert abs(value(sample, "splitting") - 10.0) < 5 * value(sample, "splitting_u")
    assert value(sample, "b_nv") == pytest.approx(value(sample, "splitting") / 56.06 * 1000)
    assert abs(value(sample, "b_nv") - 178.38) < 5 * value(sample, "b_nv_u")
    assert value(sample, "b_nv_u") < 2.0
    assert abs(value(sample, "centre") - 2870.0) < 5 * value(sample, "centre_u")
    assert abs(value(sample, "contrast") - 40 / 1342) < 5 * value(sample, "contrast_u")
    assert value(sample, "chi2") == pytest.approx(1.0, abs=0.4)
    assert (sample.raw, sample.flags, sample.rate_hz, sample.first_row, sample.seen_at) == (data, (), None, 0, 42)
    assert sample.channels[0].unit == "uT"


@pytest.mark.parametrize(("splitting", "depth", "flag"), [
    (50.0, 40.0, "no resonance"), (10.0, 0.0, "no resonance"), (0.0, 40.0, "one resonance"),
])
def test_without_two_resonances_there_is_no_field(splitting: float, depth: float, flag: str) -> None:
    """NaN and a flag; one dip still has its centre."""
    (sample,) = samples(driver().feed(sweep(splitting, depth=depth) + LOOP, 0))
    assert sample.flags == (flag,)
    assert np.isnan(value(sample, "b_nv"))
    assert np.isnan(value(sample, "b_nv_u"))
    assert np.isnan(value(sample, "centre")) == (flag == "no resonance")


def test_a_reading_at_the_firmware_s_limit_flags_the_sweep() -> None:
    """What was above 1500 mV was taken again: the light is clipped there."""
    (sample,) = samples(driver().feed(sweep(base=1499.0) + LOOP, 0))
    assert "clipped" in sample.flags


def test_start_and_step_of_the_sweep_are_the_builder_s() -> None:
    """The same lines, read with the table 2838/0.5: twice the splitting, and the centre with it."""
    (sample,) = samples(driver(start_mhz=2838.0, step_mhz=0.5).feed(sweep(10.0) + LOOP, 0))
    assert abs(value(sample, "splitting") - 20.0) < 5 * value(sample, "splitting_u")
    assert value(sample, "centre") == pytest.approx(2838.0 + 64 * 0.5, abs=0.2)


def test_the_temperature_shift_is_told_where_its_reference_is() -> None:
    """1 K of warmth lowers the centre by 74.2 kHz."""
    (sample,) = samples(driver(d_mhz=2870.0).feed(sweep(10.0, centre=2870.0 - 0.742) + LOOP, 0))
    assert abs(value(sample, "temperature_shift") - 10.0) < 5 * value(sample, "temperature_shift_u")
    (none,) = samples(driver(d_mhz=2870.0).feed(sweep(0.0) + LOOP, 0))
    assert np.isnan(value(none, "temperature_shift"))


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda data: data[:-6], "127 points instead of 128"),
    (lambda data: data + b"1342\r\n", "no LOOP after 128 points"),
    (lambda data: data.replace(b"\r\n13", b"\r\n19", 1), "is no reading of 0 to 1500 mV"),
    (lambda data: data.replace(b"\r\n13", b"\r\n-1", 1), "is no reading"),
    (lambda data: data[:10] + data[12:], "is no reading"),
])
def test_a_sweep_that_is_not_whole_is_one_fault_and_a_gap(spoil: Any, why: str) -> None:
    """No number is made of it; the next sweep is read."""
    to = driver()
    events = to.feed(spoil(sweep()) + sweep() + LOOP, 5)
    (fault,) = [event for event in events if isinstance(event, Fault)]
    assert fault.kind == "malformed sweep"
    assert why in fault.detail
    assert [sample.first_row for sample in samples(events)] == [1]


def test_noise_before_a_loop_costs_no_whole_sweep() -> None:
    """Behind 128 points only a LOOP can stand, however it looks."""
    for dirt in (b"x", b"\xff\x00", b"hello\r\n"):
        events = driver().feed(sweep() + dirt + sweep() + LOOP, 0)
        assert len(samples(events)) >= 1 + (dirt != b"hello\r\n")


def test_the_boot_line_says_that_the_device_started_anew() -> None:
    """A fault where sweeps came before, none at the first; half a sweep before it is dropped."""
    to = driver()
    assert to.feed(BOOT + sweep(), 0) == []
    events = to.feed(LOOP + b"1342\r\n" + BOOT + sweep() + LOOP, 1)
    assert kinds(events) == ["rebooted"]
    assert len(samples(events)) == 2


def test_the_device_is_told_nothing_and_its_silence_at_boot_is_borne() -> None:
    """It takes no commands; 3.5 s and 20 sweeps of half a second pass before its first LOOP."""
    to = driver()
    assert [to.ask(n * 10**9) for n in range(5)] == [b""] * 5
    assert INSTRUMENT.silent_s_max > 3.5 + 21 * 0.5
    assert INSTRUMENT.speaks


def test_joining_in_the_middle_of_a_sweep_is_no_fault() -> None:
    """What came before the first LOOP was begun before we listened."""
    events = driver().feed(sweep()[300:] + sweep() + LOOP, 0)
    assert kinds(events) == []
    assert len(samples(events)) == 1


@pytest.mark.parametrize(("settings", "words"), [
    ({"start_mhz": 28.0}, "settings.start_mhz = 28.0"), ({"step_mhz": 0}, "settings.step_mhz = 0"),
    ({"d_mhz": "x"}, "settings.d_mhz = 'x'"),
])
def test_a_setting_that_cannot_be_used_is_refused(settings: dict[str, Any], words: str) -> None:
    """With key, value and rule."""
    with pytest.raises(SettingRefused, match=words):
        UncutGem(DriverOptions(settings=settings))


def test_sweeps_give_the_same_events_however_they_are_cut() -> None:
    """Whole, byte by byte and at many cuts."""
    data = BOOT + sweep() + sweep(12.0)[:-9] + sweep(0.0) + LOOP
    whole = summary(feed_all(driver(), [data]))
    assert len(whole) == 3, "the short one is a fault"
    assert summary(feed_all(driver(), [data[i:i + 1] for i in range(len(data))])) == whole
    for cut in range(0, len(data), 37):
        assert summary(feed_all(driver(), [data[:cut], data[cut:]])) == whole


def test_noise_never_raises_and_holds_no_memory() -> None:
    """100 kB of noise and endless numbers; then a sweep is read."""
    rng, to = random.Random(4), driver()
    for _ in range(100):
        to.feed(rng.randbytes(1000), 0)
        to.feed(b"LOOP\r\n" + b"12\r\n" * 300, 0)
        assert to._sweep is None or len(to._sweep) <= 129
        assert len(to._raw) <= 129
    assert len(samples(to.feed(b"\r\n" + sweep() + LOOP, 0))) == 1

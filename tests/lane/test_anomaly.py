"""The lane's detector: its stated false-alarm rate on emulated and on recorded background, and what it sees."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import poisson

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.lane.anomaly import LaneSettings, PassDetector
from gateway.passing import Moment, Passing
from hil.scene.lane import Lane, Pass, Sensor, vector_source

if TYPE_CHECKING:
    from gateway.detection.verdict import Anomaly

RATE_HZ = 20.0
ROWS = 20
CAPTURES = Path(__file__).parents[1] / "captures"


def reading(values: np.ndarray, number: int, unit: str = "nT", rate_hz: float = RATE_HZ) -> Reading:
    """One block of a magnetometer's stream."""
    channels = tuple(Channel(f"x{i}", "field", unit) for i in range(values.shape[1]))
    return Reading(Identity("a", "b", "c", "d"), "field", channels, values, np.full(values.shape[1], np.nan), rate_hz,
                   number * len(values), 0, bytes(32), Trust(calibrated=True, certificate_sha256=bytes(32)))


def alarms(detector: PassDetector, field: np.ndarray, unit: str = "nT", rows: int = ROWS,
           rate_hz: float = RATE_HZ) -> list[tuple[int, Anomaly]]:
    """What the detector says to a whole stream, with the reading's number."""
    said = ((n, detector.feed(reading(field[n * rows:(n + 1) * rows], n, unit, rate_hz)))
            for n in range(len(field) // rows))
    return [(n, anomaly) for n, anomaly in said if anomaly]


def told(detector: PassDetector, field: np.ndarray) -> list[tuple[int, Anomaly]]:
    """What an officer hears: each passage once, at its strongest moment."""
    passing, heard = Passing(1.0), []
    for n in range(len(field) // ROWS):
        now = reading(field[n * ROWS:(n + 1) * ROWS], n)
        anomaly = detector.feed(now)
        moment = passing.take(Moment(anomaly, now, Future()) if anomaly else None)
        if moment:
            heard.append((n, moment.anomaly))
    return heard


def lane(seconds: int, passes: tuple[Pass, ...] = (), seed: int = 1) -> np.ndarray:
    """The field a vector sensor reads in a lane with mains, daily drift and slow wander; nT, [n, 3]."""
    source = vector_source(Lane(passes=passes, seed=seed), Sensor(key=seed))
    return source(0.0, int(seconds * RATE_HZ), RATE_HZ)


def test_the_false_alarm_rate_on_lane_background_is_not_above_the_one_configured() -> None:
    """Forty minutes of background at 60 alarms an hour: no more than the Poisson bound, and not silent either."""
    detector = PassDetector(LaneSettings(false_alarms_per_hour=60.0))
    found = len(told(detector, lane(2400)))
    assert found <= poisson.isf(1e-3, 40)
    assert found >= poisson.ppf(1e-3, 40 / 3), "a rate far below the stated one would waste sensitivity"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tenth_of_an_ampere_square_metre_at_two_metres_is_seen(seed: int) -> None:
    """2.5 nT of a small iron object passing at 1 m/s, at one false alarm in ten hours."""
    passing = Pass((0.0, 0.0, 0.1), at_s=400.0, speed_mps=1.0, closest_m=2.0)
    found = alarms(PassDetector(), lane(430, (passing,), seed))
    assert found
    assert all(390 <= n <= 425 for n, _ in found)
    first = found[0][1]
    assert first.energy > first.threshold
    assert first.pfa < 0.1 / 3600


def test_one_pass_is_one_alert_told_within_three_seconds_of_its_strongest_moment() -> None:
    """The detector speaks with every reading of a strong pass; an officer hears of it once, and soon."""
    field = lane(460, (Pass((0.0, 0.0, 1.0), at_s=400.0, speed_mps=2.0, closest_m=2.0),))
    ((at, moment),) = told(PassDetector(), field)
    assert len(alarms(PassDetector(), field)) > 5
    # The strongest moment is three times closest approach over speed after the object was abreast.
    assert 400 <= at <= 406
    assert moment.peak_t > 3e-9


def test_readings_of_any_length_are_cut_into_the_same_steps() -> None:
    """Single rows, shorter than a step, give what whole seconds give; passes 22 s apart are told for themselves."""
    trolleys = tuple(Pass((2.0, 0.5, -4.0), at_s, closest_m=0.8) for at_s in (22.0, 44.0))
    field = lane(60, trolleys)
    detector, passing, heard = PassDetector(), Passing(0.05), []
    for n in range(len(field)):
        now = reading(field[n:n + 1], n)
        anomaly = detector.feed(now)
        moment = passing.take(Moment(anomaly, now, Future()) if anomaly else None)
        if moment:
            heard.append(n / RATE_HZ)
    assert [round(at / 22.0) for at in heard] == [1, 2], heard


def test_parked_iron_becomes_background() -> None:
    """A step of the field alarms, then is learnt, and a later pass is seen again."""
    field = lane(1100, (Pass((0.0, 0.0, 1.0), at_s=1050.0, closest_m=2.0),))
    field[400 * ROWS:] += 300.0
    found = [n for n, _ in alarms(PassDetector(), field)]
    assert any(398 <= n <= 404 for n in found)
    assert any(1040 <= n <= 1065 for n in found)


def test_nothing_is_said_before_the_background_is_learnt_or_across_a_gap() -> None:
    """A jump of the row number starts to learn again rather than alarm on the seam."""
    detector, field = PassDetector(), lane(420)
    for n in range(320):
        assert detector.feed(reading(field[n * ROWS:(n + 1) * ROWS], n)) is None
    for n in range(330, 420):
        later = field[n * ROWS:(n + 1) * ROWS] + 500.0
        assert detector.feed(reading(later, n)) is None


def test_a_channel_that_is_no_field_or_stuck_takes_no_part() -> None:
    """Temperatures are ignored, a frozen axis is left out, and a device without a field says nothing."""
    field = lane(430, (Pass((0.0, 0.0, 1.0), at_s=400.0, closest_m=2.0),))
    field[:, 0] = 123.0
    assert alarms(PassDetector(), field)
    assert not alarms(PassDetector(), field, unit="degC")


def test_values_that_are_not_numbers_are_passed_over() -> None:
    """A reading with NaN neither alarms nor poisons the background."""
    detector, field = PassDetector(), lane(430, (Pass((0.0, 0.0, 1.0), at_s=420.0, closest_m=2.0),))
    field[350 * ROWS] = np.nan
    assert detector.feed(reading(field[350 * ROWS:351 * ROWS], 350)) is None


def test_the_unit_does_not_change_the_answer() -> None:
    """The same field in tesla and in nanotesla gives the same energy and the same peak."""
    field = lane(430, (Pass((0.0, 0.0, 1.0), at_s=400.0, closest_m=2.0),))
    nano, tesla = alarms(PassDetector(), field), alarms(PassDetector(), field * 1e-9, unit="T")
    assert [n for n, _ in nano] == [n for n, _ in tesla]
    assert nano[0][1].energy == pytest.approx(tesla[0][1].energy, rel=1e-3)
    assert nano[0][1].peak_t == pytest.approx(tesla[0][1].peak_t, rel=1e-6)


def test_a_recorded_magnetometer_background_keeps_the_rate_too() -> None:
    """A real optically pumped magnetometer in a shield, 510 blocks of its demodulated output, n = 1 recording."""
    volts = np.loadtxt(CAPTURES / "opm_moku_noise_20250923.csv", delimiter=",", comments="%", usecols=2)
    detector = PassDetector(LaneSettings(false_alarms_per_hour=36.0))
    found = alarms(detector, volts[:, None], unit="T", rows=32, rate_hz=160.0)
    assert len(found) <= poisson.isf(1e-3, len(volts) / 32.0 * 36.0 / 3600.0 * 5.0)


def test_a_pass_over_a_recorded_background_is_seen_and_measured() -> None:
    """Semi-synthetic: the recording has no tesla, so its volts are scaled to 10 pT a step and a dipole is added."""
    volts = np.loadtxt(CAPTURES / "opm_moku_noise_20250923.csv", delimiter=",", comments="%", usecols=2)
    steps = len(volts) // 32
    noise = volts - np.median(volts)
    noise *= 0.010 / noise[: steps * 32].reshape(steps, 32).mean(axis=1).std()
    time_s = np.arange(len(volts)) / 160.0
    u = time_s - 80.0
    passing = 0.5 * (1.0 + 0.3 * u - 0.5 * u**2) * (1.0 + u**2) ** -2.5
    detector = PassDetector(LaneSettings(false_alarms_per_hour=0.1))
    found = alarms(detector, (noise + passing)[:, None], rows=160, rate_hz=160.0)
    assert found
    assert 78 <= max(found, key=lambda one: one[1].energy)[0] <= 85


@pytest.mark.parametrize("shape", ["twins", "ramp", "alternating", "steps", "huge"])
def test_a_device_that_says_something_degenerate_stops_nothing(shape: str) -> None:
    """Equal columns, exact ramps, constant blocks and absurd values neither raise nor give an endless energy."""
    steps = np.arange(340 * ROWS, dtype=float)
    noise = np.random.default_rng(1).standard_normal(340 * ROWS)
    columns = {
        "twins": (noise, noise),
        "ramp": (steps, 2.0 * steps),
        "alternating": (steps % 2.0, 1.0 - steps % 2.0),
        "steps": (steps // 400.0, steps // 700.0),
        "huge": (noise * 1e250, noise),
    }[shape]
    for _, anomaly in alarms(PassDetector(), np.stack(columns, axis=1)):
        assert np.isfinite(anomaly.energy)


def test_a_certificate_that_ends_is_no_object_passing() -> None:
    """When readings turn uncalibrated their values step; the detector learns anew and says nothing."""
    detector, field = PassDetector(), lane(340)
    for n in range(330):
        assert detector.feed(reading(field[n * ROWS:(n + 1) * ROWS], n)) is None
    for n in range(330, 340):
        later = reading(field[n * ROWS:(n + 1) * ROWS] + 300.0, n)
        assert detector.feed(replace(later, trust=Trust(calibrated=False, certificate_sha256=None))) is None

"""What the lane's network adds is measured on other events, also in a recorded background."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from gateway.lane.pass_model import SHIPPED
from hil.bench.lane_events import DISTURBANCES, PASSES, draw_other_event
from hil.bench.lane_likeness import auc, ece, lines, measure_likeness
from hil.training.lane_events import draw_event

CAPTURES = Path(__file__).parents[1] / "captures"


def test_events_that_measure_are_of_no_kind_that_trained() -> None:
    """Their names and makers are other ones, and both sources draw as many passes as disturbances."""
    for draw in (draw_event, draw_other_event):
        rng = np.random.default_rng(1)
        events = [draw(rng) for _ in range(60)]
        assert 15 < sum(one.passed for one in events) < 45
        assert all(np.isfinite(one.field).all() and np.abs(one.field).max() > 0 for one in events)
    rng = np.random.default_rng(2)
    assert not {draw_event(rng).kind for _ in range(60)} & set(PASSES | DISTURBANCES)


def test_area_and_calibration_error_are_those_of_small_cases() -> None:
    """Counted by hand."""
    passed = np.array([True, True, False, False])
    assert auc(np.array([0.9, 0.4, 0.5, 0.1]), passed) == 0.75
    assert ece(np.array([0.95, 0.95, 0.05, 0.05]), passed) < 0.06
    assert ece(np.array([0.05, 0.05, 0.95, 0.95]), passed) > 0.9


@cache
def recording() -> np.ndarray:
    """Steps of 32 rows of a real magnetometer's output, in units of their noise, there and back again."""
    volts = np.loadtxt(CAPTURES / "opm_moku_noise_20250923.csv", delimiter=",", comments="%", usecols=2)
    noise = volts[: len(volts) // 32 * 32].reshape(-1, 32).mean(axis=1)
    return np.asarray((np.concatenate([noise, noise[::-1]]) - np.median(noise)) / np.diff(noise).std())


def recorded(rng: np.random.Generator, steps: int, channels: int) -> np.ndarray:
    """Read the recording to and fro from a random place for each channel; n = 1."""
    around = recording()
    starts = rng.integers(0, len(around), channels)
    rows = (np.arange(steps)[:, None] + starts) % len(around)
    return np.asarray(around[rows])


def test_the_label_holds_in_a_recorded_background() -> None:
    """Semi-synthetic, n = 1 recording: passes score above disturbances there too."""
    found = measure_likeness(SHIPPED, 90, 9, recorded, 100.0)
    assert found.passes + found.disturbances > 60
    assert found.auc_network > 0.85
    assert "calibration error" in "\n".join(lines(found))

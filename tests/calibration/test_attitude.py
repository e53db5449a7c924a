"""Only what was held still becomes an attitude, and its stated error is that of its mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.attitude import ATTITUDES_MAX, AttitudeCollector, Holding
from calibration.attitude_session import AttitudeSession, SessionRefused
from calibration.directions import (
    GAP_DEG_MAX,
    direction_name,
    missing_octants,
    spread_directions,
    unit_directions,
    widest_gap,
)
from drivers.sample import Channel, Fault, Identity, Sample
from hil.scene.tumble import Tumble, attitude_directions, tumble_source

if TYPE_CHECKING:
    from drivers.sample import Event

RATE_HZ = 50.0
FAST = Tumble(hold_s=2.0, turn_s=0.5, attitudes=24, noise_nt=1.0)


def tumbled(tumble: Tumble, seconds: float) -> np.ndarray:
    """Return what the emulated sensor reads from its start on."""
    return tumble_source(tumble)(0.0, round(seconds * RATE_HZ), RATE_HZ)


def packets(values: np.ndarray, rows: int = 5) -> list[Sample]:
    """Return rows as a magnetometer's driver delivers them, with a temperature beside the three axes."""
    channels = (Channel("therm", "temperature", "C"),
                *(Channel(f"vector.{axis}", "magnetic flux density", "nT") for axis in "xyz"))
    device = Identity("Twinleaf", "VMR", "V-1", "abc")
    return [Sample(device, "field", channels, np.column_stack([np.full(len(part), 24.0), part]), RATE_HZ,
                   start, start, b"")
            for start, part in ((at, values[at:at + rows]) for at in range(0, len(values), rows))]


def test_each_held_attitude_counts_once_and_motion_never() -> None:
    """A sensor that tumbles through 24 attitudes gives 24, each where it was truly held."""
    collector = AttitudeCollector(RATE_HZ, 24)
    assert collector.feed(tumbled(FAST, 24 * 2.5)) == 24
    assert collector.complete
    truth = attitude_directions(FAST)
    found = unit_directions((collector.attitudes().readings - FAST.offset_nt) / np.array(FAST.scale))
    nearest = np.degrees(np.arccos(np.clip((found @ truth.T).max(axis=1), -1, 1)))
    assert nearest.max() < 1.0  # the sensor's own leaning axes move a direction by up to 0.7 degrees
    assert len(set((found @ truth.T).argmax(axis=1).tolist())) == 24


@pytest.mark.parametrize("size", [1, 7, 50, 333])
def test_a_stream_gives_the_same_attitudes_however_it_is_cut(size: int) -> None:
    """Packets, blocks or single rows: the same rows, the same means."""
    rows = tumbled(FAST, 20.0)
    whole, cut = AttitudeCollector(RATE_HZ, 24), AttitudeCollector(RATE_HZ, 24)
    whole.feed(rows)
    for start in range(0, len(rows), size):
        cut.feed(rows[start:start + size])
    np.testing.assert_array_equal(whole.attitudes().readings, cut.attitudes().readings)
    np.testing.assert_array_equal(whole.attitudes().u, cut.attitudes().u)


def test_the_stated_error_of_a_mean_and_the_noise_of_a_row_are_the_true_ones() -> None:
    """50 rows of 1 nT: 0.14 nT for the mean."""
    collector = AttitudeCollector(RATE_HZ, 24)
    collector.feed(tumbled(FAST, 60.0))
    np.testing.assert_allclose(collector.row_noise(), 1.0, rtol=0.1)
    np.testing.assert_allclose(collector.attitudes().u, 1.0 / np.sqrt(50.0), rtol=0.15)


def test_noise_slower_than_a_block_is_not_averaged_away_on_paper() -> None:
    """A field that wanders by 2 nT within a hold gives an error of its mean that says so."""
    rows = tumbled(replace(FAST, noise_nt=0.01), 60.0)
    wander = np.repeat(np.random.default_rng(3).standard_normal(len(rows) // 10), 10)
    along = unit_directions(rows - FAST.offset_nt)
    collector = AttitudeCollector(RATE_HZ, 24)
    collector.feed(rows + 2.0 * wander[:, None] * along)
    np.testing.assert_allclose(collector.attitudes().u, 2.0 / np.sqrt(5.0), rtol=0.25)


def test_the_same_attitude_again_is_not_another() -> None:
    """A sensor that lies on a table is one attitude however long it lies there, and the advice says to turn it."""
    collector = AttitudeCollector(RATE_HZ, 12)
    still = tumbled(replace(FAST, hold_s=1e6), 60.0)
    assert collector.feed(still) == 1
    assert collector.progress().advice.startswith("turn the sensor until the field points along")


def test_a_sensor_that_never_rests_gives_no_attitude() -> None:
    """Turning slowly is turning."""
    collector = AttitudeCollector(RATE_HZ, 12)
    assert collector.feed(tumbled(replace(FAST, hold_s=1e-6, turn_s=3.0), 60.0)) == 0
    assert collector.progress().advice == "hold the sensor still in any position"


def test_collecting_goes_on_until_no_wide_gap_is_left() -> None:
    """The wanted number on half the sphere is not enough."""
    collector = AttitudeCollector(RATE_HZ, 12)
    order = spread_directions(40)  # from +z down
    rows = np.repeat(50_000.0 * order, 100, axis=0) + np.random.default_rng(1).standard_normal((4000, 3))
    collector.feed(rows[:1500])
    assert collector.progress().attitudes == 15
    assert not collector.complete
    assert "-z" in collector.progress().advice
    collector.feed(rows[1500:])
    assert collector.complete
    assert collector.progress().gap_deg <= GAP_DEG_MAX
    assert collector.progress().attitudes < ATTITUDES_MAX


def test_lost_rows_flags_and_faults_end_the_running_hold() -> None:
    """A hold with a hole in it is no hold; the session goes on after it."""
    rows = tumbled(replace(FAST, hold_s=1e6), 6.0)
    whole = packets(rows[:75])
    assert sum(map(AttitudeSession(12, Holding()).take, whole)) == 1
    cases: dict[str, list[Event]] = {
        "lost": [*whole[:7], *packets(rows[:80])[8:]],
        "flagged": [*whole[:7], replace(whole[7], flags=("saturated",)), *whole[8:]],
        "fault": [*whole[:7], Fault("gap", "rows lost", 0), *whole[7:]],
        "not finite": [*whole[:7], replace(whole[7], values=np.full((5, 4), np.nan)), *whole[8:]],
    }
    for name, events in cases.items():
        session = AttitudeSession(12, Holding())
        assert sum(map(session.take, events)) == 0, name
        assert session.take(replace(packets(rows[:5])[0], first_row=9999)) == 0
        later = [replace(sample, first_row=10_004 + sample.first_row) for sample in packets(rows)]
        assert sum(map(session.take, later)) == 1, name


def test_a_session_finds_its_axes_or_says_what_the_device_has() -> None:
    """The first three channels in nT, or those that were asked for."""
    sample = packets(tumbled(FAST, 1.0))[0]
    session = AttitudeSession(12, Holding())
    session.take(sample)
    assert session.channels == ("vector.x", "vector.y", "vector.z")
    turned = AttitudeSession(12, Holding(), ("vector.z", "vector.x", "vector.y"))
    turned.take(sample)
    assert turned.channels == ("vector.z", "vector.x", "vector.y")
    lost = AttitudeSession(12, Holding(), ("a", "b", "c"))
    lost.take(sample)
    assert lost.collector is None
    assert lost.why_nothing() == ("no stream has a, b, c; the device delivers field: therm (C), vector.x (nT), "
                                  "vector.y (nT), vector.z (nT)")
    silent = AttitudeSession(12, Holding())
    assert silent.why_nothing() == "no sample came"
    silent.take(Fault("port missing", "/dev/x: no such file", 0))
    assert silent.why_nothing() == "no sample came; port missing: /dev/x: no such file"


def test_a_session_is_for_one_device_that_tells_its_serial_number() -> None:
    """Another sensor on the same port, or a nameless one, gets no certificate."""
    sample = packets(tumbled(FAST, 1.0))[0]
    session = AttitudeSession(12, Holding())
    session.take(sample)
    with pytest.raises(SessionRefused, match="start again with one sensor"):
        session.take(replace(sample, device=replace(sample.device, serial="V-2")))
    with pytest.raises(SessionRefused, match="does not tell a serial number"):
        AttitudeSession(12, Holding()).take(replace(sample, device=replace(sample.device, serial="")))


def test_directions_are_named_by_the_axes_they_lean_on() -> None:
    """Words a technician can act on."""
    assert direction_name(np.array([0.0, 0.0, -1.0])) == "-z"
    assert direction_name(np.array([0.7, -0.7, 0.1])) == "+x -y"
    gap_deg, name = widest_gap(np.array([[0.0, 0.0, 1.0], [0.0, 0.9, 0.436]]))
    assert gap_deg > 90.0
    assert "-z" in name
    assert missing_octants(np.array([[1.0, 1.0, 1.0]]))[0] == "+x +y -z"
    assert len(missing_octants(spread_directions(30))) == 0

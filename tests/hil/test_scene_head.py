"""The emulated head is shown one scenario after another, and a scan's number decides which."""

from __future__ import annotations

from calibration.schedule import schedule
from hil.scene.head import Belt
from hil.scene.scenario import SCENARIOS

PLANS = schedule(60.0)


def test_the_belt_shows_the_scenarios_in_turn_and_begins_anew() -> None:
    """Scan 1 sees the first load, the scan after the last sees the first again."""
    belt = Belt(SCENARIOS)
    names = [belt.scenario(scan_id).name for scan_id in range(1, 2 * len(SCENARIOS) + 1)]
    assert names == [s.name for s in SCENARIOS] * 2


def test_a_scan_number_gives_the_same_field_whenever_it_is_asked_for() -> None:
    """Scans may be asked for late, twice or out of order; the same number gives the same bits."""
    belt = Belt(SCENARIOS, seed=7)
    third, ninth, again = belt(PLANS, 3), belt(PLANS, 9), belt(list(PLANS), 3)
    assert [b.field_ft.tobytes() for b in third.bands] == [b.field_ft.tobytes() for b in again.bands]
    assert third.standoff_m == again.standoff_m
    assert third.bands[0].field_ft.tobytes() != ninth.bands[0].field_ft.tobytes()
    assert third.bands[0].field_ft.tobytes() != Belt(SCENARIOS, seed=8)(PLANS, 3).bands[0].field_ft.tobytes()


def test_the_head_gets_one_band_for_each_plan_with_its_pilot_and_powers() -> None:
    """Whatever subset of bands the head was told, it feels exactly those, in order."""
    felt = Belt(SCENARIOS)(PLANS[3:6], 5)
    assert len(felt.bands) == 3
    assert SCENARIOS[4].name == "shielded"
    assert all(band.reflected_w > 0.3 * band.forward_w for band in felt.bands)
    assert [band.pilot_offset_hz for band in felt.bands] == [-9_375.0] * 3

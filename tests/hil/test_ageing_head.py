"""An ageing head is the same head with one thing changed, more with every scan, and the watch finds each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.schedule import schedule
from gateway.detection.verdict import Outcome, SubstanceScore, Verdict
from gateway.drift.bounds import Quantity
from gateway.drift.look import Look, look_at
from gateway.drift.watch import DEGRADED, DriftWatch
from hil.bay_file import parse_bay
from hil.instruments.nqr_drift import AGEINGS, Aged
from hil.scene.head import Belt
from hil.scene.scan import BandField, SceneScan
from hil.scene.scenario import scenario
from hil.table import EMULATED
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from hil.instruments.felt import FeltScan

PLANS = schedule(60.0)[:2]
SCORE = SubstanceScore("PETN", 1.0, 0.5, 0.1, 295.0, 1.0, alarmed=False, lines=())
CLEAR = Verdict(Outcome.CLEAR, (), (SCORE,), 1, bytes(32), bytes(32))


def look_of(felt: FeltScan, number: int) -> Look:
    """Return what the watch sees of a scan."""
    bands = tuple(BandField(plan, band.field_ft, band.pilot_offset_hz, band.pilot_ft, band.forward_w, band.reflected_w)
                  for plan, band in zip(PLANS, felt.bands, strict=True))
    return look_at(calibrated(SceneScan(bands, 60.0, felt.bay_temperature_c, felt.standoff_m), number), CLEAR)


def aged(name: str) -> Aged:
    """Return an ageing head in an empty bay."""
    return Aged(Belt((scenario("empty"),), seed=2), AGEINGS[name], 2)


def test_a_head_ages_from_its_first_bad_scan_on_and_the_same_each_time() -> None:
    """Before it the scene is untouched; the same scan asked for again is the same."""
    head, ageing = aged("drift-gain"), AGEINGS["drift-gain"]
    young, plain = head(PLANS, ageing.from_scan - 1), Belt((scenario("empty"),), seed=2)(PLANS, ageing.from_scan - 1)
    assert np.array_equal(young.bands[0].field_ft, plain.bands[0].field_ft)
    old, again = (head(PLANS, ageing.from_scan + 3).bands[1].field_ft for _ in range(2))
    assert np.array_equal(old, again)
    assert not np.array_equal(old, Belt((scenario("empty"),), seed=2)(PLANS, ageing.from_scan + 3).bands[1].field_ft)
    assert aged("drift-sensor")(PLANS, 30).bay_temperature_c == pytest.approx(
        Belt((scenario("empty"),), seed=2)(PLANS, 30).bay_temperature_c + 5.0)


@pytest.mark.parametrize(("name", "quantity"), [
    ("drift-noise", Quantity.NOISE), ("drift-gain", Quantity.GAIN), ("drift-phase", Quantity.PHASE),
])
def test_the_watch_finds_what_ages(name: str, quantity: Quantity) -> None:
    """Whole scans from the scene through the calibration: quiet for twenty, then the fault names the quantity."""
    head, watch = aged(name), DriftWatch()
    told = [(number, fault) for number in range(1, 28) for fault in watch.take(look_of(head(PLANS, number), number), 1)]
    assert told
    assert told[0][0] > AGEINGS[name].from_scan
    assert told[0][1].kind == DEGRADED
    assert any(fault.detail.startswith(quantity) for _, fault in told), "and noise behind a lost gain is lost, too"


def test_every_ageing_can_stand_in_a_bay() -> None:
    """A bay file may name them, to show what the gateway says."""
    for name in AGEINGS:
        assert name in EMULATED["nqr-head"].scenes
        parse_bay(f'[[instrument]]\nname = "head"\nemulate = "nqr-head"\nscene = "{name}"\ntcp = 0\n')

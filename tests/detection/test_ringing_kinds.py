"""Ringing that is slow, alternates, or comes from the coil is taken for what it is, and costs a substance nothing."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.schedule import schedule
from gateway.detection.detector import Detector
from gateway.detection.policy import Policy
from gateway.detection.verdict import Outcome, Verdict
from hil.scene.bay import Bay
from hil.scene.load import Content, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated


@pytest.fixture(scope="module")
def detector() -> Detector:
    """The likelihood ratio alone."""
    return Detector(Policy())


def decided(detector: Detector, bay: Bay, load: Load) -> Verdict:
    """Return the verdict on one scan of 300 s."""
    return detector.decide(calibrated(scan(schedule(300.0), bay, load, np.random.default_rng(2), 300.0)))


@pytest.mark.parametrize(("decay_s", "alternates"), [(2e-3, 1.0), (2e-3, 0.5), (6e-3, 0.0), (10e-3, 0.0)])
def test_ringing_of_any_kind_is_no_substance(detector: Detector, decay_s: float, alternates: float) -> None:
    """200 fT of it in a load without a covered substance leave the scan clear."""
    load = Load(standoff_m=0.15, ringing_ft=200.0, ringing_decay_s=decay_s, ringing_alternates=alternates)
    verdict = decided(detector, Bay(), load)
    assert verdict.outcome is Outcome.CLEAR, verdict.reasons


def test_a_long_ring_of_the_coil_is_no_alarm(detector: Detector) -> None:
    """5 pT left of it when the window opens may cost the scan its limits, never its truth; a short one none."""
    long, short = (decided(detector, Bay(ringdown_ft=ft, ringdown_s=s), Load(standoff_m=0.15))
                   for ft, s in ((1e5, 200e-6), (1e6, 60e-6)))
    assert long.outcome is not Outcome.ALARM
    assert short.outcome is Outcome.CLEAR


def test_a_substance_is_found_beside_ringing_that_alternates(detector: Detector) -> None:
    """RDX 2 dB above its reference mass is named, and nothing else is."""
    load = Load((Content("RDX (alpha)", 0.42),), standoff_m=0.15, ringing_ft=200.0, ringing_alternates=1.0)
    assert [one.substance for one in decided(detector, Bay(), load).scores if one.alarmed] == ["RDX (alpha)"]

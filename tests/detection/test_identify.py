"""What names a substance, what names nothing, and what is told of a line that nobody knows. Emulated scenes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import binom

from calibration.schedule import schedule
from gateway.detection.beam import Beam
from gateway.detection.detector import Detector, Policy
from gateway.detection.glrt import Scene
from gateway.detection.resonance import SHARE, resonances
from gateway.detection.verdict import Outcome, Resonance, Verdict
from gateway.detection.wording import unidentified
from gateway.evidence.body import VerdictBody
from gateway.evidence.describe import verdict as described
from hil.scene.bay import Bay, Station, Tier
from hil.scene.load import Content, ForeignLine, Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan

PLANS = schedule(300.0)
BAY = Bay(tier=Tier.B)
ROOM = Load(standoff_m=0.15, temperature_k=297.5)


@cache
def detector() -> Detector:
    """The likelihood ratio alone: what the network might veto is not asked here."""
    return Detector(Policy())


def felt(load: Load, seed: int = 1, bay: Bay = BAY) -> CalibratedScan:
    """A calibrated scan of 300 s."""
    return calibrated(scan(PLANS, bay, load, np.random.default_rng(seed), 300.0))


def of(load: Load, seed: int = 1, bay: Bay = BAY) -> Verdict:
    """The verdict on it."""
    return detector().decide(felt(load, seed, bay))


def named(verdict: Verdict) -> set[str]:
    """Substances that alarmed."""
    return {score.substance for score in verdict.scores if score.alarmed}


@pytest.mark.parametrize(("khz", "amplitude_ft", "t2e_s"), [
    (416.2, 60.0, 0.5), (487.5, 90.0, 0.1), (872.3, 90.0, 0.05), (3957.0, 40.0, 0.02), (5179.0, 40.0, 0.01)])
def test_a_line_that_fits_nothing_is_told_where_it_is_and_how_strong(khz: float, amplitude_ft: float,
                                                                    t2e_s: float) -> None:
    """Neither alarm nor clear: an unidentified resonance at its frequency, amplitude and decay, in words as well."""
    verdict = of(replace(ROOM, foreign=(ForeignLine(khz, amplitude_ft, t2e_s=t2e_s),)))
    assert (verdict.outcome, named(verdict)) == (Outcome.NOT_INSPECTABLE, set())
    assert verdict.resonances is not None
    strongest = verdict.resonances[0]
    assert strongest.found_khz == pytest.approx(khz, abs=0.1)
    assert strongest.z > 30.0
    assert strongest.p_value < SHARE * Policy().pfa_per_scan
    assert 0.5 * strongest.low_s <= t2e_s <= 2.0 * strongest.high_s
    assert any(f"unidentified resonance at {strongest.found_khz:.1f} kHz" in reason for reason in verdict.reasons)


def test_noise_alone_shows_an_unidentified_resonance_as_often_as_stated() -> None:
    """At a stated rate of one scan in five, within the binomial bounds of 100 scans and not far below."""
    rng = np.random.default_rng(3)
    trials, stated, found = 100, 0.2, 0
    for _ in range(trials):
        beams = [Beam(plan, (rng.normal(size=(8, 256)) + 1j * rng.normal(size=(8, 256))) * np.sqrt(0.5), np.ones(256),
                      np.zeros(256, bool), np.ones(8, bool), np.ones(256), np.ones(256), 0.0) for plan in PLANS]
        found += bool(resonances(Scene(tuple(beams), 300.0, 0.15), {}, stated / SHARE))
    assert binom.ppf(1e-3, trials, stated / 4) <= found <= binom.isf(1e-3, trials, stated)


@pytest.mark.parametrize("name", ["ammonium nitrate", "potassium chlorate", "RDX (alpha)", "TNT (monoclinic)", "PETN"])
def test_a_hundred_times_the_limit_leaves_nothing_unidentified(name: str) -> None:
    """The strongest lines leave no residue that would pass for another crystal."""
    verdict = of(replace(ROOM, contents=(Content(name, 40.0),), temperature_k=291.3, slope_deviation=0.4))
    assert named(verdict) == {name}
    assert verdict.resonances is None


def test_one_line_of_two_names_nothing_where_the_other_lies_outside_the_bands() -> None:
    """Below 258 K the upper line of RDX has left its band: a line at the lower one's place may be any crystal's."""
    verdict = of(replace(ROOM, foreign=(ForeignLine(3423.7, 60.0, t2e_s=0.008, t2star_us=910.0),)))
    assert named(verdict) == set()
    assert verdict.resonances is not None
    assert any("RDX (alpha) may have a line there" in reason for reason in verdict.reasons)


def test_potassium_chlorate_is_named_by_its_only_line_but_not_beside_a_line_nobody_knows() -> None:
    """With one line that is all there is to see; a foreign crystal that shows a second one may have both."""
    alone = replace(ROOM, contents=(Content("potassium chlorate", 6.0),))
    assert named(of(alone)) == {"potassium chlorate"}
    beside = of(replace(alone, foreign=(ForeignLine(872.3, 40.0, t2e_s=0.05),)))
    assert beside.outcome is Outcome.NOT_INSPECTABLE
    assert beside.resonances is not None
    assert "potassium chlorate" in {one.near for one in beside.resonances}
    assert len(beside.resonances) == 2


def test_a_line_that_dies_away_ten_times_too_fast_is_not_potassium_chlorate() -> None:
    """Only a fraction of it fits the table's decay: another one explains it far better."""
    verdict = of(replace(ROOM, foreign=(ForeignLine(531.0, 250.0, t2e_s=0.01),)))
    assert named(verdict) == set()
    assert verdict.resonances is not None


@pytest.mark.parametrize("kelvin", [286.0, 290.0, 297.5, 303.0])
def test_petn_and_ammonium_nitrate_are_both_named_where_their_lines_lie_on_each_other(kelvin: float) -> None:
    """495 and 496 kHz move across each other with temperature; 890 and 423 kHz tell them apart."""
    both = (Content("PETN", 4.0), Content("ammonium nitrate", 3.0))
    verdict = of(replace(ROOM, contents=both, temperature_k=kelvin))
    assert named(verdict) == {"PETN", "ammonium nitrate"}
    assert verdict.resonances is None


def test_ringing_beside_a_station_on_the_carrier_is_no_resonance() -> None:
    """What hazards leave behind is not told as a crystal."""
    bay = replace(BAY, stations=(Station(531.0, 5000.0),))
    for seed in range(3):
        verdict = of(replace(ROOM, ringing_ft=400.0), seed, bay)
        assert (named(verdict), verdict.resonances) == (set(), None)


def test_words_and_record_tell_what_the_verdict_holds() -> None:
    """Frequency, amplitude, decay, and whose line it may be."""
    found = (Resonance(500.123, 4.2, 0.3, 88.0, 1e-9, 0.02, 0.01, 0.04, ""),
             Resonance(531.4, 4.2, 0.3, 60.0, 1e-6, 0.2, 0.1, 0.4, "potassium chlorate"))
    words = unidentified(found)
    assert words[0] == "unidentified resonance at 500.1 kHz (4.2 fT): it fits no substance in the table"
    assert "potassium chlorate may have a line there" in words[1]
    verdict = Verdict(Outcome.NOT_INSPECTABLE, words, (), 1, bytes(32), bytes(32), resonances=found)
    assert any("500.123 kHz, 4.2 fT" in line for line in described(VerdictBody("head", verdict)))

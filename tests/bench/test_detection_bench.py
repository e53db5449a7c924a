"""The bench of detection: its theory is the reference's, its statistics find what was put in, its second bay agrees."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, fisher_exact, ks_2samp, kstest, ncx2

from calibration.lines import covered, line_table
from calibration.moment import axial_field_ft, composition_of, moment_per_kg
from calibration.priors import properties
from calibration.schedule import repetition_s, train_s
from gateway.detection.chisquare import isf_even, required_deflection
from gateway.detection.policy import Policy
from gateway.judgement import SHIPPED_MODEL
from hil.bench.detection.bench import AboveTheLimit, _check_limit
from hil.bench.detection.crew import Alone, crew_of
from hil.bench.detection.curves import Trials, needed, threshold, threshold_again
from hil.bench.detection.report import difference_p
from hil.bench.detection.scenes import Draw, Laid, LaidAgain, mixed, white
from hil.bench.detection.theory import (
    DWELL_S,
    KELVIN,
    PLANS,
    STANDOFF_M,
    clairvoyant_d,
    clairvoyant_pd,
    deflection,
    references,
)
from hil.bench.detection.trials import Ground, Nulls, Scene, Targets, nulls, targets
from hil.bench.detection.uniform import kolmogorov, uniformity
from hil.bench.second_scene import Parcel, signal_ft
from hil.scene.bay import Bay, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import line_field
from hil.scene.sources import sources

KEYS = ["substance", "tier", "scene", "mass_kg", "standoff_m", "dwell_s", "trials", "pd", "pd_lower95", "pfa",
        "pfa_upper95", "gap_glrt_db", "gap_cnn_db", "gap_combined_db", "decide_ms"]
NAMES = [substance.name for substance in covered()]


@pytest.mark.parametrize("substance", ["ammonium nitrate", "PETN"])
def test_the_deflection_is_that_of_the_closed_form(substance: str) -> None:
    """d^2 = (B0 / S)^2 Teff, with the effective time of what this head really listens to, summed over channels."""
    load = Load((Content(substance, 1.0),), standoff_m=STANDOFF_M, temperature_k=KELVIN)
    expected = 0.0
    for source, line in zip(sources(load, KELVIN), line_table().lines_of(substance), strict=True):
        plan = min(PLANS, key=lambda plan: abs(plan.carrier_hz - source.frequency_hz))
        if abs(source.frequency_hz - plan.carrier_hz) >= plan.rate_hz / 2:
            continue
        known = properties(line)
        moment = moment_per_kg(composition_of(substance), line.frequency_khz * 1e3, line.nucleus, KELVIN)
        excited = np.sinc((source.frequency_hz - plan.carrier_hz) * 40e-6)
        b0 = axial_field_ft(moment, STANDOFF_M) * excited
        recovered = 1 - math.exp(-(repetition_s(plan, DWELL_S) - train_s(plan)) / known.t1_s.value)
        echoes = np.arange(8 * plan.echoes_per_group)
        train = np.sum(np.exp(-2 * (echoes + 0.5) * plan.echo_spacing_s / known.t2e_s.value))
        echo_s = known.t2star_us.value * 1e-6 * (1 - math.exp(-256 / plan.rate_hz / known.t2star_us.value * 1e6))
        sensors = np.array([[x, y] for y in (-0.03, 0.03) for x in (-0.06, 0.0, 0.06)])
        r = np.hypot(np.hypot(*sensors.T), STANDOFF_M)
        seen = np.sum(((3 * (STANDOFF_M / r) ** 2 - 1) / 2 * (STANDOFF_M / r) ** 3) ** 2)
        expected += b0**2 * plan.trains * recovered**2 * train * echo_s * seen
    assert deflection(load, Bay(tier=Tier.B)) == pytest.approx(math.sqrt(expected), rel=0.02)


def test_theory_gives_the_check_values_of_the_reference() -> None:
    """Deflections for Pd 0.9 at Pfa 1e-3: 4.37 knowing all, 4.88 without the phase, 5.26 for two lines."""
    assert clairvoyant_d(0.9, 1e-3) == pytest.approx(4.37, abs=0.005)
    assert required_deflection(0.9, isf_even(1e-3, 1), 1) == pytest.approx(4.88, abs=0.005)
    assert required_deflection(0.9, isf_even(1e-3, 2), 2) == pytest.approx(5.26, abs=0.005)
    assert clairvoyant_pd(1.266, 0.01) == pytest.approx(0.1445, abs=5e-5)


def test_the_reference_mass_is_the_one_that_theory_fixes() -> None:
    """At `mass_kg` the noncentral chi-square gives 0.999 at 1e-3 over all looks; at `known_kg` over one."""
    for one in references(Tier.B):
        for mass_kg, looks in ((one.mass_kg, one.looks), (one.known_kg, 1.0)):
            level = chi2.isf(1e-3 / looks, 2 * one.lines)
            assert ncx2.sf(level, 2 * one.lines, (mass_kg * one.d_per_kg) ** 2) == pytest.approx(0.999, abs=1e-5)
    assert [one.substance for one in references(Tier.B)] == NAMES


@pytest.mark.parametrize("substance", NAMES)
def test_both_generators_give_a_line_the_same_field(substance: str) -> None:
    """Two texts, one physics: no more than half a per cent between them, at a temperature off the table's."""
    load = Load((Content(substance, 1.0),), standoff_m=0.15, lateral_m=(0.02, -0.01), temperature_k=288.0,
                slope_deviation=0.4)
    parcel = Parcel({substance: 1.0}, (0.02, -0.01, 0.15), 288.0, 0.4)
    for plan in PLANS:
        first, second = line_field(plan, sources(load, 295.0), DWELL_S), signal_ft(plan, parcel, DWELL_S)
        assert np.abs(first - second).max() <= 0.005 * np.abs(first).max()


def test_both_generators_make_the_same_noise() -> None:
    """Mean power per bin of a mixed bay without stations: within 3 % overall, within 10 % at the band's edges."""
    drawn = mixed(Tier.B, np.random.default_rng(3))
    draw = Draw(replace(drawn.bay, stations=(), pilot_ft=50.0), Load(standoff_m=0.15))
    power = [np.mean([spectrum_of(make(draw, seed).scan) for seed in range(6)], axis=0) for make in (Laid, LaidAgain)]
    assert power[0].mean() == pytest.approx(power[1].mean(), rel=0.03)
    for edge in (slice(100, 118), slice(118, 128), slice(0, 10)):
        assert power[0][edge].mean() == pytest.approx(power[1][edge].mean(), rel=0.1)


def test_a_substance_laid_into_a_drawn_bay_is_what_the_bay_would_have_made_of_it() -> None:
    """Through gains, phases and confusers, to single precision; bands without its lines stay the same objects."""
    draw = mixed(Tier.B, np.random.default_rng(4))
    laid = Laid(draw, 11).holding("PETN", 2.0)
    whole = Laid(draw.holding("PETN", 2.0), 11).scan
    for one, other in zip(laid.bands, whole.bands, strict=True):
        assert np.abs(one.field_ft - other.field_ft).max() < 1e-5 * max(1e3, np.abs(other.field_ft).max())
        assert np.abs(one.pilot_gain - other.pilot_gain).max() < 1e-5
        assert one.reflected == pytest.approx(other.reflected)
    null = Laid(draw, 11)
    again = null.holding("PETN", 2.0)
    assert sum(a is b for a, b in zip(null.scan.bands, again.bands, strict=True)) == 12


def spectrum_of(scan: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Power per bin of the first band, averaged over the array."""
    return np.asarray(np.mean(np.abs(np.fft.fft(scan.bands[0].field_ft[:6])) ** 2, axis=(0, 1)))


def test_a_threshold_is_exceeded_by_no_more_nulls_than_allowed() -> None:
    """Conformal: 999 nulls give a Pfa of 1e-3, 998 cannot."""
    nulls = np.random.default_rng(1).normal(size=999)
    assert threshold(nulls, 1e-3) == nulls.max()
    assert threshold(nulls[:998], 1e-3) == math.inf
    assert int(np.sum(nulls > threshold(nulls, 1e-2))) == 9


def test_a_gap_that_was_put_in_is_found_within_its_error() -> None:
    """A detector 1 dB short of chi-square theory is measured 1 dB short, and says how well it knows."""
    rng = np.random.default_rng(7)
    d = np.repeat(np.linspace(3.0, 8.0, 9), 60)
    scores = 2.0 * rng.gamma(1.0, size=5000)
    shortened = d * 10 ** (-1 / 20)
    seen = np.abs(shortened + rng.normal(size=len(d)) + 1j * rng.normal(size=len(d))) ** 2
    half, nine = needed(Trials(d, seen), scores, (0.5, 0.9), 1e-2, rng)
    for found, pd in ((half, 0.5), (nine, 0.9)):
        wanted = required_deflection(pd, isf_even(1e-2, 1), 1) * 10 ** (1 / 20)
        assert 0.02 < found.u < 0.4
        assert abs(found.deflection - wanted) < 3 * found.u


def test_a_mass_axis_that_reaches_far_above_the_limit_is_fitted_all_the_same() -> None:
    """Most trials at masses that nobody misses: the deflection for Pd 0.5 is still where the misses end."""
    rng = np.random.default_rng(8)
    d = np.repeat(np.array([5.0, 6.0, 7.0, 8.5, 10.0, 13.0, 19.0]), 17)
    seen = np.abs(d + rng.normal(size=len(d)) + 1j * rng.normal(size=len(d))) ** 2
    (half,) = needed(Trials(d, seen), np.full(999, 36.0), (0.5,), 1e-2, rng)
    assert half.deflection == pytest.approx(5.85, abs=0.5)


def test_whoever_beats_the_clairvoyant_limit_fails_the_run() -> None:
    """A detector that is told the truth is found out."""
    rng = np.random.default_rng(1)
    without = Nulls({name: rng.normal(size=999) for name in ("glrt", "network", "combined")}, 0)
    d = np.full(40, 2.0)
    honest = {name: rng.normal(size=40) + 2.0 for name in without.score}
    reference = references(Tier.B)[0]
    _check_limit(Scene.WHITE, reference, Targets(d, d, honest, 0, 0, 0.0), without)
    told = honest | {"network": np.full(40, 9.0)}
    with pytest.raises(AboveTheLimit, match="network names"):
        _check_limit(Scene.WHITE, reference, Targets(d, d, told, 0, 0, 0.0), without)


def test_the_difference_of_two_proportions_is_fishers() -> None:
    """The p-value beside both generators' figures is that of SciPy."""
    for a, n, b, m in ((99, 100, 95, 100), (3, 999, 5, 500), (0, 10, 0, 10)):
        oracle = fisher_exact([[a, n - a], [b, m - b]]).pvalue
        assert difference_p(a, n, b, m) == pytest.approx(oracle, rel=1e-6)


def test_uniform_p_values_pass_and_shifted_ones_do_not() -> None:
    """Nulls of one kind give a KS p-value above 0.01, nulls of another kind one far below; ties do no harm."""
    rng = np.random.default_rng(2)
    same, judges = (np.maximum(rng.exponential(size=999), 0.3) for _ in range(2))
    assert uniformity(same, judges).ks_p > 0.01
    assert uniformity(1.5 * same, judges).ks_p < 1e-4
    found = uniformity(rng.exponential(size=10_000), rng.exponential(size=99_999)).found
    assert found == pytest.approx((1000, 100, 10), rel=0.5)
    values = rng.random(200)
    assert kolmogorov(values, 200)[0] == pytest.approx(kstest(values, "uniform").statistic)


def test_the_chance_that_nulls_differ_is_that_of_two_samples() -> None:
    """The p-value beside the distance is SciPy's for two samples of such sizes."""
    rng = np.random.default_rng(3)
    nulls, judges = rng.exponential(size=400), 1.1 * rng.exponential(size=900)
    assert uniformity(nulls, judges).ks_p == pytest.approx(ks_2samp(nulls, judges).pvalue, rel=0.1)


def test_the_error_of_an_extreme_threshold_is_not_understated() -> None:
    """The threshold of 999 nulls at 1e-3 scatters as it does when 999 nulls are drawn afresh, within a fifth."""
    rng = np.random.default_rng(4)
    afresh = np.std([threshold(rng.exponential(size=999), 1e-3) for _ in range(2000)])
    scatter = []
    for _ in range(30):
        nulls = rng.exponential(size=999)
        scatter.append(np.std([threshold_again(nulls, 1e-3, rng) for _ in range(200)]))
    assert np.mean(scatter) == pytest.approx(afresh, rel=0.2)
    assert threshold_again(np.ones(500), 1e-3, rng) == math.inf


def test_test_scenes_are_not_training_scenes() -> None:
    """Drawn again they are the same; the white ones hold nothing but noise."""
    one, same = (mixed(Tier.B, np.random.default_rng(9)) for _ in range(2))
    assert one == same
    bare = white(Tier.C, np.random.default_rng(9))
    assert (bare.bay.city, bare.bay.stations, bare.load.contents, bare.load.ringing_ft) == (0.0, (), (), 0.0)
    assert Policy().cargo_k_min < bare.load.temperature_k < Policy().cargo_k_max


@pytest.mark.timeout(300)  # three detectors are loaded and 24 scans are looked at: 6 s on a quiet core
def test_what_is_found_does_not_depend_on_how_many_look() -> None:
    """Two processes and one give the same scores, bit for bit, in the same order."""
    point = references(Tier.B)[4]
    ground = Ground(Scene.MIXED, Tier.B, 3)
    results = []
    for workers in (1, 2):
        with crew_of(SHIPPED_MODEL, workers) as crew:
            assert isinstance(crew, Alone) == (workers == 1)
            found = nulls(crew, ground, 0, 14), targets(crew, ground, {point: [point.mass_kg] * 13}, 50)[point]
            results.append(found)
    one, two = results
    for name, score in one[0].score.items():
        assert score.tobytes() == two[0].score[name].tobytes()
        assert one[1].score[name].tobytes() == two[1].score[name].tobytes()
    assert (one[0].alarms, one[1].named, one[1].another) == (two[0].alarms, two[1].named, two[1].another)


@pytest.mark.timeout(300)  # a detector is loaded and 32 scans are looked at: 4 s on a quiet core
def test_the_command_prints_every_case_with_exactly_these_keys() -> None:
    """`spingate bench detection --json` is one object of cases and the digest of the model's card."""
    scenes = ["white", "mixed, second generator"]
    words = ["--trials", "5", "--nulls", "5", "--substance", "PETN", "--json"]
    words += [word for scene in scenes for word in ("--scene", scene)]
    done = subprocess.run([sys.executable, "-m", "gateway.cli.main", "bench", "detection", *words],
                          capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert list(printed) == ["cases", "model_sha256"]
    assert len(printed["model_sha256"]) == 64
    assert [list(case) for case in printed["cases"]] == [KEYS] * 2
    assert [case["scene"] for case in printed["cases"]] == scenes
    assert all(case["pd_lower95"] <= case["pd"] <= 1.0 and case["decide_ms"] > 0.0 for case in printed["cases"])

"""Probabilities that a verdict tells: what they rest on, and whether what is told so often comes true so often."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from calibration.priors import properties
from calibration.schedule import lines_in, schedule
from gateway.detection.echo_search import group_decay
from gateway.detection.model_card import Stack
from gateway.detection.portrait import joints
from gateway.detection.probability import CAP, any_of, features, probability
from hil.training.emulated import Truth
from hil.training.examples import SUBSTANCES
from hil.training.gather import Gathered
from hil.training.probabilities import crossed, of_any, of_the_likeliest, reliability, stack_of, told, truth_of
from hil.training.sensitivity_gap import gap

STACK = Stack(offsets=(-4.0,) * 8, weights=(0.2, 0.9, 0.3))


def made_up(rng: np.random.Generator, count: int) -> tuple[Gathered, np.ndarray]:
    """Scans as they might come: evidence is exponential without a target, and larger with one by its deflection."""
    truths, likelihood, answers = [], [], []
    for n in range(count):
        d = math.exp(rng.uniform(math.log(3.0), math.log(20.0))) if n % 2 else 0.0
        name = SUBSTANCES[n // 2 % 8] if d else ""
        truths.append(Truth(name, d, "target" if d else "benign", flat=True, interference=False, ringing=False))
        evidence, answer = rng.exponential(1.0, 8), np.append(rng.random(8) ** 4, [1.0, 0.0, 0.0])
        if d:
            evidence[n // 2 % 8] += max(0.0, d * d / 2.0 - 12.0 + d * rng.normal())
        likelihood.append(np.stack([-evidence, evidence > 4.6, np.ones(8)], axis=1))
        answers.append(answer)
    array = np.array(answers, np.float32)
    return Gathered(np.array(likelihood, np.float32), (array,), tuple(truths)), array


def test_the_first_joint_keeps_the_energy_of_every_covered_line_and_noise_keeps_its_variance() -> None:
    """Both joints together hold 0.97 of each line's energy or more, where halves of the train held 0.47 of RDX's."""
    for plan in schedule(300.0):
        both = joints(plan)
        assert both @ both.T == pytest.approx(np.eye(2), abs=1e-12)
        for line in lines_in(plan):
            decay = group_decay(plan, properties(line).t2e_s.value)
            kept = np.sum((both @ decay) ** 2) / np.sum(decay**2)
            assert kept == pytest.approx(1.0, abs=1e-9)


def test_more_evidence_never_makes_a_substance_less_likely() -> None:
    """Along either axis the probability only rises, and ends short of certainty where figures end."""
    by_ratio = [probability(STACK, 0, features(-e, 0.2, consistent=True)) for e in np.linspace(0.0, 60.0, 100)]
    by_network = [probability(STACK, 0, features(-3.0, float(p), consistent=True)) for p in np.linspace(0.0, 1.0, 100)]
    for rising in (by_ratio, by_network):
        assert rising == sorted(rising)
        assert 0.0 < rising[0] < rising[-1] < 1.0
    assert features(-1e9, 0.5, consistent=True) == features(-CAP, 0.5, consistent=True)


def test_lines_that_do_not_fit_together_are_no_evidence() -> None:
    """However strong they are."""
    assert features(-50.0, 0.5, consistent=False) == features(0.0, 0.5, consistent=True)


def test_any_is_at_least_as_likely_as_the_likeliest() -> None:
    """By figures that change nothing it is what independence gives; and nearly certain where one is."""
    assert any_of(STACK, (0.2, 0.5)) == pytest.approx(0.6)
    assert any_of(STACK, (0.2, 1.0)) > 0.9999


def test_a_fitted_probability_comes_true_as_often_as_it_says() -> None:
    """On scans of the same composition with another seed: of the likeliest substance, and of any."""
    rng = np.random.default_rng(5)
    calibration, answers = made_up(rng, 2400)
    stack = stack_of(calibration, answers)
    assert min(stack.weights) >= 0.0
    test, test_answers = made_up(rng, 2400)
    p, there = told(stack, test, test_answers), truth_of(test)
    assert reliability(*of_the_likeliest(p, there), rng).ece < 0.03
    assert reliability(*of_any(stack, p, there), rng).ece < 0.03


def test_a_network_that_knows_nothing_gets_no_weight() -> None:
    """Its answers are drawn regardless of what lies there; a weight below zero is never given."""
    calibration, answers = made_up(np.random.default_rng(6), 1200)
    assert stack_of(calibration, answers).weights[2] < 0.1


def test_no_scan_is_told_by_figures_that_knew_it() -> None:
    """What lay in one half of the scans changes the figures of the other half alone."""
    data, answers = made_up(np.random.default_rng(7), 600)
    nothing = Truth("", 0.0, "benign", flat=True, interference=False, ringing=False)
    emptied = replace(data, truths=tuple(nothing if n % 4 == 1 else t for n, t in enumerate(data.truths)))
    before, after = crossed(data, answers), crossed(emptied, answers)
    assert np.array_equal(before[1::2], after[1::2])
    assert not np.allclose(before[::2], after[::2])


def test_boasting_shows_in_the_calibration_error() -> None:
    """Probabilities pushed towards 0 and 1 are told apart from true ones, and the interval says how surely."""
    rng = np.random.default_rng(8)
    p = rng.random(3000)
    true = rng.random(3000) < p
    honest, boasting = reliability(p, true, rng), reliability(np.where(p > 0.5, 0.98, 0.02), true, rng)
    assert honest.ece < 0.03
    assert honest.ece <= honest.high < 0.06
    assert boasting.low > 0.15
    assert boasting.scans == 3000


def test_a_score_that_sees_one_decibel_less_is_found_one_decibel_behind() -> None:
    """And a score against itself is at 0."""
    rng = np.random.default_rng(9)
    data, _ = made_up(rng, 3000)
    d = np.array([t.deflection for t in data.truths])
    at = np.array([SUBSTANCES.index(t.substance) if t.substance else 0 for t in data.truths])
    noise = rng.normal(0.0, 2.5, (3000, 8))
    first, second = noise.copy(), noise.copy()
    first[np.arange(3000), at] += d * 10.0 ** (-1.0 / 20.0)
    second[np.arange(3000), at] += d
    assert gap(data, second, second, rng).db == pytest.approx(0.0, abs=1e-9)
    found = gap(data, first, second, rng)
    assert found.db == pytest.approx(1.0, abs=0.15)
    assert found.low < 1.0 < found.high


def test_a_stratum_is_compared_within_itself() -> None:
    """Scans of another stratum change nothing."""
    rng = np.random.default_rng(10)
    data, answers = made_up(rng, 800)
    other = replace(data, truths=tuple(replace(t, flat=n < 400) for n, t in enumerate(data.truths)))
    found = gap(other, answers[:, :8], answers[:, :8], rng, "flat noise")
    assert found.nulls + found.targets == 400

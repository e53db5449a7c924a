"""The false alarms of a load are spent look by look: never more than the policy's rate, and little at first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from gateway.detection.spending import Spending, shares, spent_by
from gateway.detection.verdict import LOOKS_MAX
from hil.bench.sequential_theory import ALLOWED_DB, HYPOTHESES, Model, simulate, steps
from hil.training.bounds import lower_bound


@pytest.mark.parametrize("how", Spending)
@pytest.mark.parametrize("pfa", [1e-6, 0.01, 0.5])
def test_all_shares_together_are_the_rate_and_each_is_some_of_it(how: Spending, pfa: float) -> None:
    """Whatever the number of looks."""
    for looks in range(1, LOOKS_MAX + 1):
        found = shares(pfa, looks, how)
        assert len(found) == looks
        assert all(share > 0.0 for share in found)
        assert math.fsum(found) == pytest.approx(pfa, rel=1e-12)
        assert math.fsum(found) <= pfa * (1.0 + 1e-12)


def test_the_shares_are_those_of_lan_and_demets() -> None:
    """O'Brien-Fleming 2 - 2 Phi(z / sqrt t) and Pocock alpha ln(1 + (e - 1) t), by another hand."""
    for t in (0.2, 0.5, 0.9, 1.0):
        z = norm.isf(0.01 / 2)
        assert spent_by(t, 0.01, Spending.OBRIEN_FLEMING) == pytest.approx(2 * norm.sf(z / math.sqrt(t)), rel=1e-9)
        assert spent_by(t, 0.01, Spending.POCOCK) == pytest.approx(0.01 * math.log(1 + (math.e - 1) * t), rel=1e-12)
    assert shares(0.01, 5)[0] < 1e-7
    assert shares(0.01, 5, Spending.POCOCK)[0] > 1e-3


@pytest.mark.parametrize("looks", [0, LOOKS_MAX + 1])
def test_a_number_of_looks_out_of_bounds_is_refused(looks: int) -> None:
    """Key, value and rule."""
    with pytest.raises(ValueError, match=f"looks = {looks}: must be 1 to {LOOKS_MAX}"):
        shares(0.01, looks)


def test_correlated_looks_raise_no_more_than_the_sum_of_their_shares() -> None:
    """Two looks at one Gaussian statistic, the second with the first's data in it: exactly, by the bivariate normal."""
    for how in Spending:
        first, second = (norm.isf(share) for share in shares(0.1, 2, how))
        together = multivariate_normal(cov=[[1.0, math.sqrt(0.5)], [math.sqrt(0.5), 1.0]])
        assert 0.05 < 1.0 - together.cdf([first, second]) <= 0.1


@pytest.mark.parametrize("how", Spending)
def test_simulated_loads_without_a_substance_alarm_no_oftener_than_the_rate(how: Spending) -> None:
    """4000 loads of five looks; the exact lower bound of what was found is below the rate, and near it."""
    found = simulate(Model(2, 6322.0, 0.01, ALLOWED_DB[1]), how, {}, seed=3, trials=4000)
    assert lower_bound(found.false_alarms, found.nulls) <= 0.01
    assert found.false_alarms > 0.6 * 0.01 * found.nulls
    assert HYPOTHESES > 100


def test_the_look_that_ends_the_scan_has_all_that_was_not_spent() -> None:
    """It is the first at which the limit meets the policy, or the last there is; together they spend the rate."""
    for allowed_db in ALLOWED_DB:
        planned = steps(Model(2, 6322.0, 0.01, allowed_db), Spending.OBRIEN_FLEMING)
        assert math.fsum(step.rate for step in planned) == pytest.approx(0.01)
        assert [step.met for step in planned[:-1]] == [False] * (len(planned) - 1)
        assert planned[-1].met or len(planned) == 5
    few, many = (len(steps(Model(2, 6322.0, 0.01, db), Spending.OBRIEN_FLEMING)) for db in (8.0, 0.0))
    assert (few, many) == (1, 5)


def test_obrien_fleming_clears_no_later_than_pocock_and_finds_more() -> None:
    """Why it is the shipped way: at every demand, and at the reference point."""
    model = Model(2, 6322.0, 0.01, 3.0)
    usual, other = (simulate(model, how, {0.0: 9.0}, seed=1, trials=2000) for how in Spending)
    times = np.array([[clear or math.inf for clear in found.clear_s] for found in (usual, other)])
    assert (times[0] <= times[1]).all()
    assert usual.power[0].pd > other.power[0].pd
    assert usual.power[0].dwell_s < 300.0

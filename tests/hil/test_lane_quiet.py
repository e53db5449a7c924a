"""Counting false alarms: exact bounds, one alarm for each passage, and a rate that is not above the stated one."""

from __future__ import annotations

import pytest
from scipy.stats import chi2, poisson

from hil.bench.lane_quiet import Crossing, alarms_of, measure_quiet, poisson_bounds


@pytest.mark.parametrize("found", [0, 1, 7, 120])
def test_the_bounds_are_those_of_garwood(found: int) -> None:
    """Half the quantiles of chi-square, by an independent implementation."""
    low, high = poisson_bounds(found)
    assert low == pytest.approx(chi2.ppf(0.05, 2 * found) / 2 if found else 0.0, abs=1e-6)
    assert high == pytest.approx(chi2.ppf(0.95, 2 * (found + 1)) / 2, rel=1e-6)


def test_windows_that_overlap_the_strongest_are_one_alarm_and_a_later_one_is_another() -> None:
    """As the daemon tells of a passage once."""
    together = [Crossing(50.0, 0, 31), Crossing(60.0, 10, 41), Crossing(55.0, 38, 69)]
    assert alarms_of(together) == 1
    assert alarms_of([*together, Crossing(50.0, 300, 331)]) == 2
    assert alarms_of([]) == 0


@pytest.mark.parametrize("noise", ["white", "1/f"])
def test_twenty_quiet_hours_give_no_more_alarms_than_stated(noise: str) -> None:
    """At ten and at one an hour the count is within what chance allows, and not so low that sensitivity is wasted."""
    for one in measure_quiet(noise, 1, 20.0, 8):
        assert one.alarms <= poisson.isf(1e-3, one.hours * one.stated_per_hour)
        assert one.alarms >= poisson.ppf(1e-4, one.hours * one.stated_per_hour / 3.0)
        assert one.lower95 <= one.alarms / one.hours <= one.upper95

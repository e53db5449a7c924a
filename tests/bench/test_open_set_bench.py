"""The open-set bench: its loads are as strong and lie where it says, and it counts what the decision says."""

from __future__ import annotations

import pytest

from calibration.schedule import BANDS
from gateway.judgement import SHIPPED_MODEL
from hil.bench.detection.crew import crew_of
from hil.bench.detection.theory import deflection
from hil.bench.open_set import measure_open_set
from hil.bench.open_set_page import open_set_lines
from hil.bench.open_set_scenes import CHLORATE_KHZ, REFERENCE_K, Case, Pair, colliding, foreign


def frequencies_khz(case: Case, number: int) -> list[float]:
    """Where the foreign lines of a load lie at its temperature."""
    load = foreign(case, 1, number).draw.load
    return [one.frequency_khz + one.slope_hz_per_k * (load.temperature_k - REFERENCE_K) / 1e3 for one in load.foreign]


@pytest.mark.parametrize("case", [Case.ONE_LINE, Case.TWO_LINES, Case.CHLORATE, Case.CARBAMAZEPINE])
def test_a_foreign_load_has_the_deflection_that_it_is_sorted_by(case: Case) -> None:
    """What the bench calls d is that of the load it lays, by the theory of the detection bench."""
    for number in range(4):
        laid = foreign(case, 1, number)
        assert deflection(laid.draw.load, laid.draw.bay) == pytest.approx(laid.deflection, rel=0.02)
        assert not laid.covered


def test_foreign_lines_lie_inside_the_bands_and_chlorates_own_in_its_range() -> None:
    """Nothing is counted as rejected because no band shows it."""
    for number in range(30):
        found = [khz for case in (Case.ONE_LINE, Case.TWO_LINES) for khz in frequencies_khz(case, number)]
        assert len(found) == 3
        assert all(any(abs(khz - carrier) < rate / 2e3 for carrier, rate in BANDS) for khz in found)
        assert all(CHLORATE_KHZ[0] <= khz <= CHLORATE_KHZ[1] for khz in frequencies_khz(Case.CHLORATE, number))


def test_pairs_are_laid_alone_and_together() -> None:
    """What is to be named is what lies there, and a confuser is not to be named."""
    both = colliding(Pair.NITRATE, Pair.NITRATE.members, 1, 0)
    assert both.covered == {"PETN", "ammonium nitrate"}
    assert len(both.draw.load.contents) == 2
    assert colliding(Pair.COCAINE, Pair.COCAINE.members, 1, 0).covered == {"cocaine base"}


def test_a_run_counts_every_scan_once_and_says_so_in_a_table() -> None:
    """One scan of each case through the daemon's decision."""
    said: list[str] = []
    with crew_of(SHIPPED_MODEL, 1) as crew:
        found = measure_open_set(crew, 1, 1, said.append)
    assert len(said) == len(Case) + 3 * len(Pair)
    assert [one.covered + one.unidentified + one.table + one.nothing for one in found.rejected] == [1] * len(Case)
    assert [one.trials for one in found.resolved] == [1] * 3 * len(Pair)
    lines = open_set_lines(found)
    assert all(any(case in line for line in lines) for case in Case)
    assert found.model_sha256 in lines[0]

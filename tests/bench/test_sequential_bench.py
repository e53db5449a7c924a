"""The bench of sequential looks measures the daemon's own sequence, and says what it measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gateway.cli.bench_sequential import SUBSTANCE
from gateway.cli.main import main
from gateway.detection.detector import Detector, Policy
from gateway.detection.spending import Spending
from gateway.judgement import SHIPPED_MODEL
from hil.bench.detection.looks import SUBSTANCES
from hil.bench.sequential import LOOK_S, SequentialCase, measure_sequential
from hil.bench.sequential_page import all_lines
from hil.bench.sequential_theory import Model, simulate
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_an_empty_load_is_clear_within_the_policy_and_a_strong_one_is_named_sooner() -> None:
    """A load of each in white noise, at a policy 3 dB above what a fixed scan states."""
    detector = Detector.load(SHIPPED_MODEL, Policy())
    found: Iterator[SequentialCase] = measure_sequential(detector, (SUBSTANCE,), 1, 5)
    empty, weak, _middle, strong = (next(found) for _ in range(4))
    assert (empty.gain_db, empty.clear, empty.named, empty.invented) == (None, 1, 0, 0)
    assert 2 * LOOK_S <= empty.mean_dwell_s <= 4 * LOOK_S
    assert (strong.gain_db, strong.named) == (6.0, 1)
    assert strong.mean_dwell_s < empty.mean_dwell_s
    assert strong.mass_kg == pytest.approx(2.0 * weak.mass_kg, rel=0.01)
    assert empty.allowed_kg > weak.mass_kg
    assert SUBSTANCE in SUBSTANCES


def test_the_page_gives_every_rate_with_its_exact_bound() -> None:
    """Upper for what was invented without a substance, lower for what was named with one."""
    cases = [SequentialCase(SUBSTANCE, "white", gain, 0.3, 0.5, 60, named, invented, 10, 1, 150.0, 2.5)
             for gain, named, invented in ((None, 0, 1), (3.0, 59, 0))]
    assert [one.bound95 for one in cases] == [upper_bound(1, 60), lower_bound(59, 60)]
    spending = simulate(Model(2, 6000.0, 0.01, 3.0), Spending.POCOCK, {0.0: 8.0}, seed=1, trials=1000)
    text = "\n".join(all_lines([(SUBSTANCE, spending)], cases))
    for words in ("1/60", "59/60", f"<= {upper_bound(1, 60):.3f}", f">= {lower_bound(59, 60):.3f}", "150 s", "50%",
                  "Pocock", "never"):
        assert words in text, words


def test_a_substance_that_is_not_covered_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is measured, with the names that are known."""
    assert main(["bench", "sequential", "--substance", "sugar"]) == 2
    assert "must be one of ammonium nitrate" in capsys.readouterr().err

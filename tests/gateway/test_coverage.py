"""The coverage table: every covered substance with what was proven of it, in the product and in its page alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import beta

from calibration.lines import covered, line_table
from calibration.priors import properties
from gateway.cli.main import main
from gateway.detection.coverage import Figures, Proven, coverage, shipped_figures, shortfalls

PAGE = Path(__file__).parents[2] / "docs" / "detection.md"


def test_every_covered_substance_stands_in_the_table_with_figures_of_its_own() -> None:
    """None is left out, and none is covered without a measured row that says how well."""
    found = coverage(shipped_figures())
    assert [one.substance for one in found] == [substance.name for substance in covered()]
    for one in found:
        assert one.lines
        assert {row.scene for row in one.proven} >= {"white", "mixed"}
        assert any(line.carrier_khz is not None for line in one.lines)


def test_bounds_are_the_exact_ones_of_their_counts() -> None:
    """No bound in the file flatters: each is Clopper and Pearson's, by SciPy."""
    for row in shipped_figures().rows:
        lower = float(beta.ppf(0.05, row.named, row.trials - row.named + 1))
        upper = float(beta.ppf(0.95, row.alarms + 1, row.nulls - row.alarms))
        assert row.pd_lower95 == pytest.approx(lower, abs=1e-4)
        assert row.pfa_upper95 == pytest.approx(upper, abs=1e-4)


def test_a_shortfall_says_by_how_much_and_only_where_there_is_one() -> None:
    """What misses 0.95 or 1 % has a sentence with the figure; what does not has none."""
    good = Proven("PETN", "B", "mixed", 1.0, 1.26, 150, 150, 0.98, 999, 2, 0.0063)
    assert list(shortfalls(good)) == []
    assert list(shortfalls(Proven("PETN", "B", "mixed", 1.0, 1.26, 150, 140, 0.89, 999, 9, 0.0157))) == [
        "mixed, tier B: Pd proven 0.890, 0.060 below 0.95", "mixed, tier B: Pfa proven 0.0157, 0.0057 above 0.01"]
    nothing = Figures("", 0.15, 300.0, 295.0, ())
    assert all(one.shortfalls == ("not measured",) for one in coverage(nothing))


def test_every_prior_of_a_covered_line_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A figure that nobody measured is named in the table as the prior it is."""
    assert main(["coverage", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["emulated"] is True
    assert shown["not_covered"] == list(line_table().not_covered)
    for one, substance in zip(shown["substances"], covered(), strict=True):
        for line, row in zip(one["lines"], substance.lines, strict=True):
            assert [prior.split()[0] for prior in line["priors"]] == list(properties(row).assumptions)


def test_a_person_reads_lines_proof_and_shortfalls(capsys: pytest.CaptureFixture[str]) -> None:
    """The table begins by saying that it is emulated and ends with what is never clear."""
    assert main(["coverage"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Emulated scans;")
    for words in ("ammonium nitrate\n  line         423 kHz (nu-, published), band at 423 kHz",
                  "Not covered, never clear:", "not inspectable, never clear"):
        assert words in said


def test_the_page_has_the_products_own_table(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/detection.md shows what `spingate coverage --markdown` prints, line by line."""
    assert main(["coverage", "--markdown"]) == 0
    assert capsys.readouterr().out in PAGE.read_text()

"""What the bench says of trials whose truth is known: no gap where there is none, tables to be pasted, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from gateway.detection.chisquare import log_sf_even
from gateway.detection.coverage import Figures
from hil.bench.detection.bench import PDS, PFAS, WHITE_AXIS_DB, Measured, _gaps
from hil.bench.detection.page import coverage_file, page
from hil.bench.detection.plots import draw
from hil.bench.detection.report import lines, mean_of
from hil.bench.detection.theory import Reference, references
from hil.bench.detection.trials import Ground, Nulls, Scene, Targets
from hil.scene.bay import Tier

if TYPE_CHECKING:
    from pathlib import Path

TRIALS, NULLS = 150, 999


def ideal(reference: Reference, scene: Scene, seed: int) -> Measured:
    """Return what a likelihood ratio would show that follows its own theory to the letter, and a weaker network."""
    rng = np.random.default_rng(seed)
    count = NULLS if scene.second else 2 * NULLS + 1
    union = rng.exponential(size=count)
    nulls = Nulls({"glrt": union, "combined": union, "network": rng.exponential(size=count),
                   "bare": np.full(count, np.nan)}, int(np.sum(union > np.log(100.0))))
    steps = np.array([WHITE_AXIS_DB[n % len(WHITE_AXIS_DB)] for n in range(TRIALS)])
    d = reference.mass_kg * reference.d_per_kg * 10.0 ** (steps / 20.0)
    heard = rng.standard_normal((reference.lines, TRIALS)) + 1j * rng.standard_normal((reference.lines, TRIALS))
    energy = np.sum(np.abs(heard + d / np.sqrt(reference.lines)) ** 2, axis=0)
    score = np.array([-min(0.0, log_sf_even(x, reference.lines) + np.log(reference.looks)) for x in energy])
    axis = Targets(d, d, {"glrt": score, "combined": score, "network": 0.6 * score, "bare": score}, 0, 0, 50.0)
    point = Targets(np.full(TRIALS, d.max()), d, axis.score, TRIALS - 1, 0, 50.0)
    gaps = () if scene.second else tuple(_gaps(Ground(scene, reference.tier, seed), reference, axis, nulls))
    return Measured(reference, scene, reference.mass_kg, point, None if scene.second else axis, nulls, NULLS, gaps)


@pytest.fixture(scope="module")
def found() -> list[Measured]:
    """Two substances in white noise by both generators."""
    return [ideal(reference, scene, 11 + n) for scene in (Scene.WHITE, Scene.WHITE_AGAIN)
            for n, reference in enumerate(references(Tier.B)[:2])]


def test_a_detector_that_follows_its_theory_shows_no_gap(found: list[Measured]) -> None:
    """Over two substances the mean gap is zero within three of its stated errors, which are below half a decibel."""
    for pd in PDS:
        for pfa in PFAS:
            mean = mean_of(found[:2], "glrt", pd, pfa)
            assert mean is not None
            u_db = np.hypot(mean.u_trials_db, mean.u_threshold_db / np.sqrt(2.0))  # two sets of nulls here, not one
            assert abs(mean.own_db) < 3.0 * u_db < 1.5
            assert mean.limit_db > 2.0


def test_a_weaker_detector_shows_its_gap(found: list[Measured]) -> None:
    """A network whose scores tell less is measured behind the likelihood ratio."""
    glrt, network = (mean_of(found[:2], name, 0.9, 1e-2) for name in ("glrt", "network"))
    assert glrt is not None
    assert network is not None
    assert network.own_db > glrt.own_db + 0.3


def test_the_page_has_a_row_for_every_case_and_names_what_falls_short(found: list[Measured]) -> None:
    """Reference points, both generators side by side with Fisher's p, and every shortfall with its figure."""
    said = page(found)
    for one in found[:2]:
        name = one.reference.substance
        assert sum(line.startswith(f"| B | {name} |") for line in said) == 1
        rows = [line for line in said if line.startswith(f"| {name} |")]
        assert f"| {TRIALS - 1}/{TRIALS}, \N{GREATER-THAN OR EQUAL TO} 0.969 |" in rows[0]
        assert rows[1].endswith("| 1.00 |")
    assert all(line.count("|") == said[said.index(line)].count("|") for line in said)
    alarms, count = found[0].nulls.alarms, found[0].nulls.count
    assert any(f"{alarms} of {count}, at most" in line for line in said)
    assert any("held" in line and line.startswith("- white noise") for line in said)


def test_the_report_ends_with_its_priors(found: list[Measured]) -> None:
    """Nobody reads a figure without what it stands on."""
    said = "\n".join(lines(found))
    assert "priors, choices without a source, behind all of the above:" in said
    assert "Bay.tier: A 0.3, B 1, C 5, D 130 fT/sqrt(Hz)" in said
    assert "conformal p-values of 999 nulls against 1000 others: KS distance" in said
    assert "1000 others as the bay's null set the decision alarms in" in said
    assert "4 tests: one below p 0.0125 would prove a difference" in said


def test_what_the_bench_writes_is_what_the_coverage_table_reads(found: list[Measured]) -> None:
    """Every case comes back with its counts and bounds."""
    read = msgspec.json.decode(coverage_file(found, "ab" * 32), type=Figures)
    assert len(read.rows) == len(found)
    assert read.rows[0].reference_kg == pytest.approx(found[0].reference.mass_kg, abs=1e-4)
    assert (read.rows[0].trials, read.rows[0].named, read.rows[0].nulls) == (TRIALS, TRIALS - 1, 2 * NULLS + 1)


def test_a_figure_is_drawn_for_each_case_with_a_mass_axis(found: list[Measured], tmp_path: Path) -> None:
    """A PNG of some size; the second generator has no axis and no figure."""
    pytest.importorskip("matplotlib")
    path = draw(found[0], tmp_path)
    assert path is not None
    assert path.name == "ammonium-nitrate-b-white.png"
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert path.stat().st_size > 20_000
    assert draw(found[2], tmp_path) is None

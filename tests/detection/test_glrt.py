"""The likelihood ratio against theory in white noise, and the logic that keeps neighbours apart."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, ncx2

from calibration.schedule import schedule
from gateway.detection.beam import Beam
from gateway.detection.glrt import Scene, best_fit, log_p, threshold
from gateway.detection.hypotheses import Grid, grids
from gateway.detection.identify import identify
from gateway.detection.sensitivity import Condition, View, deflection_per_kg, limit_kg
from hil.scene.bay import POSITIONS_M
from hil.scene.load import Content, Load
from hil.scene.scan import line_field
from hil.scene.sources import sources

PLANS = schedule(300.0)
GRIDS = grids(PLANS, 253.0, 323.0)
STANDOFF_M = 0.2


def grid_of(name: str) -> Grid:
    """The grid of one substance."""
    return next(grid for grid in GRIDS if grid.substance.name == name)


def white(rng: np.random.Generator, load: Load | None = None) -> Scene:
    """A scan in white noise of floor 1 fT^2 per bin, seen on the axis: what the theory is about."""
    emitters = sources(load, 295.0) if load else ()
    beams = []
    for plan in PLANS:
        noise = (rng.normal(size=(8, 256)) + 1j * rng.normal(size=(8, 256))) * np.sqrt(0.5)
        field = line_field(plan, emitters, 300.0)[0] / on_axis(load)
        spectra = noise + np.fft.fft(field, norm="ortho")
        beams.append(Beam(plan, spectra, np.ones(256), np.zeros(256, bool), np.ones(8, bool), np.ones(256),
                          np.ones(256), 0.0))
    return Scene(tuple(beams), 300.0, STANDOFF_M)


def on_axis(load: Load | None) -> float:
    """What sensor 0 sees relative to the axis, so that the field can be referred to it."""
    z = load.standoff_m if load else STANDOFF_M
    x, y, _ = POSITIONS_M[0]
    r = math.sqrt(x * x + y * y + z * z)
    return (3 * (z / r) ** 2 - 1) / 2 * (z / r) ** 3


def test_the_false_alarm_rate_per_scan_in_white_noise_is_not_above_the_one_stated() -> None:
    """All substances, temperatures, slopes and widths together: the scan's rate keeps within its bound."""
    rng = np.random.default_rng(11)
    trials, pfa = 250, 0.2
    alarms = 0
    for _ in range(trials):
        scene = white(rng)
        alarms += any(best_fit(scene, grid, len(GRIDS)).log_p <= math.log(pfa) for grid in GRIDS)
    assert alarms <= binom.isf(1e-3, trials, pfa)
    assert alarms >= binom.ppf(1e-3, trials, pfa / 8), "a rate far below the stated one would waste sensitivity"


@pytest.mark.parametrize(("name", "deflection"), [("ammonium nitrate", 6.0), ("RDX (alpha)", 6.5), ("PETN", 5.0)])
def test_detection_probability_at_the_known_place_is_that_of_theory(name: str, deflection: float) -> None:
    """Pd = P(noncentral chi-square over 2 L degrees of freedom) within its binomial bounds, 300 trials."""
    rng = np.random.default_rng(12)
    grid = grid_of(name)
    level = threshold(0.01, grid, len(GRIDS))
    trials, hits = 300, 0
    wanted = ncx2.sf(level, 2 * len(grid.lines), deflection**2)
    # Lines on search cells, so that no loss between cells is mixed in.
    at = int(np.argmin(np.abs(grid.kelvin - 297.5) + np.abs(grid.deviation)))
    information = [white(rng).response(int(grid.band[at, i]), p.decay).information[0, grid.cell[at, i]]
                   for i, p in enumerate(grid.lines)]
    share = deflection / math.sqrt(2 * len(grid.lines))
    for _ in range(trials):
        scene = white(rng)
        total = 0.0
        for i, placed in enumerate(grid.lines):
            response = scene.response(int(grid.band[at, i]), placed.decay)
            amplitude = response.amplitude[0, grid.cell[at, i]] + share / math.sqrt(information[i])
            total += 2 * abs(amplitude) ** 2 * information[i]
        hits += total > level
    assert binom.ppf(1e-4, trials, wanted) <= hits <= binom.isf(1e-4, trials, wanted)


@pytest.mark.parametrize("name", ["ammonium nitrate", "RDX (alpha)", "TNT (monoclinic)", "PETN", "heroin base"])
def test_the_stated_deflection_of_a_kilogram_is_what_the_filter_finds(name: str) -> None:
    """Theory of the limit and arithmetic of the filter agree to 5 % on a noise-free scene."""
    grid = grid_of(name)
    load = Load((Content(name, 1.0),), standoff_m=STANDOFF_M, temperature_k=297.5)
    scene = white(np.random.default_rng(1), load)
    still = white(np.random.default_rng(1))
    for beam, empty in zip(scene.beams, still.beams, strict=True):
        beam.spectra[:] = (beam.spectra - empty.spectra) * 1e3      # no noise, and far above the steps of the grid
    fit = best_fit(scene, grid, len(GRIDS))
    # A floor of 1 fT^2 per bin of the beam is this density per channel, band by band.
    gain = sum((on_axis_of(i) ** 2) for i in range(6))
    density = [math.sqrt(p.trains * p.echoes_per_group * gain / (2 * p.rate_hz)) for p in PLANS]
    theory = deflection_per_kg(grid, View(PLANS, 300.0, STANDOFF_M), density, Condition(297.5))
    assert math.sqrt(fit.statistic) / 1e3 == pytest.approx(theory, rel=0.05)


def on_axis_of(sensor: int) -> float:
    """What each array sensor sees relative to the axis at the standoff."""
    x, y, _ = POSITIONS_M[sensor]
    r = math.sqrt(x * x + y * y + STANDOFF_M**2)
    return (3 * (STANDOFF_M / r) ** 2 - 1) / 2 * (STANDOFF_M / r) ** 3


@pytest.mark.parametrize(("present", "neighbour"), [
    ("PETN", "ammonium nitrate"), ("ammonium nitrate", "PETN"),
    ("PETN", "TNT (monoclinic)"), ("TNT (monoclinic)", "PETN")])
def test_a_substance_with_a_shared_line_is_not_taken_for_its_neighbour(present: str, neighbour: str) -> None:
    """PETN 495 beside ammonium nitrate 496, PETN 890 beside TNT 891: only the one with all its lines is named."""
    for seed in range(4):
        load = Load((Content(present, 6.0),), standoff_m=STANDOFF_M, temperature_k=285.0 + 8 * seed)
        fits = identify(white(np.random.default_rng(seed), load), GRIDS, 0.01).fits
        assert fits[present].accepted
        assert not fits[neighbour].accepted


def test_two_substances_that_share_a_line_are_both_named() -> None:
    """Ammonium nitrate and PETN together: the second is found in what the first leaves."""
    load = Load((Content("ammonium nitrate", 6.0), Content("PETN", 6.0)), standoff_m=STANDOFF_M, temperature_k=297.5)
    fits = identify(white(np.random.default_rng(2), load), GRIDS, 0.01).fits
    assert {name for name, fit in fits.items() if fit.accepted} == {"ammonium nitrate", "PETN"}


def test_one_line_of_two_is_not_enough() -> None:
    """A strong line where cocaine base has one, with nothing at the other, is not cocaine base."""
    scene = white(np.random.default_rng(3), Load((Content("cocaine base", 3.0),), standoff_m=STANDOFF_M))
    bare = white(np.random.default_rng(3))
    lower = next(i for i, plan in enumerate(PLANS) if plan.carrier_hz == 3717.6e3)
    scene.beams[lower] = replace(scene.beams[lower], spectra=bare.beams[lower].spectra)
    fit = identify(scene, GRIDS, 0.01).fits["cocaine base"]
    assert fit.log_p < math.log(1e-6)
    assert not fit.accepted


def test_the_p_value_counts_every_substance_and_hypothesis() -> None:
    """The threshold is where the p-value over the whole scan is the policy's rate."""
    for grid in GRIDS:
        level = threshold(0.01, grid, len(GRIDS))
        assert log_p(level, grid, len(GRIDS)) == pytest.approx(math.log(0.01), abs=1e-6)


def test_the_detection_limit_scales_with_the_cube_of_the_standoff() -> None:
    """Twice the distance needs eight times the mass."""
    scene, grid = white(np.random.default_rng(4)), grid_of("PETN")
    near, far = (limit_kg(grid, scene.responses(grid), View(PLANS, 300.0, r), 40.0) for r in (0.1, 0.2))
    assert far / near == pytest.approx(8.0)

"""Which substances explain a scan, and what nobody explains. The strongest explanation is taken out first.

Rule: only what remains may speak for another substance, and a line far stronger than what a substance makes of it is
nobody's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.echo_search import BAND_SHARE, FREQUENCIES
from gateway.detection.evidence_lines import evidence
from gateway.detection.glrt import Scene, best_fit, leans_on_one
from gateway.detection.resonance import RESONANCES_MAX, Spot, resonance, resonances, strongest, strongest_of

if TYPE_CHECKING:
    from gateway.detection.glrt import Fit
    from gateway.detection.hypotheses import Grid
    from gateway.detection.verdict import Resonance

# More substances and foreign lines than this at once in one parcel are not told apart.
EXPLAINED_MAX: Final = 4
FOREIGN_MAX: Final = 4
# A foreign line this near reaches into the cells of a substance's own.
NEAR_HZ: Final = 2000.0
# A line of a substance is not outshone by one of any decay and width there. Relaxation times are priors: of a line's
# 2 ln L a T2e three times the table's, or a third, leaves three quarters, one five times off 0.56. Noise has ten looks.
OUTSHONE_RATIO: Final = 1.5
OUTSHONE_NOISE: Final = 16.0


@dataclass(frozen=True, slots=True)
class Identified:
    """The fit of every substance by name, and the lines that no accepted one explains, strongest first."""

    fits: dict[str, Fit]
    resonances: tuple[Resonance, ...]


def identify(scene: Scene, grids: tuple[Grid, ...], pfa_per_scan: float) -> Identified:
    """Explain a scan; the scene is left without what was explained or told.

    A substance is accepted when its p-value over the whole scan is at most `pfa_per_scan` and its lines fit together.
    One for which a single line speaks is not accepted beside a resonance that nobody knows: a foreign crystal may have
    both.
    """
    whole = Scene(tuple(scene.beams), scene.dwell_s, scene.standoff_m)
    fits, strange = _explained(scene, grids, math.log(pfa_per_scan))
    left = (*strange, *resonances(scene, fits, pfa_per_scan))
    alone = [fit for fit in fits.values() if fit.accepted and leans_on_one(fit)]
    if left and alone:
        fits |= {fit.grid.substance.name: replace(fit, accepted=False, consistent=False) for fit in alone}
        left = (*left, *(strongest_of(whole, fit) for fit in alone))
    return Identified(fits, tuple(sorted(left, key=lambda one: -one.z))[:RESONANCES_MAX])


def _explained(scene: Scene, grids: tuple[Grid, ...], log_pfa: float) -> tuple[dict[str, Fit], tuple[Resonance, ...]]:
    """Take out what is accepted, and foreign lines that would pass for something, until nothing more is explained."""
    fits = {grid.substance.name: best_fit(scene, grid, len(grids)) for grid in grids}
    strange: list[Resonance] = []
    accepted = 0
    while accepted < EXPLAINED_MAX and len(strange) < FOREIGN_MAX:
        waiting = sorted((f for f in fits.values() if not f.accepted and f.consistent and f.log_p <= log_pfa),
                         key=lambda fit: fit.log_p)
        if not waiting:
            break
        brighter = [outshining(scene, fit) for fit in waiting]
        best = next((fit for fit, spot in zip(waiting, brighter, strict=True) if spot is None), None)
        if best is None:
            strange.append(_foreign(scene, brighter[0]))
        else:
            accepted += 1
            fits[best.grid.substance.name] = replace(best, accepted=True, evidence=evidence(scene, best))
            scene.remove(best)
        fits = {name: fit if fit.accepted else best_fit(scene, fit.grid, len(grids)) for name, fit in fits.items()}
    return ({name: fit if fit.accepted else replace(fit, evidence=evidence(scene, fit)) for name, fit in fits.items()},
            tuple(strange))


def outshining(scene: Scene, fit: Fit) -> Spot | None:
    """Where a line of any decay and width explains far more than the substance's strongest line beside it does."""
    line = max(fit.lines, key=lambda one: one.z)
    cells = np.arange(FREQUENCIES)
    reach = NEAR_HZ / scene.beams[line.band].plan.rate_hz * FREQUENCIES
    near = (np.abs(cells - line.cell) <= reach) & (np.abs(cells / FREQUENCIES - 0.5) < BAND_SHARE / 2.0)
    spot = strongest(scene, line.band, near)
    return spot if spot.z > OUTSHONE_RATIO * line.z + OUTSHONE_NOISE else None


def _foreign(scene: Scene, spot: Spot | None) -> Resonance:
    if spot is None:
        raise ValueError("a line that outshines nothing is not foreign")
    found = resonance(scene, spot)
    scene.take_out(spot.band, spot.cell, spot.decay)
    return found

"""The lines behind a score: where each was expected, where it was found, how strong. Arithmetic on a finished fit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.echo_search import FREQUENCIES, WIDTH_FACTORS
from gateway.detection.verdict import LineEvidence

if TYPE_CHECKING:
    from gateway.detection.glrt import Fit, LineFit, Scene
    from gateway.detection.hypotheses import Placed


def evidence(scene: Scene, fit: Fit) -> tuple[LineEvidence, ...]:
    """One entry per line of the fit that lies in a band, from the scene as it is before the fit is removed."""
    return tuple(_line(scene, fit, placed, line) for placed, line in zip(fit.grid.lines, fit.lines, strict=True)
                 if line.band >= 0)


def _line(scene: Scene, fit: Fit, placed: Placed, line: LineFit) -> LineEvidence:
    plan = scene.beams[line.band].plan
    statistic = scene.response(line.band, placed.decay).statistic[fit.width]
    cell_hz = plan.rate_hz / FREQUENCIES
    # Look for the peak within one full width, 1 / (pi T2*): beyond that it would be another line.
    reach = max(1, round(WIDTH_FACTORS[fit.width] / (math.pi * placed.decay.t2star_s) / cell_hz))
    low = max(0, line.cell - reach)
    found = low + int(np.argmax(statistic[low: line.cell + reach + 1]))
    return LineEvidence(
        transition=f"{placed.line.transition} {placed.line.site}",
        expected_khz=placed.frequency_hz(fit.kelvin, fit.deviation) / 1e3,
        found_khz=(plan.carrier_hz + (found - FREQUENCIES // 2) * cell_hz) / 1e3,
        amplitude_ft=abs(line.amplitude), u_amplitude_ft=line.u_ft, z=line.z)

"""Unidentified resonances: lines too strong for chance, anywhere in the bands, that nothing accepted explains.

Rule: it never names a substance and never alarms; it forbids "clear".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import train_s
from gateway.detection.chisquare import log_sf_ratio
from gateway.detection.echo_decay import echo_decay
from gateway.detection.echo_search import BAND_SHARE, FREQUENCIES, WIDTH_FACTORS, Decay, subtract
from gateway.detection.glrt import FLOOR_DOF
from gateway.detection.head_array import POINTS
from gateway.detection.verdict import Resonance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gateway.detection.beam import Beam
    from gateway.detection.glrt import Fit, Scene

# Nobody knows a foreign crystal's decay: a train of two T2e is what the band was laid out for, a sixth of it loses
# under 1 dB on what dies away twenty times as fast. Good crystals are as narrow as the narrowest of the table (RDX).
T2E_TRAINS: Final = (1.0 / 2.0, 1.0 / 12.0)
T2STAR_S: Final = 0.91e-3
# Of the policy's false-alarm probability, beside what the likelihood ratio takes of it for alarms: a scan of nothing
# shows an unidentified resonance so often. An inspection is dear, but an unknown crystal is not "clear".
SHARE: Final = 0.2
# Independent looks per searched frequency, all widths together, for each decay.
LOOKS_PER_FREQUENCY: Final = 0.25
# What an accepted substance explains around each of its lines: its fit's width and place are not exactly the load's.
EXPLAINED_HZ: Final = 1000.0
EXPLAINED_WIDTHS: Final = 4.0
# A modulated or drifting carrier leaves something this far around the bins of a tone.
TONE_CELLS: Final = 4
# More than this in one scan is no longer a list of lines but a disturbed scan; the strongest are told.
RESONANCES_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a band: the decay, width and frequency index of a line, and its statistic there."""

    band: int
    decay: Decay
    width: int
    cell: int
    z: float


def resonances(scene: Scene, fits: Mapping[str, Fit], pfa_per_scan: float) -> tuple[Resonance, ...]:
    """Return what is left in a scene without the accepted fits; it is taken out too.

    Beside lines found anywhere: the strongest of a substance whose lines are too strong for chance, but do not fit
    together.
    """
    found: list[Resonance] = []
    for band, beam in enumerate(scene.beams):
        free = _free(beam, [one for fit in fits.values() if fit.accepted for one in _places(fit, band)])
        while len(found) < RESONANCES_MAX:
            spot = strongest(scene, band, free)
            if _log_p(scene, spot) > math.log(SHARE * pfa_per_scan):
                break
            found.append(resonance(scene, spot))
            scene.take_out(band, spot.cell, spot.decay)
            free &= ~_around(beam, spot.cell, spot.decay, spot.width)
    for fit in fits.values():
        if not fit.accepted and fit.log_p <= math.log(pfa_per_scan):
            _add(found, strongest_of(scene, fit))
    return tuple(found)


def _add(found: list[Resonance], odd: Resonance) -> None:
    """Add a substance's line, or its name to the one that was found there."""
    for at, other in enumerate(found):
        if abs(odd.found_khz - other.found_khz) * 1e3 <= EXPLAINED_HZ:
            found[at] = replace(other, near=other.near or odd.near)
            return
    found.append(odd)


def strongest(scene: Scene, band: int, free: NDArray[np.bool_]) -> Spot:
    """The strongest line of any decay and width among the free cells."""
    tried = []
    for share in T2E_TRAINS:
        decay = Decay(share * train_s(scene.beams[band].plan), T2STAR_S)
        statistic = np.where(free, scene.statistic(band, decay), 0.0)
        width, cell = np.unravel_index(int(np.argmax(statistic)), statistic.shape)
        tried.append(Spot(band, decay, int(width), int(cell), float(statistic[width, cell])))
    return max(tried, key=lambda spot: spot.z)


def resonance(scene: Scene, spot: Spot) -> Resonance:
    """What is told of a line that nobody knows."""
    beam, response = scene.beams[spot.band], scene.response(spot.band, spot.decay)
    amplitude = complex(response.amplitude[spot.width, spot.cell])
    line = beam.spectra - subtract(beam, spot.decay, spot.width, spot.cell, amplitude)
    dying = echo_decay(beam, beam.spectra, line, spot.decay.t2e_s)
    khz = (beam.plan.carrier_hz + (spot.cell / FREQUENCIES - 0.5) * beam.plan.rate_hz) / 1e3
    u_ft = 1.0 / math.sqrt(2.0 * float(response.information[spot.width, spot.cell]))
    return Resonance(khz, abs(amplitude), u_ft, spot.z, math.exp(_log_p(scene, spot)), dying.t2e_s, dying.low_s,
                     dying.high_s, "")


def strongest_of(scene: Scene, fit: Fit) -> Resonance:
    """The strongest line of a substance of which nothing else was seen."""
    line, placed = max(zip(fit.lines, fit.grid.lines, strict=True), key=lambda pair: pair[0].z)
    found = resonance(scene, Spot(line.band, placed.decay, fit.width, line.cell, line.z))
    return replace(found, p_value=math.exp(fit.log_p), near=fit.grid.substance.name)


def _log_p(scene: Scene, spot: Spot) -> float:
    """Natural log of the chance that noise alone reaches this anywhere in the bands (Bonferroni)."""
    looks = LOOKS_PER_FREQUENCY * FREQUENCIES * len(T2E_TRAINS) * len(scene.beams)
    return min(0.0, math.log(looks) + log_sf_ratio(spot.z, 1, FLOOR_DOF))


def _places(fit: Fit, band: int) -> list[tuple[int, Decay, int]]:
    """Cell, decay and width of the fit's lines in a band."""
    return [(line.cell, placed.decay, fit.width) for placed, line in zip(fit.grid.lines, fit.lines, strict=True)
            if line.band == band]


def _free(beam: Beam, explained: list[tuple[int, Decay, int]]) -> NDArray[np.bool_]:
    """Cells that are searched: inside the band, away from tones and from what is explained."""
    cells = np.arange(FREQUENCIES)
    free = np.abs(cells / FREQUENCIES - 0.5) < BAND_SHARE / 2.0
    for at in np.flatnonzero(np.fft.fftshift(beam.tones)) * (FREQUENCIES // POINTS):
        free &= np.abs(cells - at) > TONE_CELLS
    for cell, decay, width in explained:
        free &= ~_around(beam, cell, decay, width)
    return np.asarray(free)


def _around(beam: Beam, cell: int, decay: Decay, width: int) -> NDArray[np.bool_]:
    """The cells that a line there explains."""
    fwhm_hz = WIDTH_FACTORS[width] / (math.pi * decay.t2star_s)
    reach_hz = max(EXPLAINED_HZ, EXPLAINED_WIDTHS * fwhm_hz)
    return np.asarray(np.abs(np.arange(FREQUENCIES) - cell) * beam.plan.rate_hz / FREQUENCIES <= reach_hz)

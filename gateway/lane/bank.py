"""Search white noise for a passing dipole: the energy in three functions at every scale and time. Pure.

A generalised likelihood ratio: in background it is chi-square with three degrees of freedom a channel, and the
threshold gives the configured number of false alarms an hour over the whole search.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gateway.detection.chisquare import isf_estimated, log_sf
from gateway.lane.anderson import FUNCTIONS, Scale, lagged, scale_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.lane.background import Background

SECONDS_PER_HOUR = 3600.0
THEORY_WINDOWS = 30
# From this scale on a change of the level within the window is no evidence: drift makes such too. In white noise that
# costs a slow pass at most 1.8 dB (a third of the energy of the first function), in 1/f noise next to nothing.
LEVEL_TAU_S = 2.5
BISECTIONS = 60
# A filter learnt from a finite background is least sure of the slowest noise. Measured: the energy of a scale in new
# 1/f noise (40 times the white floor's power at 1 Hz / 5) is larger by this times tau / background, in the mean.
UNSURE = 15.0
# Summed over the scales the crossings are an upper bound, because neighbours cross together. Measured: a
# third to a half are alarms of their own, in white noise and in 1/f, with one channel and with three.
TOGETHER = 0.6
# Windows are copied so many rows at a time: memory does not grow with the background.
PIECE_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Find:
    """The energy of one scale with the closest approach in the middle of the white steps `first` to `end`."""

    energy: float
    scale: Scale
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Spread:
    """How the energy of a scale is distributed in the background: mean and deviation of its cube root over `dof`.

    The cube root of chi-square is nearly normal (Wilson and Hilferty). Real noise comes in bursts; its cube root is
    still nearly normal, but wider.
    """

    dof: int
    mean: float
    deviation: float

    def chi_square(self, energy: float) -> float:
        """Return the chi-square that is as improbable in white Gaussian noise as this energy is here."""
        mean, deviation = of_chi_square(self.dof)
        root = mean + deviation * (np.cbrt(energy / self.dof) - self.mean) / self.deviation
        return float(self.dof * max(0.0, root) ** 3)

    def chi_squares(self, found: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the same of many energies."""
        mean, deviation = of_chi_square(self.dof)
        root = mean + deviation * (np.cbrt(found / self.dof) - self.mean) / self.deviation
        return np.asarray(self.dof * np.maximum(0.0, root) ** 3)


def of_chi_square(dof: int) -> tuple[float, float]:
    """Return mean and deviation of the cube root of chi-square over its degrees of freedom."""
    return 1.0 - 2.0 / (9.0 * dof), math.sqrt(2.0 / (9.0 * dof))


def spread_of(white: NDArray[np.float64], basis: NDArray[np.float64], scale: Scale) -> Spread:
    """Measure the spread of a scale's energy over the background; never narrower than in Gaussian noise.

    Few windows of a long scale fit in, so theory counts as so many windows more.
    """
    dof = basis.shape[1]
    mean, deviation = of_chi_square(dof)
    if len(white) < scale.rows:
        return Spread(dof, mean, deviation)
    roots = np.cbrt(energies(white, basis, scale.rows, max(1, scale.rows // 2)) / dof)
    weight = len(roots) / (len(roots) + THEORY_WINDOWS)
    mean_found = max(mean, weight * float(roots.mean()) + (1.0 - weight) * mean)
    variance = weight * float(roots.var()) + (1.0 - weight) * deviation**2
    return Spread(dof, mean_found, max(deviation, math.sqrt(variance)))


def energies(white: NDArray[np.float64], basis: NDArray[np.float64], rows: int, hop: int) -> NDArray[np.float64]:
    """Return the energy of white steps in a basis for windows of `rows` steps, one every `hop` steps."""
    windows = sliding_window_view(white, rows, axis=0)[::hop]
    piece = max(1, PIECE_ROWS // rows)
    found = [np.sum((part.transpose(0, 2, 1).reshape(len(part), -1) @ basis) ** 2, axis=1)
             for part in (windows[k: k + piece] for k in range(0, len(windows), piece))]
    return np.concatenate(found)


@dataclass(frozen=True, slots=True)
class Bank:
    """Orthonormal white bases, one for each scale: [rows * channels, 3 * channels], and the threshold for them.

    `pfa` is the probability that one look exceeds it in background. Only the first `tried` scales are looked at: the
    others are there so that memory does not grow when they are.
    """

    scales: tuple[Scale, ...]
    bases: tuple[NDArray[np.float64], ...]
    spreads: tuple[Spread, ...]
    threshold: float
    pfa: float
    tried: int

    def strongest(self, white: NDArray[np.float64], fresh: int, number: int, since: int = 0) -> Find | None:
        """Return the strongest of the windows that end within the last `fresh` steps; None where none is tried.

        `white` [rows, channels] ends with the step of running number `number`; windows begin after step `since`.
        """
        best: Find | None = None
        for scale, basis, spread in tuple(zip(self.scales, self.bases, self.spreads, strict=True))[:self.tried]:
            for back in range(min(fresh, min(len(white), number - since) - scale.rows + 1)):
                if (number - back) % scale.hop:
                    continue
                end = len(white) - back
                part = white[end - scale.rows: end].ravel() @ basis
                energy = spread.chi_square(float(part @ part))
                if best is None or energy > best.energy:
                    best = Find(energy, scale, end - scale.rows, end)
        return best


def bank_of(background: Background, taus_s: Sequence[float], step_s: float, per_hour: float,
            tried: int | None = None) -> Bank:
    """Return the bank for this background, with the threshold for so many false alarms an hour at the `tried` scales.

    `tried` counts from the shortest; None means all.
    """
    tried = len(taus_s) if tried is None else tried
    scales = tuple(scale_of(tau_s, step_s) for tau_s in taus_s)
    shapes = [background.shapes(lagged(scale.tau_s, step_s, background.order)) for scale in scales]
    shapes = [centred(one) if scale.tau_s > LEVEL_TAU_S else one for one, scale in zip(shapes, scales, strict=True)]
    bases = [np.linalg.qr(shape.reshape(shape.shape[0] * shape.shape[1], -1))[0] for shape in shapes]
    threshold, pfa = threshold_of(background, scales[:tried], bases[:tried], step_s, per_hour)
    learnt_s = background.dof * step_s
    sure = tuple(basis / math.sqrt(1.0 + UNSURE * scale.tau_s / learnt_s)
                 for basis, scale in zip(bases, scales, strict=True))
    spreads = tuple(spread_of(background.white, basis, scale) for basis, scale in zip(sure, scales, strict=True))
    return Bank(scales, sure, spreads, threshold, pfa, tried)


def threshold_of(background: Background, scales: Sequence[Scale], bases: Sequence[NDArray[np.float64]], step_s: float,
                 per_hour: float) -> tuple[float, float]:
    """Return the energy that background exceeds so many times an hour, and how probable that is at one look.

    The scale of the bases does not matter to how fast their coefficients change.
    """
    dof = FUNCTIONS * background.channels
    speed = sum(change_per_s(basis, scale, step_s, background.channels)
                for basis, scale in zip(bases, scales, strict=True))
    pfa = math.exp(log_sf(crossed(TOGETHER * speed * SECONDS_PER_HOUR, dof, per_hour), dof))
    return isf_estimated(pfa, dof, background.dof * background.channels), pfa


def centred(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return white steps or shapes [rows, ...] without their level over the rows."""
    return np.asarray(white - white.mean(axis=0))


def change_per_s(basis: NDArray[np.float64], scale: Scale, step_s: float, channels: int) -> float:
    """Return how fast the coefficients of a scale change in noise, their root mean square velocity per second.

    From what one hop leaves of them; only the change that the coefficients do not foretell counts.
    """
    jump = scale.hop * channels
    unit = basis / np.linalg.norm(basis[:, 0])
    kept = unit[jump:].T @ unit[:-jump]
    left = np.trace(np.eye(basis.shape[1]) - kept.T @ kept) / basis.shape[1]
    return math.sqrt(max(0.0, left)) / (scale.hop * step_s)


def crossed(speed_per_hour: float, dof: int, per_hour: float) -> float:
    """Return the chi-square that is crossed upwards so many times an hour.

    Rice's formula for chi-square: speed / sqrt(pi) * (x/2)^((dof-1)/2) * exp(-x/2) / gamma(dof/2) (Davies, Biometrika
    74 (1987) 33).
    """
    low, high = float(dof), 1000.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        log_rate = (math.log(speed_per_hour / math.sqrt(math.pi)) + (dof - 1) / 2 * math.log(middle / 2.0)
                    - middle / 2.0 - math.lgamma(dof / 2))
        low, high = (middle, high) if log_rate > math.log(per_hour) else (low, middle)
    return (low + high) / 2.0

"""What the white steps of a pass leave open: its time and scale on a grid, the coefficients at each place of it. Pure.

Near the threshold a pass's likelihood is wide, bent and lopsided; a covariance at its peak would be too sure by half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.lane.anderson import FUNCTIONS, POINTS_PER_STEP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.lane.background import Background

# Places along each axis: a third of a standard deviation apart where the first grid is wide enough.
PLACES = 21
# Half the width of the first grid in standard deviations of the linear fit, and how often it may double.
DEVIATIONS, DOUBLINGS = 3.5, 3
# Weights at the rim below exp(-RIM) of the largest are left out.
RIM = 5.0
# The search and its grid look no further than this from the find: in scales, and as a factor of the scale.
LATE_SCALES, FACTOR = 2.0, 4.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The white steps [rows, channels] with the find's scale in the middle, and the background that made them white."""

    white: NDArray[np.float64]
    background: Background
    tau_s: float
    step_s: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """Places drawn by how likely they are, with the coefficients drawn at each.

    `late_s` [draws] after the middle, `tau_s` [draws], `coefficients` [draws, channels, functions] in tesla.
    `likely` [draws] makes any octave of the white signal's size alike: without it noise would add to every size.
    """

    late_s: NDArray[np.float64]
    tau_s: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    likely: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Grid:
    """Places [taus, lates] with the logarithm of their weights; steps between them; coefficients and their roots.

    `part` are the coefficients on orthonormal white functions; `root` turns them into those in tesla.
    """

    late_s: NDArray[np.float64]
    log_tau: NDArray[np.float64]
    apart: tuple[float, float, float]            # of lates, of log tau, and of lates with log tau
    log_weight: NDArray[np.float64]
    part: NDArray[np.float64]                    # [taus, lates, unknowns]
    root: NDArray[np.float64]                    # [taus, lates, unknowns, unknowns]


def draw(seen: Seen, peak: tuple[float, float], covariance: NDArray[np.float64], draws: int,
         rng: np.random.Generator) -> Posterior:
    """Draw from the likelihood of a pass around its peak (late in s, ln of the scale), any time and octave alike.

    `covariance` [2, 2] of late and ln(scale) says where to look first. Every direction of the white signal counts
    alike, as in the search.
    """
    grid = _grown(seen, peak, covariance)
    weight = np.exp(grid.log_weight - grid.log_weight.max()).ravel()
    # Systematic: one chance for all, which draws each place as often as its weight says, give or take one.
    chosen = np.searchsorted(np.cumsum(weight) / weight.sum(), (np.arange(draws) + rng.random()) / draws)
    chosen = rng.permutation(np.minimum(chosen, weight.size - 1))
    off = rng.random((2, draws)) - 0.5
    late_s = grid.late_s.ravel()[chosen] + grid.apart[0] * off[0] + grid.apart[2] * off[1]
    log_tau = np.repeat(grid.log_tau, grid.late_s.shape[1])[chosen] + grid.apart[1] * off[1]
    unknowns = grid.part.shape[-1]
    part = grid.part.reshape(-1, unknowns)[chosen] + rng.standard_normal((draws, unknowns))
    root = grid.root.reshape(-1, unknowns, unknowns)[chosen]
    coefficients = np.einsum("kij,kj->ki", root, part).reshape(draws, -1, FUNCTIONS)
    size = np.linalg.norm(part, axis=1)
    return Posterior(late_s, np.exp(log_tau), coefficients, (size / size.mean()) ** -unknowns)


def likelihoods(seen: Seen, tau_s: float, late_s: NDArray[np.float64],
                ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return log likelihood, coefficients on white functions, and what turns them to tesla, at several times."""
    rows, background = len(seen.white), seen.background
    filtered = _filtered(_shapes(seen, tau_s, late_s), background)
    filtered -= filtered.mean(axis=2, keepdims=True)      # drift has a level too
    towards = background.root @ (seen.white - seen.white.mean(axis=0)).T
    wanted = np.einsum("cltn,ct->lcn", filtered, towards).reshape(len(late_s), -1)
    flat = filtered.transpose(1, 2, 0, 3).reshape(len(late_s), rows, -1)
    alike = np.kron(background.root @ background.root.T, np.ones((FUNCTIONS, FUNCTIONS)))
    gram = (flat.transpose(0, 2, 1) @ flat) * alike
    # Scaled to one on the diagonal; the ridge is far below what the data say and above rounding.
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(gram, axis1=1, axis2=2), np.finfo(float).tiny))
    unit = gram * scale[:, :, None] * scale[:, None, :] + 1e-9 * np.eye(gram.shape[1])
    root = np.linalg.inv(np.linalg.cholesky(unit)).transpose(0, 2, 1)
    part = np.einsum("lji,lj->li", root, wanted * scale)
    return np.sum(part**2, axis=1) / 2.0, part, root * scale[:, :, None]


def _grown(seen: Seen, peak: tuple[float, float], covariance: NDArray[np.float64]) -> _Grid:
    """Return a grid that is wide enough, or as wide as the search looks."""
    width = DEVIATIONS
    grid = _grid(seen, peak, covariance, width)
    for _ in range(DOUBLINGS):
        rim = np.concatenate([grid.log_weight[0], grid.log_weight[-1], grid.log_weight[:, 0], grid.log_weight[:, -1]])
        if rim.max() < grid.log_weight.max() - RIM:
            break
        width *= 2.0
        grid = _grid(seen, peak, covariance, width)
    return grid


def _grid(seen: Seen, peak: tuple[float, float], covariance: NDArray[np.float64], width: float) -> _Grid:
    """Evaluate the places of a grid that leans as the covariance does."""
    at = np.linspace(-width, width, PLACES)
    u_log_tau = float(np.sqrt(covariance[1, 1]))
    lean_s = float(covariance[0, 1]) / u_log_tau
    u_late_s = float(np.sqrt(max(covariance[0, 0] - lean_s**2, 1e-6 * covariance[0, 0])))
    log_tau = peak[1] + u_log_tau * at
    late_s = peak[0] + lean_s * at[:, None] + u_late_s * at
    found = [likelihoods(seen, float(np.exp(one)), lates) for one, lates in zip(log_tau, late_s, strict=True)]
    log_weight = np.stack([one[0] for one in found])
    far = np.abs(late_s) > LATE_SCALES * seen.tau_s
    far |= (np.abs(log_tau - np.log(seen.tau_s)) > np.log(FACTOR))[:, None]
    log_weight[far & (log_weight < log_weight.max())] = -np.inf
    apart = at[1] - at[0]
    return _Grid(late_s, log_tau, (u_late_s * apart, u_log_tau * apart, lean_s * apart), log_weight,
                 np.stack([one[1] for one in found]), np.stack([one[2] for one in found]))


def _shapes(seen: Seen, tau_s: float, late_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the functions of a scale at several times: [lates, order + rows, FUNCTIONS]."""
    half, order = len(seen.white) // 2, seen.background.order
    inside = (np.arange(POINTS_PER_STEP) + 0.5) / POINTS_PER_STEP - 0.5
    at_s = (np.arange(-half - order, half + 1)[:, None] + inside) * seen.step_s
    u = (at_s - late_s[:, None, None]) / tau_s
    squared = 1.0 + u * u
    fall = 1.0 / (squared * squared * np.sqrt(squared))
    return np.stack([fall.mean(axis=2), (u * fall).mean(axis=2), (u * u * fall).mean(axis=2)], axis=2)


def _filtered(shapes: NDArray[np.float64], background: Background) -> NDArray[np.float64]:
    """Return the shapes as each channel's filter leaves them: [channels, lates, rows, FUNCTIONS]."""
    order, rows = background.order, shapes.shape[1] - background.order
    found = np.stack([shapes[:, order:]] * background.channels)
    for k in range(order):
        past = shapes[:, order - k - 1: order - k - 1 + rows]
        found -= background.prediction[:, k, None, None, None] * past
    return np.asarray(found)

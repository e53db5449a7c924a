"""Which mass of the pure substance would give the lines that were found: kilograms with standard uncertainty. Pure.

Rule: what the scan tells (statistics) and what nobody measured (T1, T2e) are kept apart. Upper bound of the signal, so
a real load of other form, purity or size holds more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import Status, line_table
from calibration.priors import properties
from calibration.schedule import repetition_s, train_s
from gateway.detection.echo_decay import decays
from gateway.detection.echo_search import search

if TYPE_CHECKING:
    from drivers.sample import BandPlan
    from gateway.detection.explanation import Sight
    from gateway.detection.glrt import Fit, LineFit
    from gateway.detection.hypotheses import Placed
    from gateway.detection.testimony import LineAccount

# Standard uncertainty of the head's own range finder: a prior, until its certificate says it.
U_RANGE_M: Final = 0.002
# A line is found within a step of the search.
U_PLACE_HZ: Final = 40.0
# Steps of temperature and slope that are weighed against each other: half a kelvin, a fiftieth of a slope's range.
TEMPERATURES, SLOPES = 141, 51
# A relaxation time that nobody published may be wrong by this factor either way; so are those recalled from memory.
PRIOR_FACTORS: Final = (1.0 / 3.0, 1.0, 3.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """What turns fields into kilograms: the scan's dwell, the distance, and the gain's relative uncertainty."""

    dwell_s: float
    standoff_m: float
    u_gain: float
    low_k: float
    high_k: float


@dataclass(frozen=True, slots=True)
class Mass:
    """`u_kg` is the standard uncertainty (k = 1) with every prior at its nominal value, None without a certificate.

    It holds line noise, crystal width, gain, range and temperature. `prior_low_kg` to `prior_high_kg` is where `kg`
    would lie if T1 and T2e were a third or three times what is assumed, where nobody published them.
    """

    kg: float
    u_kg: float | None
    prior_low_kg: float
    prior_high_kg: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """One line in the band it was found in. `by_width` are (amplitude without its noise's share, u), in fT."""

    placed: Placed
    fitted: LineFit
    plan: BandPlan
    by_width: tuple[tuple[float, float], ...]
    log_likelihoods: tuple[float, ...]
    told: LineAccount


def mass_of(fit: Fit, sights: tuple[Sight, ...], told: tuple[LineAccount, ...], scale: Scale | None) -> Mass | None:
    """Return the mass behind a fit whose lines are `sights`; None where the distance is not known."""
    seen = [(placed, line) for placed, line in zip(fit.grid.lines, fit.lines, strict=True) if line.band >= 0]
    lines = tuple(weighed(placed, line, sight, account)
                  for (placed, line), sight, account in zip(seen, sights, told, strict=True))
    if scale is None or not any(line.fitted.expected_ft_per_kg > 0.0 for line in lines):
        return None
    kelvin, u_kelvin = temperature(fit, scale)
    kg, u_line = (value * kelvin / fit.kelvin for value in averaged(lines))     # the moment falls as 1 / T
    u_relative = math.sqrt(scale.u_gain**2 + (3.0 * U_RANGE_M / scale.standoff_m) ** 2 + (u_kelvin / kelvin) ** 2)
    u_kg = math.hypot(u_line, kg * u_relative)
    spread = [prior_ratio(lines, scale, t1, t2e) for t1, t2e in product(PRIOR_FACTORS, PRIOR_FACTORS)]
    return Mass(kg, u_kg if math.isfinite(u_kg) else None, kg * min(spread), kg * max(spread))


def weighed(placed: Placed, line: LineFit, sight: Sight, told: LineAccount) -> Weighed:
    """Match one line alone, every other taken out, at each width of crystal where the common fit has it."""
    beam = sight.alone
    response = search(beam, placed.decay)
    amplitude, information = np.abs(response.amplitude[:, line.cell]), response.information[:, line.cell]
    # |amplitude|^2 of a line in noise is larger by the noise's own 2 u^2; half of it makes the root unbiased (Rice).
    u_ft = 1.0 / np.sqrt(2.0 * information)
    lifted = np.sqrt(np.maximum(amplitude**2 - u_ft**2, 0.0))
    by_width = tuple(zip(lifted.tolist(), u_ft.tolist(), strict=True))
    return Weighed(placed, line, beam.plan, by_width, tuple((amplitude**2 * information).tolist()), told)


def averaged(lines: tuple[Weighed, ...]) -> tuple[float, float]:
    """Return kilograms and their u from the lines, over the crystal widths weighted by their likelihood."""
    likely = np.sum([line.log_likelihoods for line in lines], axis=0)
    share = np.exp(likely - likely.max())
    share /= share.sum()
    each = [joined(tuple((*line.by_width[width], line.fitted.expected_ft_per_kg) for line in lines))
            for width in range(len(share))]
    kg, u_kg = np.array(each).T
    mean = float(share @ kg)
    return mean, float(np.sqrt(share @ (u_kg**2 + (kg - mean) ** 2)))


def joined(lines: tuple[tuple[float, float, float], ...]) -> tuple[float, float]:
    """Return the least-squares mass and its u from (amplitude, u, field of a kilogram) of each line, in fT."""
    information = sum((per_kg / u) ** 2 for _, u, per_kg in lines)
    return sum(found * per_kg / u**2 for found, u, per_kg in lines) / information, 1.0 / math.sqrt(information)


def temperature(fit: Fit, scale: Scale) -> tuple[float, float]:
    """Return the load's temperature and its u in kelvin, from where the strongest line lies.

    Cargo has any temperature of the policy's range alike, and the line's slope any value of its half range alike; the
    table's frequency has its own u. What the fit itself calls its temperature is the first of many that fit as well:
    a line whose slope may be 0 tells nothing, and the middle of the range is all that is known.
    """
    strongest = max(range(len(fit.lines)), key=lambda at: fit.lines[at].z)
    placed, reference_k = fit.grid.lines[strongest], line_table().reference_temperature_k
    shift_hz = placed.frequency_hz(fit.kelvin, fit.deviation) - placed.line.frequency_khz * 1e3
    u_hz = math.hypot(properties(placed.line).u_khz.value * 1e3, U_PLACE_HZ)
    kelvin = np.linspace(scale.low_k, scale.high_k, TEMPERATURES)
    slopes = placed.slope_hz_per_k + np.linspace(-1.0, 1.0, SLOPES) * placed.slope_half_range
    off = (shift_hz - slopes[:, None] * (kelvin - reference_k)) / u_hz
    likely = np.exp(-0.5 * (off**2 - np.min(off**2))).sum(axis=0)
    share = likely / likely.sum()
    mean = float(share @ kelvin)
    return mean, float(np.sqrt(share @ (kelvin - mean) ** 2))


def prior_ratio(lines: tuple[Weighed, ...], scale: Scale, t1_factor: float, t2e_factor: float) -> float:
    """Return by how much the mass would differ with other relaxation times, at the likeliest crystal width."""
    width = int(np.argmax(np.sum([line.log_likelihoods for line in lines], axis=0)))
    nominal, changed = [], []
    for line in lines:
        found, u = line.by_width[width]
        per_kg = line.fitted.expected_ft_per_kg
        nominal.append((found, u, per_kg))
        changed.append((found * lengthened(line, t2e_factor), u, per_kg * recovered(line, scale, t1_factor)))
    return joined(tuple(changed))[0] / max(joined(tuple(nominal))[0], 1e-12)


def lengthened(line: Weighed, factor: float) -> float:
    """Return by how much the amplitude at the first pulse differs if T2e does: from the echoes that were seen."""
    known = properties(line.placed.line).t2e_s
    if known.status is Status.PUBLISHED:
        return 1.0
    groups = np.array(line.told.decay.groups_ft)
    shapes = decays(line.plan, np.array([known.value, known.value * factor]))
    # The first echo is centred half a spacing after the first pulse.
    late = math.exp(line.plan.echo_spacing_s / 2.0 / known.value * (1.0 / factor - 1.0))
    nominal, changed = np.maximum(shapes @ groups / np.sum(shapes**2, axis=1), 1e-12)
    return float(changed / nominal) * late


def recovered(line: Weighed, scale: Scale, factor: float) -> float:
    """Return by how much the field of a kilogram differs if T1 does: what regains between two trains."""
    known = properties(line.placed.line).t1_s
    if known.status is Status.PUBLISHED:
        return 1.0
    rest_s = max(0.0, repetition_s(line.plan, scale.dwell_s) - train_s(line.plan))
    return math.expm1(-rest_s / (known.value * factor)) / math.expm1(-rest_s / known.value)

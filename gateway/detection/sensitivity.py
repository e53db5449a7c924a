"""How strong a line of a kilogram should be at this standoff, and which mass would have been detected.

Upper bound of the signal: pure, crystalline, a point dipole on the axis. Priors stay priors (calibration.priors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.moment import ROOM_K, axial_field_ft, composition_of, moment_per_kg
from calibration.priors import properties
from calibration.schedule import repetition_s, train_s
from gateway.detection.chisquare import required_deflection
from gateway.detection.echo_search import echo_energy
from gateway.detection.head_array import STANDOFF_M_MIN, steering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from gateway.detection.echo_search import Decay, Response
    from gateway.detection.hypotheses import Grid, Placed

# Assumed refocusing pulse: it excites sinc(offset * PULSE_S) of a line that lies off the carrier (prior).
PULSE_S: Final = 40e-6
# The detection probability a stated limit stands for, and the share of possible temperatures it must hold at.
LIMIT_PD: Final = 0.95
LIMIT_TEMPERATURES: Final = 0.9


@dataclass(frozen=True, slots=True)
class View:
    """How a scan looks at the load: its bands, the time they share, and the distance."""

    plans: tuple[BandPlan, ...]
    dwell_s: float
    standoff_m: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What a substance is like: temperature, deviation of its slopes (-1 to 1), and T2* of a good crystal over its."""

    kelvin: float
    deviation: float = 0.0
    width_factor: float = 1.0


def ft_per_kg(placed: Placed, plan: BandPlan, dwell_s: float, standoff_m: float, kelvin: float) -> float:
    """Field on the axis at the first pulse of a train, fT for 1 kg, of a line at the carrier."""
    line = placed.line
    moment = moment_per_kg(composition_of(line.compound), line.frequency_khz * 1e3, line.nucleus, kelvin)
    rest_s = max(0.0, repetition_s(plan, dwell_s) - train_s(plan))
    recovered = -math.expm1(-rest_s / properties(line).t1_s.value)
    return axial_field_ft(moment, max(standoff_m, STANDOFF_M_MIN)) * recovered


def excited(offset_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the signal excited this far from the carrier."""
    return np.abs(np.sinc(offset_hz * PULSE_S))


def limit_kg(grid: Grid, responses: Mapping[tuple[int, Decay], Response], view: View, threshold: float) -> float:
    """Mass of the pure substance detected with probability 0.95 over `threshold`, at nine tenths of the grid.

    `threshold` is on the summed statistic of all the grid's lines; infinite where no line could be seen.
    """
    per_kg = np.zeros(len(grid.kelvin))
    for column, placed in enumerate(grid.lines):
        for b in np.unique(grid.band[:, column]):
            if b < 0:
                continue
            rows = grid.band[:, column] == b
            cells = grid.cell[rows, column]
            offset = (cells / responses[b, placed.decay].information.shape[1] - 0.5) * view.plans[b].rate_hz
            field = ft_per_kg(placed, view.plans[b], view.dwell_s, view.standoff_m, ROOM_K) * excited(offset)
            per_kg[rows] += 2.0 * field**2 * responses[b, placed.decay].information[0, cells]
    weakest = float(np.quantile(per_kg, 1.0 - LIMIT_TEMPERATURES))
    return required_deflection(LIMIT_PD, threshold, len(grid.lines)) / math.sqrt(weakest) if weakest else math.inf


def deflection_per_kg(grid: Grid, view: View, density_ft: Sequence[float], state: Condition) -> float:
    """Deflection d of 1 kg that theory allows: matched filter, white noise of `density_ft` (fT/sqrt(Hz)) per channel.

    d^2 = 2 s^H s / E|w|^2 summed over lines, with E|w|^2 = 2 S^2 rate / (trains echoes) per point of a channel, and
    the six channels joined on the axis.
    """
    gain = float(np.sum(steering(view.standoff_m) ** 2))
    total = 0.0
    for placed in grid.lines:
        frequency_hz = placed.frequency_hz(state.kelvin, state.deviation)
        nearest = int(np.argmin([abs(plan.carrier_hz - frequency_hz) for plan in view.plans]))
        plan, density = view.plans[nearest], density_ft[nearest]
        offset_hz = frequency_hz - plan.carrier_hz
        if abs(offset_hz) >= plan.rate_hz / 2.0:
            continue
        field = ft_per_kg(placed, plan, view.dwell_s, view.standoff_m, state.kelvin)
        field *= float(excited(np.array(offset_hz)))
        noise = 2.0 * density**2 * plan.rate_hz / (plan.trains * plan.echoes_per_group) / gain
        total += 2.0 * field**2 * echo_energy(plan, placed.decay, state.width_factor) / noise
    return math.sqrt(total)

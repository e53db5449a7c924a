"""The line thermometer: a crystal in its jig beside the array, whose line tells the bay's temperature. Pure.

Rule: the absolute scale is no better than the line table's frequency and slope; changes are far better known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from calibration.lines import line_table
from calibration.priors import properties
from calibration.schedule import GROUPS, GUARD_S, POINTS, RECOVERY, WIDE_HZ
from drivers.sample import BandPlan

if TYPE_CHECKING:
    from calibration.lines import Line

# HMT has one line of a known slope, and its T1 of some 12 ms allows a train every 90 ms (the textbook NQR thermometer).
# No band of the default schedule holds it, so a calibrant scan has a band of its own.
COMPOUND: Final = "hexamethylenetetramine"
CARRIER_HZ: Final = 3_307_000.0
# 32 kHz reach 30 K to both sides of the table's reference temperature, which no inhabited bay leaves.
RATE_HZ: Final = WIDE_HZ
# 0.3 kg in the emulated jig are then read to 0.05 K, 0.2 kg to 0.08 K (tier B; docs/drift.md).
DWELL_S: Final = 60.0


def thermometer_line() -> Line:
    """Return the line that is read."""
    return line_table().lines_of(COMPOUND)[0]


def thermometer_plans(dwell_s: float = DWELL_S) -> tuple[BandPlan, ...]:
    """Return the one band of a calibrant scan; single echoes, because T2e is shorter than their spacing."""
    spacing_s = round(POINTS / RATE_HZ + GUARD_S, 6)
    repetition_s = spacing_s * GROUPS + RECOVERY * properties(thermometer_line()).t1_s.value
    return (BandPlan(CARRIER_HZ, RATE_HZ, spacing_s, 1, math.floor(dwell_s / repetition_s)),)


def holds_thermometer(plan: BandPlan) -> bool:
    """Tell whether a band is that of a calibrant scan."""
    return plan.carrier_hz == CARRIER_HZ and plan.rate_hz == RATE_HZ


def kelvin_of(frequency_hz: float) -> float:
    """Return the temperature at which the line lies there."""
    line, slope = thermometer_line(), _slope()
    return line_table().reference_temperature_k + (frequency_hz - line.frequency_khz * 1e3) / slope[0]


def u_kelvin_absolute(kelvin: float) -> float:
    """Return the standard uncertainty of the absolute scale: the table's frequency, and its slope's half range."""
    line, (slope, half_range) = thermometer_line(), _slope()
    at_reference_k = (line.u_khz or 0.0) * 1e3 / abs(slope)
    away_k = abs(kelvin - line_table().reference_temperature_k)
    return math.hypot(at_reference_k, away_k * half_range / abs(slope) / math.sqrt(3.0))


def kelvin_per_hz() -> float:
    """Return how much temperature a hertz is."""
    return 1.0 / abs(_slope()[0])


def _slope() -> tuple[float, float]:
    """Return slope and half range in Hz/K; the table must give them for a thermometer."""
    figure = thermometer_line().slope_hz_per_k
    if figure is None:
        raise ValueError(f"line table: {COMPOUND} is the line thermometer: must have dnu_dt_hz_per_k")
    return figure.value, figure.half_range or 0.0

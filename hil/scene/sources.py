"""Turn a load into emitting lines: where each lies at the load's temperature and how strong it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, pi
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import line_table
from calibration.moment import axial_field_ft, composition_of, moment_per_kg
from calibration.priors import SLOPE_HALF_RANGE_HZ_PER_K, properties
from hil.scene.load import lines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.lines import Line
    from hil.scene.load import Content, ForeignLine, Load

# Neighbouring parts of a load with a temperature gradient lie no further apart than this share of a line's width.
APART_WIDTHS: Final = 0.5
# The jig of a reference sample, beside the array's middle sensors.
CALIBRANT_PLACE_M = (0.10, 0.0, 0.10)


@dataclass(frozen=True, slots=True)
class Source:
    """One line as it radiates: `axial_ft_m3` is its field on the axis times the distance cubed."""

    frequency_hz: float
    axial_ft_m3: float
    t1_s: float
    t2e_s: float
    t2star_s: float
    position_m: NDArray[np.float64]


def sources(load: Load, bay_temperature_k: float) -> tuple[Source, ...]:
    """Return every line of the load, of foreign crystals in it, and of a forgotten calibrant."""
    place = np.array([*load.lateral_m, load.standoff_m])
    found = [part for content in load.contents for line in lines_of(content)
             for part in _graded(line, content, load, place)]
    found += [_foreign(line, load, place) for line in load.foreign]
    if load.calibrant is not None:
        jig = np.array(CALIBRANT_PLACE_M)
        found += [_source(line, load.calibrant, None, bay_temperature_k, jig)
                  for line in lines_of(load.calibrant)]
    return tuple(found)


def shielding(shield_db: float) -> float:
    """Return what metal leaves of a signal: it weakens the pulse on its way in and the echo on its way out.

    A pulse far below 119 degrees excites in proportion to its field, hence twice the one-way attenuation.
    """
    return float(10.0 ** (-2.0 * shield_db / 20.0))


def _graded(line: Line, content: Content, load: Load, place: NDArray[np.float64]) -> list[Source]:
    """Return the line of each part of the load, from the coldest to the warmest; one where all are alike."""
    middle = _source(line, content, load, load.temperature_k, place)
    ends = [_source(line, content, load, load.temperature_k + side * load.temperature_spread_k / 2.0, place)
            for side in (-1.0, 1.0)]
    apart_hz = abs(ends[1].frequency_hz - ends[0].frequency_hz)
    parts = 1 + ceil(apart_hz * pi * middle.t2star_s / APART_WIDTHS)
    if parts == 1:
        return [middle]
    shares = (np.arange(parts) + 0.5) / parts - 0.5
    kelvin = load.temperature_k + shares * load.temperature_spread_k
    some = replace(content, mass_kg=content.mass_kg / parts)
    return [_source(line, some, load, float(one), place) for one in kelvin]


def _source(line: Line, content: Content, load: Load | None, temperature_k: float,
            place: NDArray[np.float64]) -> Source:
    """Place one table line; without a load it is a bare reference sample of nominal slope and width."""
    known = properties(line)
    half = known.slope_hz_per_k.half_range or SLOPE_HALF_RANGE_HZ_PER_K
    slope = known.slope_hz_per_k.value + half * (load.slope_deviation if load else 0.0)
    shift_hz = slope * (temperature_k - line_table().reference_temperature_k)
    per_kg = moment_per_kg(composition_of(line.compound), line.frequency_khz * 1e3, line.nucleus,
                           temperature_k)
    mass_kg = content.mass_kg * content.purity
    return Source(
        frequency_hz=line.frequency_khz * 1e3 + shift_hz,
        axial_ft_m3=axial_field_ft(per_kg * mass_kg, 1.0) * (shielding(load.shield_db) if load else 1.0),
        t1_s=known.t1_s.value,
        t2e_s=known.t2e_s.value,
        t2star_s=known.t2star_us.value * 1e-6 / (load.width_factor if load else 1.0),
        position_m=place,
    )


def _foreign(line: ForeignLine, load: Load, place: NDArray[np.float64]) -> Source:
    shift_hz = line.slope_hz_per_k * (load.temperature_k - line_table().reference_temperature_k)
    return Source(
        frequency_hz=line.frequency_khz * 1e3 + shift_hz,
        axial_ft_m3=line.amplitude_ft * load.standoff_m**3 * shielding(load.shield_db),
        t1_s=line.t1_s, t2e_s=line.t2e_s, t2star_s=line.t2star_us * 1e-6 / load.width_factor,
        position_m=place,
    )

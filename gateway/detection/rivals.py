"""Who else could have a line there: the nearest other substances of the table, and what speaks against each. Pure.

Rule: a rival is judged by its own lines at the temperature that would bring it there, never by the verdict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import line_table
from gateway.detection.echo_search import BAND_SHARE, search
from gateway.detection.explanation import cell_of, holding
from gateway.detection.glrt import RATIO_TOLERANCE
from gateway.detection.hypotheses import candidates, place
from gateway.detection.sensitivity import excited, ft_per_kg

if TYPE_CHECKING:
    from calibration.lines import Substance
    from gateway.detection.beam import Beam
    from gateway.detection.hypotheses import Placed
    from gateway.detection.verdict import LineEvidence, SubstanceScore

RIVALS_MAX: Final = 3
# Further away than this at the fitted temperature nobody would mistake one line for the other.
DISTANCE_KHZ_MAX: Final = 30.0
# A predicted line is missed when it should have had this statistic at least, and reached under a quarter of it: the
# likelihood ratio's own tolerance of a factor 2 in amplitude.
Z_PREDICTED_MIN: Final = 12.0
# A rival's line covers one that was found within so much of it: the widest line of the table.
COVERED_KHZ: Final = 1.0


@dataclass(frozen=True, slots=True)
class Rival:
    """Another substance with a line near one that was found.

    `own_khz` is its line, `found_khz` the one it might have been, `distance_khz` between them at the fitted
    temperature; `at_k` the temperature that would bring it there, NaN where none does. `missing_khz` is a line of it
    that should then have shown with the statistic `predicted_z` and showed `seen_z`; NaN where there is none in the
    bands. `because` says in words why it is not the explanation, or that it may be.
    """

    substance: str
    role: str
    own_khz: float
    found_khz: float
    distance_khz: float
    at_k: float
    missing_khz: float
    predicted_z: float
    seen_z: float
    excluded: bool
    because: str


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rival is tried on: the beams as measured, and how the scan was made."""

    beams: tuple[Beam, ...]
    dwell_s: float
    standoff_m: float
    low_k: float
    high_k: float


def rivals_of(subject: SubstanceScore, setting: Setting) -> tuple[Rival, ...]:
    """Return the nearest other substances, what may be the explanation first; none where no line stands out."""
    if not setting.beams or max((line.z for line in subject.lines), default=0.0) < Z_PREDICTED_MIN:
        return ()
    found = []
    for substance in candidates():
        if substance.name != subject.substance:
            placed = tuple(place(line) for line in substance.lines)
            own, line = min(((one, line) for one in placed for line in subject.lines),
                            key=lambda pair: distance_khz(pair[0], pair[1], subject.temperature_k))
            if distance_khz(own, line, subject.temperature_k) <= DISTANCE_KHZ_MAX:
                found.append(tried(substance, placed, (own, line), subject, setting))
    return tuple(sorted(found, key=lambda rival: (rival.excluded, rival.distance_khz))[:RIVALS_MAX])


def distance_khz(own: Placed, line: LineEvidence, kelvin: float) -> float:
    """Return how far a rival's line lies from one that was found, at the fitted temperature and its nominal slope."""
    kelvin = line_table().reference_temperature_k if math.isnan(kelvin) else kelvin
    return abs(own.frequency_hz(kelvin, 0.0) / 1e3 - line.found_khz)


def tried(substance: Substance, placed: tuple[Placed, ...], pair: tuple[Placed, LineEvidence],
          subject: SubstanceScore, setting: Setting) -> Rival:
    """Return what speaks against one rival."""
    own, line = pair
    near_khz = distance_khz(own, line, subject.temperature_k)
    brought = brought_there(own, line.found_khz * 1e3, setting)
    nothing = (math.nan, 0.0, 0.0)
    missing = nothing if brought is None else missing_line(placed, pair, brought, setting)
    excluded, because = spoken(substance, pair, subject, (brought, missing, near_khz), setting)
    return Rival(substance.name, substance.role.value, own.line.frequency_khz, line.found_khz, near_khz,
                 math.nan if brought is None else brought[0], *missing, excluded, because)


def brought_there(own: Placed, found_hz: float, setting: Setting) -> tuple[float, float] | None:
    """Return the temperature, and the deviation of slope nearest 0, that put a line at a frequency; None if none do."""
    reference_k = line_table().reference_temperature_k
    away_hz = found_hz - own.line.frequency_khz * 1e3
    kelvin = np.linspace(setting.low_k, setting.high_k, 281)
    kelvin = kelvin[np.abs(kelvin - reference_k) > 1e-6]
    half = own.slope_half_range or 1e-9
    deviation = (away_hz / (kelvin - reference_k) - own.slope_hz_per_k) / half
    width_hz = 1.0 / (math.pi * own.decay.t2star_s)
    if abs(away_hz) <= width_hz / 2:
        return reference_k, 0.0
    best = int(np.argmin(np.abs(deviation)))
    return (float(kelvin[best]), float(deviation[best])) if abs(deviation[best]) <= 1.0 else None


def missing_line(placed: tuple[Placed, ...], pair: tuple[Placed, LineEvidence], brought: tuple[float, float],
                 setting: Setting) -> tuple[float, float, float]:
    """Return the line of a rival that is missed most: where, the statistic predicted, the statistic seen there."""
    own, line = pair
    per_kg = expected_ft_per_kg(own, line.found_khz * 1e3, setting, brought[0])
    mass_kg = line.amplitude_ft / per_kg if per_kg > 0.0 else 0.0
    worst = (math.nan, 0.0, 0.0)
    for other in placed:
        at_hz = other.frequency_hz(*brought)
        beam = holding(setting.beams, at_hz)
        if other is own or abs(at_hz - beam.plan.carrier_hz) >= BAND_SHARE * beam.plan.rate_hz / 2.0:
            continue
        response, cell = search(beam, other.decay), cell_of(beam, at_hz)
        reach = max(1, round(1.0 / (math.pi * other.decay.t2star_s) / beam.plan.rate_hz * response.statistic.shape[1]))
        seen = float(response.statistic[:, max(0, cell - reach):cell + reach + 1].max())
        amplitude_ft = mass_kg * expected_ft_per_kg(other, at_hz, setting, brought[0])
        predicted = 2.0 * amplitude_ft**2 * float(response.information[0, cell])
        if predicted - seen > worst[1] - worst[2] or math.isnan(worst[0]):
            worst = (at_hz / 1e3, predicted, seen)
    return worst


def expected_ft_per_kg(placed: Placed, at_hz: float, setting: Setting, kelvin: float) -> float:
    """Return the field of a kilogram at a line that lies at `at_hz`."""
    plan = holding(setting.beams, at_hz).plan
    field = ft_per_kg(placed, plan, setting.dwell_s, setting.standoff_m, kelvin)
    return field * float(excited(np.array(at_hz - plan.carrier_hz)))


def spoken(substance: Substance, pair: tuple[Placed, LineEvidence], subject: SubstanceScore,
           known: tuple[tuple[float, float] | None, tuple[float, float, float], float],
           setting: Setting) -> tuple[bool, str]:
    """Return whether a rival is excluded, and by what."""
    own, line = pair
    brought, (missing_khz, predicted, seen), near_khz = known
    there = f"its line at {own.line.frequency_khz:.1f} kHz"
    if brought is None:
        return True, (f"{there} is {near_khz:.1f} kHz away; no temperature from {setting.low_k:g} to "
                      f"{setting.high_k:g} K and no slope that the table allows brings it there")
    at = f"at {brought[0]:.0f} K, where {there} would lie at {line.found_khz:.1f} kHz,"
    if predicted >= Z_PREDICTED_MIN and seen < predicted / RATIO_TOLERANCE**2:
        return True, f"{at} its line at {missing_khz:.1f} kHz should show z {predicted:.0f} and shows {seen:.1f}"
    lines_khz = [place(mine).frequency_hz(*brought) / 1e3 for mine in substance.lines]
    left = [other for other in subject.lines if other.z >= Z_PREDICTED_MIN
            and min(abs(khz - other.found_khz) for khz in lines_khz) > COVERED_KHZ]
    if left:
        strongest = max(left, key=lambda other: other.z)
        return True, f"{at} it has nothing at {strongest.found_khz:.1f} kHz, where z is {strongest.z:.1f}"
    return False, f"{at} nothing in the bands speaks against it"

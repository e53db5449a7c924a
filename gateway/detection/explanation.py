"""Why a verdict is what it is: its lines, their decay, and what is left without them. Pure.

Rule: it explains a verdict that stands; it never makes one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.echo_decay import echo_decay
from gateway.detection.echo_search import FREQUENCIES, WIDTH_FACTORS, Decay, Response, search, subtract
from gateway.detection.head_array import GROUPS, STANDOFF_M_MIN
from gateway.detection.hypotheses import place
from gateway.detection.testimony import LineAccount

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.policy import Policy
    from gateway.detection.verdict import LineEvidence, SubstanceScore, Verdict

# What is left of a line is judged within so many of its widths: its skirts beyond hold under a tenth of its energy.
RESIDUAL_WIDTHS: Final = 3.0
# Real parameters of one fitted line: complex amplitude, frequency, width.
FITTED: Final = 4
# Bins on each side of a line without which there is nothing to judge.
RESIDUAL_BINS_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Sight:
    """One line in the beam it was seen in: `template` is its fitted echo train, `rest` the beam without every line.

    `spectra` is the beam as measured; all are complex128 [group 8][bin 256] in fT, FFT order. `near` marks the bins
    that the residual is judged by.
    """

    beam: Beam
    spectra: NDArray[np.complex128]
    template: NDArray[np.complex128]
    rest: NDArray[np.complex128]
    near: NDArray[np.bool_]

    @property
    def alone(self) -> Beam:
        """Return the beam with this line and no other that was taken out."""
        return replace(self.beam, spectra=self.rest + self.template)


def looked_from(scan: CalibratedScan, policy: Policy) -> float:
    """Return the standoff that the decision assumed, as Detector.decide does."""
    if scan.standoff_m >= policy.empty_beyond_m or not math.isfinite(scan.standoff_m):
        return policy.empty_standoff_m
    return max(scan.standoff_m, STANDOFF_M_MIN)


def subject_of(verdict: Verdict) -> SubstanceScore | None:
    """Return the substance to explain: the surest alarm, or else what came nearest to one; None where none is."""
    shown = [score for score in verdict.scores if score.lines]
    return min(shown, key=lambda score: (not score.alarmed, score.p_value, -score.glrt), default=None)


def sights_of(subjects: tuple[SubstanceScore, ...], beams: tuple[Beam, ...]) -> tuple[tuple[Sight, ...], ...]:
    """Return each subject's lines in their beams. The surest subject is fitted first; what is left is without them all.

    A line is fitted to what the subjects before it have left, as the likelihood ratio does.
    """
    rest = {id(beam): beam.spectra for beam in beams}
    found = []
    for subject in subjects:
        mine, seen = [], dict(rest)
        for line, decay in zip(subject.lines, decays_of(subject), strict=True):
            beam = holding(beams, line.found_khz * 1e3)
            before = replace(beam, spectra=seen[id(beam)])
            width, cell, amplitude = fitted(search(before, decay), beam, line, decay)
            template = before.spectra - subtract(before, decay, width, cell, amplitude)
            rest[id(beam)] = rest[id(beam)] - template
            mine.append((beam, template, around(beam, line, decay, width)))
        found.append(mine)
    return tuple(tuple(Sight(beam, beam.spectra, template, rest[id(beam)], near) for beam, template, near in mine)
                 for mine in found)


def accounts_of(subject: SubstanceScore, sights: tuple[Sight, ...]) -> tuple[LineAccount, ...]:
    """Return what each line shows beyond its statistic."""
    told = []
    for line, decay, sight in zip(subject.lines, decays_of(subject), sights, strict=True):
        left, u_chi2 = reduced_chi2(sight, sight.rest, FITTED)
        before, _ = reduced_chi2(sight, sight.spectra, 0)
        # Every other line that was taken out of the band is taken out of what this line's decay is read from.
        alone = sight.rest + sight.template
        decayed = echo_decay(sight.beam, alone, sight.template, decay.t2e_s)
        told.append(LineAccount(line.transition, decayed, left, before, u_chi2))
    return tuple(told)


def decays_of(subject: SubstanceScore) -> tuple[Decay, ...]:
    """Return the decays that the table or its priors give the lines of a verdict, in their order."""
    substance = next(one for one in covered() if one.name == subject.substance)
    decays = {f"{line.transition} {line.site}": place(line).decay for line in substance.lines}
    return tuple(decays[line.transition] for line in subject.lines)


def holding(beams: tuple[Beam, ...], frequency_hz: float) -> Beam:
    """Return the beam whose carrier is nearest, as the search assigns it."""
    return min(beams, key=lambda beam: abs(beam.plan.carrier_hz - frequency_hz))


def cell_of(beam: Beam, frequency_hz: float) -> int:
    """Return the search's frequency index of a frequency in a beam."""
    index = round((frequency_hz - beam.plan.carrier_hz) / beam.plan.rate_hz * FREQUENCIES) + FREQUENCIES // 2
    return min(max(index, 0), FREQUENCIES - 1)


def fitted(response: Response, beam: Beam, line: LineEvidence, decay: Decay) -> tuple[int, int, complex]:
    """Return width, frequency index and amplitude where a line is strongest, within its width of where it was found."""
    reach = max(1, round(1.0 / (math.pi * decay.t2star_s) / beam.plan.rate_hz * FREQUENCIES))
    cell = cell_of(beam, line.found_khz * 1e3)
    low = max(0, cell - reach)
    near = response.statistic[:, low:cell + reach + 1]
    width, step = np.unravel_index(int(np.argmax(near)), near.shape)
    return int(width), int(low + step), complex(response.amplitude[width, low + step])


def around(beam: Beam, line: LineEvidence, decay: Decay, width: int) -> NDArray[np.bool_]:
    """Return the bins (FFT order) near a line that hold no station."""
    bin_hz = beam.plan.rate_hz / len(beam.floor)
    reach_hz = max(RESIDUAL_WIDTHS * WIDTH_FACTORS[width] / (math.pi * decay.t2star_s), RESIDUAL_BINS_MIN * bin_hz)
    offset = np.fft.fftfreq(len(beam.floor), 1.0 / beam.plan.rate_hz)
    return np.asarray((np.abs(offset - (line.found_khz * 1e3 - beam.plan.carrier_hz)) <= reach_hz) & ~beam.tones)


def reduced_chi2(sight: Sight, spectra: NDArray[np.complex128], fitted_count: int) -> tuple[float, float]:
    """Return the reduced chi-square near the line, and its standard deviation in noise alone.

    A bin of one group in noise: 2 |x|^2 / floor is chi-square with 2 degrees of freedom.
    """
    freedom = 2 * GROUPS * int(sight.near.sum()) - fitted_count
    if freedom <= 0:
        return math.nan, math.nan
    power = np.abs(spectra[:, sight.near]) ** 2 / sight.beam.floor[sight.near]
    return float(2.0 * power.sum() / freedom), math.sqrt(2.0 / freedom)

"""Why a verdict is what it is: lines, their decay, what is left without them, and who else they might have been. Pure.

Rule: it explains a verdict that stands; it never makes one, and nothing of it is part of the signed record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.echo_decay import EchoDecay, echo_decay
from gateway.detection.echo_search import FREQUENCIES, WIDTH_FACTORS, Decay, Response, search, subtract
from gateway.detection.head_array import GROUPS, STANDOFF_M_MIN
from gateway.detection.hypotheses import place

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


@dataclass(frozen=True, slots=True)
class LineStory:
    """One line of the explained substance. `line` is the verdict's own evidence.

    `residual_chi2` is the reduced chi-square of what is left around the line once it is taken out, `before_chi2` the
    same with it; noise alone gives 1 with a standard deviation of `u_chi2`.
    """

    line: LineEvidence
    decay: EchoDecay
    residual_chi2: float
    before_chi2: float
    u_chi2: float


def looked_from(scan: CalibratedScan, policy: Policy) -> float:
    """Return the standoff that the decision assumed, as Detector.decide does."""
    if scan.standoff_m >= policy.empty_beyond_m or not math.isfinite(scan.standoff_m):
        return policy.empty_standoff_m
    return max(scan.standoff_m, STANDOFF_M_MIN)


def subject_of(verdict: Verdict) -> SubstanceScore | None:
    """Return the substance to explain: the surest alarm, or else what came nearest to one; None where none is."""
    shown = [score for score in verdict.scores if score.lines]
    return min(shown, key=lambda score: (not score.alarmed, score.p_value, -score.glrt), default=None)


def sights_of(subject: SubstanceScore, beams: tuple[Beam, ...]) -> tuple[Sight, ...]:
    """Return each line of the verdict in its beam, all of them fitted and taken out."""
    decays = decays_of(subject)
    measured = {id(beam): beam.spectra for beam in beams}
    rest, found = dict(measured), []
    for line, decay in zip(subject.lines, decays, strict=True):
        beam = holding(beams, line.found_khz * 1e3)
        width, cell, amplitude = fitted(search(beam, decay), beam, line, decay)
        template = beam.spectra - subtract(beam, decay, width, cell, amplitude)
        rest[id(beam)] = rest[id(beam)] - template
        found.append((beam, template, around(beam, line, decay, width)))
    return tuple(Sight(beam, measured[id(beam)], template, rest[id(beam)], near) for beam, template, near in found)


def stories_of(subject: SubstanceScore, sights: tuple[Sight, ...]) -> tuple[LineStory, ...]:
    """Return what each line shows beyond its statistic."""
    stories = []
    for line, decay, sight in zip(subject.lines, decays_of(subject), sights, strict=True):
        left, u_chi2 = reduced_chi2(sight, sight.rest, FITTED)
        before, _ = reduced_chi2(sight, sight.spectra, 0)
        # Other lines of the substance in the same band are taken out of what this line's decay is read from.
        alone = sight.rest + sight.template
        decayed = echo_decay(sight.beam, alone, sight.template, decay.t2e_s)
        stories.append(LineStory(line, decayed, left, before, u_chi2))
    return tuple(stories)


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

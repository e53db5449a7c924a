"""The picture of an explanation: of each line the spectrum with its template, what is left, and its echoes' decay.

Rule: spectra are drawn as the detector sees them, whitened and summed over the train with the line's own decay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import train_s
from gateway.detection.echo_search import group_decay
from gateway.detection.head_array import GROUPS
from gateway.detection.kilograms import kilograms
from gateway.detection.testimony_words import probability_said, seconds
from gateway.picture.axes import INK, PALE, Axes
from gateway.picture.raster import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.account import Account
    from gateway.detection.explanation import Sight
    from gateway.detection.testimony import LineStory

WIDE, ROW_HIGH, HEAD_HIGH, FOOT_HIGH = 1200, 340, 118, 30
SEEN: Final = (96, 125, 139)
TEMPLATE: Final = (211, 47, 47)
LEFT_OVER: Final = (0, 121, 107)
EXPECTED: Final = (57, 73, 171)
# Bands of a substance may be many (TNT has six lines); the strongest say enough.
LINES_MAX: Final = 4
# Noise reaches this many standard deviations somewhere in a band: a residual is drawn at least so far.
NOISE_SHOWN: Final = 4.0
HALF_KHZ: Final = 6.0
# Of the verdict's first reason so much fits beside the margins.
REASON_CHARACTERS_MAX: Final = 150


@dataclass(frozen=True, slots=True)
class Curves:
    """One band as amplitudes in standard deviations of noise at `khz`, rising; all [256]."""

    khz: NDArray[np.float64]
    seen: NDArray[np.float64]
    template: NDArray[np.float64]
    rest: NDArray[np.float64]


def curves_of(sight: Sight, t2e_s: float) -> Curves:
    """Sum a band over its groups as the matched filter does, in units of what noise alone gives (rms 1)."""
    weights = group_decay(sight.beam.plan, t2e_s)
    scale = np.sqrt(sight.beam.floor) * np.linalg.norm(weights)
    kept = np.where(sight.beam.tones, np.nan, 1.0)      # a station's bins say nothing of a line
    seen, template, rest = (np.fft.fftshift(np.abs(weights @ part) / scale * kept)
                            for part in (sight.spectra, sight.template, sight.rest))
    offset = np.fft.fftshift(np.fft.fftfreq(len(scale), 1.0 / sight.beam.plan.rate_hz))
    return Curves((sight.beam.plan.carrier_hz + offset) / 1e3, seen, template, rest)


def strongest(account: Account) -> list[tuple[LineStory, Sight]]:
    """Return the lines to be shown, by rising frequency."""
    pairs = sorted(zip(account.stories, account.sights, strict=True), key=lambda pair: -pair[0].line.z)[:LINES_MAX]
    return sorted(pairs, key=lambda pair: pair[0].line.found_khz)


def picture(account: Account, title: str) -> bytes:
    """Return the PNG of an explanation."""
    pairs = strongest(account)
    raster = Raster(WIDE, HEAD_HIGH + max(1, len(pairs)) * ROW_HIGH + FOOT_HIGH)
    raster.text(title, (60, 34), INK, px=17.0)
    subject = account.subject
    if subject is None:
        raster.text("no band shows anything", (60, 64), PALE)
        return raster.png()
    raster.text(shortened(next(iter(account.verdict.reasons), "")), (60, 60), PALE, px=10.0)
    mass = "" if subject.mass_kg is None else f", mass if pure {kilograms(subject.mass_kg)} kg"
    network = probability_said(subject.network)
    raster.text(f"{subject.substance}: p-value {subject.p_value:.1g}, network {network}, fitted at "
                f"{subject.temperature_k:.0f} K, limit {kilograms(subject.limit_kg)} kg{mass}", (60, 84), INK, px=12.0)
    legend(raster, 106.0)
    for row, (story, sight) in enumerate(pairs):
        line_row(raster, HEAD_HIGH + row * ROW_HIGH, story, sight)
    return raster.png()


def shortened(words: str) -> str:
    """Return what fits into one line of the head."""
    return words if len(words) <= REASON_CHARACTERS_MAX else f"{words[:REASON_CHARACTERS_MAX - 3]}..."


def legend(raster: Raster, y: float) -> None:
    """Say what the colours are."""
    x = 60.0
    for words, colour, wide in (("measured", SEEN, 110), ("template", TEMPLATE, 110), ("left over", LEFT_OVER, 110),
                                ("expected at the fitted temperature", EXPECTED, 300)):
        raster.line([(x, y - 4), (x + 22, y - 4)], colour, 2.5)
        raster.text(words, (x + 30, y), PALE, px=9.0)
        x += wide


def line_row(raster: Raster, top: float, story: LineStory, sight: Sight) -> None:
    """Draw one line: spectrum and template, what is left under them, and the echoes' decay beside them."""
    curves, line, told = curves_of(sight, story.told.decay.expected_s), story.line, story.told
    across = span_of(curves, line.found_khz)
    shown = (curves.khz >= across[0]) & (curves.khz <= across[1])
    high = max(NOISE_SHOWN, 1.12 * highest(curves.seen[shown]), 1.12 * highest(curves.template[shown]))
    spectrum = Axes(raster, 60, top + 34, 760, top + 204, across, (0.0, high))
    spectrum.frame(y_label="amplitude / noise", title=f"{line.transition}   {line.found_khz:.2f} kHz   "
                   f"{line.amplitude_ft:.1f} ± {line.u_amplitude_ft:.1f} fT   z {line.z:.1f}")
    spectrum.mark(line.expected_khz, EXPECTED)
    spectrum.curve(curves.khz, curves.seen, SEEN, 1.6)
    spectrum.curve(curves.khz, curves.template, TEMPLATE, 2.2)
    rest = Axes(raster, 60, top + 216, 760, top + 290, across,
                (0.0, max(NOISE_SHOWN, 1.12 * highest(curves.rest[shown]))))
    rest.frame(x_label="kHz", y_label=f"left over: reduced chi2 {told.residual_chi2:.2f} ± {told.u_chi2:.2f}"
               f" (with the line {told.before_chi2:.2f})")
    rest.curve(curves.khz, curves.rest, LEFT_OVER, 1.6)
    decay_diagram(raster, top, story, sight)


def highest(values: NDArray[np.float64]) -> float:
    """Return the greatest value, 0 where a station leaves none."""
    return float(np.nanmax(values, initial=0.0))


def span_of(curves: Curves, middle_khz: float) -> tuple[float, float]:
    """Return the part of a band that is shown: what lies around a line."""
    return max(float(curves.khz[0]), middle_khz - HALF_KHZ), min(float(curves.khz[-1]), middle_khz + HALF_KHZ)


def decay_diagram(raster: Raster, top: float, story: LineStory, sight: Sight) -> None:
    """Draw the amplitude of each group against its time in the train, with the fitted decay."""
    decay = story.told.decay
    step_ms = train_s(sight.beam.plan) * 1e3 / GROUPS
    at_ms = [step_ms * (group + 0.5) for group in range(GROUPS)]
    values = np.array([*decay.groups_ft, *decay.fit_ft, 0.0])
    low, high = float(values.min()) - 1.6 * decay.u_group_ft, float(values.max()) + 2.2 * decay.u_group_ft
    axes = Axes(raster, 825, top + 34, 1160, top + 290, (0.0, step_ms * GROUPS), (low, high))
    axes.frame(x_label="ms into the train", y_label="fT", title=f"echo decay: T2e {seconds(decay.t2e_s)} "
               f"({seconds(decay.low_s)} to {seconds(decay.high_s)})")
    zero = axes.place(0.0, 0.0)[1]
    raster.line([(axes.left, zero), (axes.right, zero)], PALE)
    axes.curve(np.array(at_ms), np.array(decay.fit_ft), TEMPLATE, 2.2)
    axes.points(at_ms, decay.groups_ft, decay.u_group_ft, SEEN)


"""What the state of the head means for a verdict: limits that stay honest, remarks, and a clear taken back. Pure.

Rule: an alarm stays an alarm, a limit never becomes smaller, and nothing here makes a scan clear.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.drift_state import DriftLevel
from gateway.detection.head_array import ARRAY
from gateway.detection.kilograms import kilograms
from gateway.detection.verdict import Outcome
from gateway.detection.wording import found_from, taken_back
from gateway.drift.watch import UNTIL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from calibration.reading import CalibratedScan
    from gateway.detection.drift_state import DriftState
    from gateway.detection.verdict import Verdict
    from gateway.drift.look import Look

# From this share of the array's certified gain on, limits are widened. In control the mean of six pilots with errors of
# 2 % scatters by 0.8 %, so it is three and a half of that away, and what goes unsaid is 3 % of a limit.
HEARD_MIN: Final = 0.97
# A record holds 64 reasons; the detector's own come first.
REASONS_MAX: Final = 48


def borne(verdict: Verdict, scan: CalibratedScan, look: Look, state: DriftState,
          allowed_kg: Callable[[str], float]) -> Verdict:
    """Return the verdict with the state of the head in it, and what follows from that."""
    widths = widths_of(scan, look)
    widened = {name: factor for name, factor in widths.items() if factor > 1.0}
    scores = tuple(replace(score, limit_kg=score.limit_kg * widths.get(score.substance, 1.0))
                   for score in verdict.scores)
    short = tuple(f"{score.substance}: {kilograms(score.limit_kg)} kg would have been missed with the gain as it is, "
                  f"{kilograms(allowed_kg(score.substance))} kg is allowed"
                  for score, was in zip(scores, verdict.scores, strict=True)
                  if score.limit_kg > allowed_kg(score.substance) >= was.limit_kg)
    stopped = (f"drift: {'; '.join(state.what)}: {UNTIL}",) if state.level is DriftLevel.INHIBITED else ()
    remarks = (*_widened(widened), *(f"drift: {one}" for one in state.what if state.level is DriftLevel.DEGRADED))
    lost = verdict.outcome is Outcome.CLEAR and bool(short or stopped)
    # The limits stand in words as well, and must be those of the scores.
    stated, held = found_from(verdict.scores), found_from(scores)
    said = tuple(reason.replace(stated, held) for reason in verdict.reasons) if stated else verdict.reasons
    first = _thermometer(look)     # what a calibrant scan was made for
    rest = (*stopped, *taken_back(said), *short) if lost else (*said, *short, *stopped)
    reasons = (*first, *rest, *remarks)
    return replace(verdict, outcome=Outcome.NOT_INSPECTABLE if lost else verdict.outcome,
                   reasons=reasons[:REASONS_MAX], scores=scores,
                   drift=replace(state, widened=max(widened.values(), default=1.0)))


def widths_of(scan: CalibratedScan, look: Look) -> Mapping[str, float]:
    """By substance, how much larger its detection limit is than stated, because the array hears less than certified.

    The pilot tone judges the gain and never corrects it: a field of 1 fT is told as g fT, and so is the noise behind
    the same amplifier, so a limit in kilograms comes out g times too small. The worst band with a line of the
    substance counts, whole. Without a certificate that holds there is nothing to compare with, and no clear either.
    """
    if look.certificate_sha256 is None:
        return {}
    heard = [_heard(gains) for gains in look.gain]
    return {substance.name: max((1.0 / heard[at] for line in substance.lines for at, band in enumerate(scan.bands)
                                 if abs(line.frequency_khz * 1e3 - band.plan.carrier_hz) < band.plan.rate_hz / 2.0
                                 and heard[at] < HEARD_MIN), default=1.0)
            for substance in covered()}


def _heard(gains: np.ndarray[tuple[int, ...], np.dtype[np.complex128]]) -> float:
    """Share of the certified gain with which the array's channels add up; 1 where none has a pilot: it is blind."""
    array = gains[ARRAY]
    alive = array[np.isfinite(array)]
    found = float(np.abs(alive.mean())) if len(alive) else 1.0
    return found if found > 0.0 and math.isfinite(found) else 1.0


def _widened(widened: Mapping[str, float]) -> tuple[str, ...]:
    if not widened:
        return ()
    worst = max(widened.values())
    share = f"up to {100.0 * (worst - 1.0):.0f} %"
    return (f"detection limits widened by {share} for a loss of gain that the pilot tone shows: {', '.join(widened)}",)


def _thermometer(look: Look) -> tuple[str, ...]:
    if not look.calibrant:
        return ()
    if look.thermometer is None:
        return ("a calibrant scan, and no calibrant's line was found: does it lie in its jig?",)
    read = look.thermometer
    line = f"{read.line_k:.2f} K (u = {read.u_k:.2f} K beside the line table's)"
    return (f"a calibrant scan: the line thermometer reads {line}, the bay's sensor {read.sensor_k:.2f} K",)

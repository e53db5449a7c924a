"""What a testimony says in words: the same for a record, for an officer's alert, and for an explanation made again.

Rule: every figure stands with what it should be. No numpy: the publisher and the verifier say it, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.detection.kilograms import kilograms
from gateway.detection.testimony import stories_in

if TYPE_CHECKING:
    from gateway.detection.testimony import LineStory, Occlusion, SubstanceAccount
    from gateway.detection.verdict import SubstanceScore

FAITHFUL = {True: "it looks at these lines", False: "it does NOT look at these lines alone",
            None: "it says too little to tell where it looks"}


def words_of(testimony: SubstanceAccount, score: SubstanceScore) -> list[str]:
    """Return an account for a person, each line, then the network, then who else it might have been."""
    lines = mass_lines(testimony, score)
    for story in stories_in(testimony, score):
        lines += story_lines(story)
    if testimony.occlusion is not None:
        lines += network_lines(testimony, testimony.occlusion)
    for rival in testimony.rivals:
        answer = "no" if rival.excluded else "it may be"
        lines.append(f"{rival.substance} ({rival.role}) instead? {answer}: {rival.because}")
    if score.alarmed and not testimony.rivals:
        lines.append("no other substance of the table has a line near these")
    return lines


def mass_lines(testimony: SubstanceAccount, score: SubstanceScore) -> list[str]:
    """Return the mass with its uncertainty, and what the assumptions could make of it; nothing where none is stated."""
    if score.mass_kg is None:
        return []
    u = "u not known: no certificate" if score.u_mass_kg is None else f"u {kilograms(score.u_mass_kg)} kg, k = 1"
    said = [f"mass if pure: {kilograms(score.mass_kg)} kg ({u})"]
    if testimony.prior_low_kg is not None and testimony.prior_high_kg is not None:
        span = f"{kilograms(testimony.prior_low_kg)} to {kilograms(testimony.prior_high_kg)} kg"
        said.append(f"    {span} if T1 and T2e, which are "
                    "assumed, were a third or three times as long")
    return said


def story_lines(story: LineStory) -> list[str]:
    """Return what one line shows."""
    line, told = story.line, story.told
    decay = told.decay
    fits = "as the table has it" if decay.as_expected else "NOT as the table has it"
    where = f"found {line.found_khz:.3f} kHz, expected {line.expected_khz:.3f} kHz"
    strength = f"{line.amplitude_ft:.2f} fT (u {line.u_amplitude_ft:.2g} fT), z {line.z:.1f}"
    interval = f"{seconds(decay.low_s)} to {seconds(decay.high_s)}"
    left = f"reduced chi2 {told.residual_chi2:.2f}, noise gives 1 ± {told.u_chi2:.2f}"
    return [f"  {line.transition}: {where}; {strength}",
            f"    echo decay {seconds(decay.t2e_s)} ({interval}), {fits}: {seconds(decay.expected_s)}",
            f"    left over: {left}; {told.before_chi2:.2f} with the line"]


def network_lines(testimony: SubstanceAccount, found: Occlusion) -> list[str]:
    """Return what the network holds of the subject, and where it looks."""
    agree = "agree" if testimony.agrees else "DISAGREE"
    elsewhere = f"{found.random_mean:.3f} without as much elsewhere (at least {found.random_lowest:.3f})"
    favourite = f"{found.favourite} ({found.favourite_score:.2f})"
    return [f"network: {found.score:.3f}; {found.without_lines:.3f} without the lines, {elsewhere}: "
            + FAITHFUL[found.faithful],
            f"detector and network {agree}: to the network it is most likely {favourite}"]


def probability_said(network: float) -> str:
    """Return the network's probability, which is not a number where the network was not asked."""
    return "not asked" if math.isnan(network) else f"{network:.2f}"


def short_form(testimony: SubstanceAccount) -> str:
    """Return an account in one sentence, for who has no room for more."""
    odd = [line for line in testimony.lines if not line.decay.as_expected]
    decay = f"the echo decay of {len(odd)} of {len(testimony.lines)} lines is NOT as the table has it" if odd \
        else "the echoes decay as the table has it"
    left = max((line.residual_chi2 for line in testimony.lines), default=math.nan)
    network = "the network was not asked" if testimony.occlusion is None else \
        f"the network {'agrees' if testimony.agrees else 'DISAGREES'}, {FAITHFUL[testimony.occlusion.faithful]}"
    rival = "no other substance has a line near these"
    if testimony.rivals:
        first = testimony.rivals[0]
        rival = f"{first.substance} {'excluded' if first.excluded else 'is NOT excluded'}: {first.because}"
    return f"{testimony.substance}: {decay}, left over chi2 {left:.2f}; {network}; {rival}"


def differences(signed: SubstanceAccount, again: SubstanceAccount | None) -> list[str]:
    """Return where an account that was made again says something else than the signed one; rounding aside."""
    if again is None:
        return [f"{signed.substance}: the signed record has an account of it, made again there is none"]
    found = []
    pairs = [("lines", [one.transition for one in signed.lines], [one.transition for one in again.lines]),
             ("rivals", [(one.substance, one.excluded, one.because) for one in signed.rivals],
              [(one.substance, one.excluded, one.because) for one in again.rivals]),
             ("detector and network agree", signed.agrees, again.agrees),
             ("where the network looks", signed.occlusion and signed.occlusion.faithful,
              again.occlusion and again.occlusion.faithful)]
    found += [f"{signed.substance}, {what}: signed {old}, made again {new}" for what, old, new in pairs if old != new]
    for old, new in zip(signed.lines, again.lines, strict=False):
        figures = [("T2e", old.decay.t2e_s, new.decay.t2e_s), ("residual chi2", old.residual_chi2, new.residual_chi2),
                   ("chi2 with the line", old.before_chi2, new.before_chi2)]
        found += [f"{signed.substance}, {old.transition}, {what}: signed {was:.4g}, made again {now:.4g}"
                  for what, was, now in figures if not math.isclose(was, now, rel_tol=SAME)]
    return found


# Another processor adds in another order: figures that agree so far are the same.
SAME = 1e-3


def seconds(value: float) -> str:
    """Return a decay time in words."""
    if value == float("inf"):
        return "no end"
    if value >= 1.0:
        return f"{value:.1f} s"
    return f"{value * 1e3:.0f} ms" if value >= 0.01 else f"{value * 1e3:.1f} ms"

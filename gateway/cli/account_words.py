"""An explanation in words, as JSON, and as braille curves for a terminal. No printing here.

Rule: every figure stands with what it should be: expected frequency, table's decay, chi-square of noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.cli.scan_verdict import line_tree, score_tree
from gateway.monitor.canvas import curve
from gateway.picture.explained import NOISE_SHOWN, curves_of, highest, seconds, span_of, strongest

if TYPE_CHECKING:
    from gateway.detection.account import Account
    from gateway.detection.explanation import LineStory
    from gateway.detection.occlusion import Occlusion

PLOT_ROWS = 4
STEPS = 8       # of a curve for each character, so that its dots join
FAITHFUL = {True: "it looks at these lines", False: "it does NOT look at these lines alone",
            None: "it says too little to tell where it looks"}


def account_lines(account: Account, where: str) -> list[str]:
    """Return an explanation as lines for a person."""
    verdict, subject = account.verdict, account.subject
    lines = [f"{where}: scan {verdict.scan_id}: {verdict.outcome.upper()}", *(f"  {one}" for one in verdict.reasons)]
    if subject is None:
        return [*lines, "no band shows anything of a covered substance: there is nothing to explain"]
    said = "named" if subject.alarmed else "not named; it came nearest"
    lines.append(f"{subject.substance} ({said}): p-value {subject.p_value:.2g}, statistic {subject.glrt:.1f}, network "
                 f"{subject.network:.2f}, fitted at {subject.temperature_k:.0f} K, limit {subject.limit_kg:.2g} kg")
    for story in account.stories:
        lines += story_lines(story)
    if account.occlusion is not None:
        lines += network_lines(account, account.occlusion)
    for rival in account.rivals:
        answer = "no" if rival.excluded else "it may be"
        lines.append(f"{rival.substance} ({rival.role}) instead? {answer}: {rival.because}")
    if subject.alarmed and not account.rivals:
        lines.append("no other substance of the table has a line near these")
    return lines


def story_lines(story: LineStory) -> list[str]:
    """Return what one line shows."""
    line, decay = story.line, story.decay
    fits = "as the table has it" if decay.as_expected else "NOT as the table has it"
    where = f"found {line.found_khz:.3f} kHz, expected {line.expected_khz:.3f} kHz"
    strength = f"{line.amplitude_ft:.2f} fT (u {line.u_amplitude_ft:.2g} fT), z {line.z:.1f}"
    interval = f"{seconds(decay.low_s)} to {seconds(decay.high_s)}"
    left = f"reduced chi2 {story.residual_chi2:.2f}, noise gives 1 ± {story.u_chi2:.2f}"
    return [f"  {line.transition}: {where}; {strength}",
            f"    echo decay {seconds(decay.t2e_s)} ({interval}), {fits}: {seconds(decay.expected_s)}",
            f"    left over: {left}; {story.before_chi2:.2f} with the line"]


def network_lines(account: Account, found: Occlusion) -> list[str]:
    """Return what the network holds of the subject, and where it looks."""
    agree = "agree" if account.agrees else "DISAGREE"
    elsewhere = f"{found.random_mean:.3f} without as much elsewhere (at least {found.random_lowest:.3f})"
    favourite = f"{found.favourite} ({found.favourite_score:.2f})"
    return [f"network: {found.score:.3f}; {found.without_lines:.3f} without the lines, {elsewhere}: "
            + FAITHFUL[found.faithful],
            f"detector and network {agree}: to the network it is most likely {favourite}"]


def account_tree(account: Account) -> dict[str, object]:
    """Return an explanation as the JSON that docs/scan-format.md describes."""
    verdict = account.verdict
    return {
        "scan_id": verdict.scan_id, "verdict": verdict.outcome.value, "reasons": list(verdict.reasons),
        "substance": None if account.subject is None else score_tree(account.subject),
        "lines": [story_tree(story) for story in account.stories],
        "occlusion": account.occlusion, "detector_and_network_agree": account.agrees, "rivals": account.rivals,
        "raw_sha256": verdict.raw_sha256.hex(), "model_sha256": verdict.model_sha256.hex()}


def story_tree(story: LineStory) -> dict[str, object]:
    """Return one line of an explanation."""
    return {**line_tree(story.line), "decay": story.decay, "decay_as_expected": story.decay.as_expected,
            "residual_chi2": story.residual_chi2, "before_chi2": story.before_chi2, "u_chi2": story.u_chi2}


def plots(account: Account, columns: int) -> list[str]:
    """Return each line and what lies around it as three curves: as measured, the template, what is left."""
    lines: list[str] = []
    for story, sight in strongest(account):
        curves = curves_of(sight, story.decay.expected_s)
        low_khz, high_khz = span_of(curves, story.line.found_khz)
        khz = np.linspace(low_khz, high_khz, columns * STEPS)
        high = max(NOISE_SHOWN, highest(curves.seen))
        lines.append("")
        span = f"{low_khz:.1f} to {high_khz:.1f} kHz"
        lines.append(f"{story.line.transition}: {span}, amplitude over noise 0 to {high:.1f}")
        for name, values in (("measured", curves.seen), ("template", curves.template), ("left over", curves.rest)):
            drawn = curve(np.interp(khz, curves.khz, values), columns, PLOT_ROWS, 0.0, high)
            lines += [f"  {row}" for row in drawn]
            lines.append(f"  {name}")
    return lines

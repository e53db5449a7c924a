"""An explanation in words, as JSON, and as braille curves for a terminal. No printing here.

Rule: every figure stands with what it should be: expected frequency, table's decay, chi-square of noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.cli.scan_verdict import accounts_tree, line_tree, score_tree
from gateway.detection.kilograms import kilograms
from gateway.detection.testimony_words import differences, probability_said, words_of
from gateway.monitor.canvas import curve
from gateway.picture.explained import NOISE_SHOWN, curves_of, highest, span_of, strongest

if TYPE_CHECKING:
    from gateway.detection.account import Account
    from gateway.detection.testimony import LineStory
    from gateway.detection.verdict import SubstanceScore, Verdict

PLOT_ROWS = 4
STEPS = 8       # of a curve for each character, so that its dots join


def account_lines(account: Account, where: str, signed: Verdict | None) -> list[str]:
    """Return an explanation as lines for a person; `signed` is the verdict of a record, whose accounts go first."""
    verdict, subject = account.verdict, account.subject
    lines = verdict_lines(verdict, where)
    if verdict.accounts is not None:
        return [*lines, *told_lines(verdict, "as the record has it:" if signed is not None else "")]
    if subject is None or account.testimony is None:
        return [*lines, "no band shows anything of a covered substance: there is nothing to explain"]
    return [*lines, *subject_lines(subject), *words_of(account.testimony, subject)]


def verdict_lines(verdict: Verdict, where: str) -> list[str]:
    """Return the answer and its reasons."""
    return [f"{where}: scan {verdict.scan_id}: {verdict.outcome.upper()}", *(f"  {one}" for one in verdict.reasons)]


def told_lines(verdict: Verdict, heading: str) -> list[str]:
    """Return every account that a verdict holds, each under a heading where there is one."""
    lines = []
    for testimony in verdict.accounts or ():
        score = next((one for one in verdict.scores if one.substance == testimony.substance), None)
        if score is not None:
            lines += [*filter(None, (heading,)), *subject_lines(score), *words_of(testimony, score)]
    return lines


def subject_lines(subject: SubstanceScore) -> list[str]:
    """Return what is said of the substance explained."""
    said = "named" if subject.alarmed else "not named; it came nearest"
    network, limit = probability_said(subject.network), kilograms(subject.limit_kg)
    fit = f"statistic {subject.glrt:.1f}, network {network}, fitted at {subject.temperature_k:.0f} K"
    return [f"{subject.substance} ({said}): p-value {subject.p_value:.2g}, {fit}, limit {limit} kg"]


def disagreement(signed: Verdict, again: Verdict) -> list[str]:
    """Return what the scan, decided again here, says else than the signed record does."""
    if signed.model_sha256 != again.model_sha256:
        lines = ["the network asked here is another than the one that the verdict was made with"]
    else:
        lines = []
    if signed.outcome is not again.outcome:
        lines.append(f"DIFFERS: signed {signed.outcome}, decided again {again.outcome}")
    fresh = {one.substance: one for one in again.accounts or ()}
    return lines + [f"DIFFERS: {words}" for one in signed.accounts or ()
                    for words in differences(one, fresh.get(one.substance))]


def account_tree(account: Account, signed: Verdict | None) -> dict[str, object]:
    """Return an explanation as the JSON that docs/scan-format.md describes."""
    verdict, told = account.verdict, account.testimony
    return {
        "scan_id": verdict.scan_id, "verdict": verdict.outcome.value, "reasons": list(verdict.reasons),
        "substance": None if account.subject is None else score_tree(account.subject),
        "lines": [story_tree(story) for story in account.stories],
        "occlusion": told and told.occlusion, "detector_and_network_agree": told and told.agrees,
        "rivals": told.rivals if told else (), "signed_accounts": accounts_tree(signed) if signed else None,
        "raw_sha256": verdict.raw_sha256.hex(), "model_sha256": verdict.model_sha256.hex()}


def story_tree(story: LineStory) -> dict[str, object]:
    """Return one line of an explanation."""
    told = story.told
    return {**line_tree(story.line), "decay": told.decay, "decay_as_expected": told.decay.as_expected,
            "residual_chi2": told.residual_chi2, "before_chi2": told.before_chi2, "u_chi2": told.u_chi2}


def plots(account: Account, columns: int) -> list[str]:
    """Return each line and what lies around it as three curves: as measured, the template, what is left."""
    lines: list[str] = []
    for story, sight in strongest(account):
        curves = curves_of(sight, story.told.decay.expected_s)
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

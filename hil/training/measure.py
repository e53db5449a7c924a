"""Figures of the decision rule on held-out scans, each with its exact bound. Pure arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import Measured
from gateway.detection.policy import Policy
from gateway.detection.rule import Ruling
from hil.training.bounds import lower_bound, upper_bound
from hil.training.examples import SUBSTANCES
from hil.training.thresholds import NO_NULL, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.detection.model_card import Thresholds
    from hil.training.gather import Gathered
    from hil.training.thresholds import Judged

# Deflections between which Pd is stated: the last bin is what should never be missed.
BINS: Final = ((3.0, 6.0), (6.0, 8.0), (8.0, 10.0), (10.0, 14.0), (14.0, 20.0))


def measured(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> tuple[Measured, ...]:
    """All figures of a set."""
    judged = judge(data, answers, thresholds)
    return (*_detection(data, judged), *_false_alarms(data, judged), *_rulings(data, judged),
            *_alone(data, judged, answers), *_scene(data, answers))


def pd_at(data: Gathered, judged: Judged) -> float:
    """Share of all targets, of whatever strength, that were named."""
    named = _named(data, judged)
    return float(np.mean(named[named >= 0]))


def _named(data: Gathered, judged: Judged) -> NDArray[np.int8]:
    """Per scan: 1 when its target was named, 0 when not, -1 without a target."""
    return np.array([int(judged.rulings[n][SUBSTANCES.index(t.substance)] is Ruling.NAMED) if t.substance else -1
                     for n, t in enumerate(data.truths)], np.int8)


def _detection(data: Gathered, judged: Judged) -> list[Measured]:
    named = _named(data, judged)
    d = np.array([t.deflection for t in data.truths])
    rows = []
    for low, high in BINS:
        within = named[(named >= 0) & (d >= low) & (d < high)]
        rows.append(_row(f"named, all substances and tiers mixed, deflection {low:g} to {high:g}", within, lower=True))
    for name in SUBSTANCES:
        chosen = [n for n, t in enumerate(data.truths) if t.substance == name and t.deflection >= BINS[3][0]]
        rows.append(_row(f"{name} named at deflection {BINS[3][0]:g} to 20", named[chosen], lower=True))
    return rows


def _false_alarms(data: Gathered, judged: Judged) -> list[Measured]:
    nulls = [n for n, t in enumerate(data.truths) if not t.substance and t.kind not in NO_NULL]
    rows = [_row("false alarm per scan without a target, all hazards mixed", _alarmed(judged, nulls), lower=False)]
    for what, chosen in (
        ("stations", [n for n in nulls if data.truths[n].interference]),
        ("ringing", [n for n in nulls if data.truths[n].ringing]),
        ("a confuser", [n for n in nulls if data.truths[n].kind == "confuser"]),
        ("a calibrant left in the bay", [n for n in nulls if data.truths[n].kind == "calibrant"]),
    ):
        rows.append(_row(f"false alarm per scan with {what}", _alarmed(judged, chosen), lower=False))
    foreign = [n for n, t in enumerate(data.truths) if t.kind in NO_NULL]
    rows.append(_row("alarm on one foreign line inside a band", _alarmed(judged, foreign), lower=False))
    wrong = [any(r is Ruling.NAMED and SUBSTANCES[s] != t.substance for s, r in enumerate(judged.rulings[n]))
             for n, t in enumerate(data.truths) if t.substance]
    rows.append(_row("another substance named beside or instead of the target", wrong, lower=False))
    return rows


def _rulings(data: Gathered, judged: Judged) -> list[Measured]:
    there = [(n, SUBSTANCES.index(t.substance)) for n, t in enumerate(data.truths) if t.substance]
    vetoed = [judged.rulings[n][s] is Ruling.VETOED for n, s in there]
    return [_row("targets vetoed by the network", vetoed, lower=False)]


def _alone(data: Gathered, judged: Judged, answers: NDArray[np.float32]) -> list[Measured]:
    """The network and the likelihood ratio by themselves on the same scans: which of them carries the decision.

    The network's level is the one that as many of this set's nulls exceed as the policy's rate allows.
    """
    nulls = [n for n, t in enumerate(data.truths) if not t.substance and t.kind not in NO_NULL]
    level = float(np.quantile(answers[nulls, :len(SUBSTANCES)].max(axis=1), 1.0 - Policy().pfa_per_scan))
    rows = []
    for low, high in BINS:
        within = [(n, SUBSTANCES.index(t.substance)) for n, t in enumerate(data.truths)
                  if t.substance and low <= t.deflection < high]
        network = [bool(answers[n, s] > level) for n, s in within]
        ratio = [judged.rulings[n][s] is Ruling.NAMED for n, s in within]
        rows += [_row(f"by the network alone, deflection {low:g} to {high:g}", network, lower=True),
                 _row(f"by the likelihood ratio alone, deflection {low:g} to {high:g}", ratio, lower=True)]
    return rows


def _scene(data: Gathered, answers: NDArray[np.float32]) -> list[Measured]:
    truth = np.array([0 if not (t.interference or t.ringing) else 2 if t.ringing else 1 for t in data.truths])
    single = np.array([not (t.interference and t.ringing) for t in data.truths])
    right = (answers[:, -3:].argmax(axis=1) == truth)[single]
    return [_row("scene class right (none, interference, ringing; one hazard at most)", right, lower=True)]


def _alarmed(judged: Judged, scans: Sequence[int]) -> list[bool]:
    return [judged.alarmed(n) for n in scans]


def _row(what: str, outcomes: Sequence[bool] | NDArray[np.generic], *, lower: bool) -> Measured:
    hits, trials = int(np.sum(outcomes)), len(outcomes)
    return Measured(what, hits, trials, round((lower_bound if lower else upper_bound)(hits, trials), 5))

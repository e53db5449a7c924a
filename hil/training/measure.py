"""Figures of the decision, the network and the probabilities on held-out scans, each with its bound. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import Figure, Measured
from gateway.detection.rule import Ruling
from hil.training.bounds import lower_bound, upper_bound
from hil.training.examples import SUBSTANCES
from hil.training.probabilities import BINS as EQUAL_BINS
from hil.training.probabilities import crossed, of_any, of_the_likeliest, reliability, told, truth_of
from hil.training.sensitivity_gap import enough, gap
from hil.training.thresholds import NO_NULL, evidence_of, judge
from hil.training.worlds import HELD_OUT_CONFUSERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.detection.model_card import Stack, Thresholds
    from hil.training.gather import Gathered
    from hil.training.probabilities import Reliability
    from hil.training.sensitivity_gap import Gap
    from hil.training.thresholds import Judged

# Deflections between which Pd is stated: the last bin is what should never be missed.
BINS: Final = ((3.0, 6.0), (6.0, 8.0), (8.0, 10.0), (10.0, 14.0), (14.0, 20.0))
STRATA: Final = ("flat noise", "coloured noise", "stations", "ringing", "ringing and stations", "confuser", "calibrant")


def measured(data: Gathered, answers: NDArray[np.float32], thresholds: Thresholds) -> tuple[Measured, ...]:
    """All shares of a set."""
    judged = judge(data, answers, thresholds)
    return (*_detection(data, judged), *_false_alarms(data, judged), *_vetoes(data, judged), *_scene(data, answers))


def figures(data: Gathered, answers: NDArray[np.float32], stack: Stack,
            rng: np.random.Generator) -> tuple[Figure, ...]:
    """All figures of a set that are no shares: distances in dB, and how true the probabilities are."""
    names, ratio, p = answers[:, :len(SUBSTANCES)], evidence_of(data), told(stack, data, answers)
    there = truth_of(data)
    rows = [_db(f"network against likelihood ratio, {stratum or 'all scans'}", gap(data, names, ratio, rng, stratum))
            for stratum in _compared(data)]
    rows += [_db(f"both together (calibrated probability) against likelihood ratio, {stratum or 'all scans'}",
                 gap(data, p, ratio, rng, stratum)) for stratum in _compared(data)]
    rows += [_ece("the scan's most probable substance", reliability(*of_the_likeliest(p, there), rng)),
             _ece("any covered substance", reliability(*of_any(stack, p, there), rng)),
             _ece("the network's own answer for its most probable substance",
                  reliability(*of_the_likeliest(names.astype(float), there), rng))]
    return tuple(rows)


def candidate(data: Gathered, answers: NDArray[np.float32], rng: np.random.Generator) -> tuple[Figure, ...]:
    """What a decision by both together would need more than the likelihood ratio, on the calibration set; less: a gain.

    By this the rule was chosen: where the gain is not beyond its error, the likelihood ratio decides alone.
    """
    p, ratio = crossed(data, answers), evidence_of(data)
    what = "calibration set: both together, fitted on the other half, against likelihood ratio"
    return tuple(_db(f"{what}, {stratum or 'all scans'}", gap(data, p, ratio, rng, stratum))
                 for stratum in _compared(data))


def _compared(data: Gathered) -> tuple[str, ...]:
    """All scans (""), and the strata that hold enough of them."""
    return ("", *(stratum for stratum in STRATA[:3] if enough(data, stratum)))


def _db(what: str, found: Gap) -> Figure:
    what = f"{what} ({found.targets} targets, {found.nulls} nulls)"
    return Figure(what, round(found.db, 3), "dB", round(found.low, 3), round(found.high, 3))


def _ece(what: str, found: Reliability) -> Figure:
    what = f"expected calibration error, {what} ({found.scans} scans, {EQUAL_BINS} bins of equal mass)"
    return Figure(what, round(found.ece, 4), "", round(found.low, 4), round(found.high, 4))


def _named(data: Gathered, judged: Judged) -> NDArray[np.int8]:
    """Per scan: 1 when its target was named, 0 when not, -1 without a target."""
    return np.array([int(judged.rulings[n][SUBSTANCES.index(t.substance)] is Ruling.NAMED) if t.substance else -1
                     for n, t in enumerate(data.truths)], np.int8)


def _detection(data: Gathered, judged: Judged) -> list[Measured]:
    named = _named(data, judged)
    d = np.array([t.deflection for t in data.truths])
    flat = np.array([t.flat for t in data.truths])
    rows = []
    for low, high in BINS:
        for what, kept in (("flat noise", flat), ("everything else", ~flat)):
            within = named[(named >= 0) & (d >= low) & (d < high) & kept]
            rows.append(_row(f"named, deflection {low:g} to {high:g}, {what}", within, lower=True))
    for name in SUBSTANCES:
        chosen = [n for n, t in enumerate(data.truths) if t.substance == name and t.deflection >= BINS[3][0]]
        rows.append(_row(f"{name} named at deflection {BINS[3][0]:g} to 20", named[chosen], lower=True))
    return rows


def _false_alarms(data: Gathered, judged: Judged) -> list[Measured]:
    nulls = [n for n, t in enumerate(data.truths) if not t.substance and t.kind not in NO_NULL]
    mixed = [n for n in nulls if not data.truths[n].flat]
    rows = [_row("false alarm per scan without a target, flat noise",
                 _alarmed(judged, [n for n in nulls if data.truths[n].flat]), lower=False),
            _row("false alarm per scan without a target, everything else", _alarmed(judged, mixed), lower=False)]
    rows += [_row(f"false alarm per scan: {stratum}",
                  _alarmed(judged, [n for n in nulls if data.truths[n].stratum == stratum]), lower=False)
             for stratum in STRATA[1:]]
    unseen = [n for n in nulls if data.truths[n].kind == "confuser"]
    rows.append(_row(f"false alarm, confusers never trained on ({', '.join(HELD_OUT_CONFUSERS)})",
                     _alarmed(judged, unseen), lower=False))
    foreign = [n for n, t in enumerate(data.truths) if t.kind in NO_NULL]
    rows.append(_row("alarm on a foreign crystal of two lines, never trained on", _alarmed(judged, foreign),
                     lower=False))
    wrong = [any(r is Ruling.NAMED and SUBSTANCES[s] != t.substance for s, r in enumerate(judged.rulings[n]))
             for n, t in enumerate(data.truths) if t.substance]
    rows.append(_row("another substance named beside or instead of the target", wrong, lower=False))
    return rows


def _vetoes(data: Gathered, judged: Judged) -> list[Measured]:
    there = [(n, SUBSTANCES.index(t.substance)) for n, t in enumerate(data.truths) if t.substance]
    empty = [n for n, t in enumerate(data.truths) if not t.substance]
    return [_row("targets vetoed by the network", [judged.rulings[n][s] is Ruling.VETOED for n, s in there],
                 lower=False),
            _row("false alarms vetoed by the network, foreign crystals among them",
                 [Ruling.VETOED in judged.rulings[n] for n in empty], lower=False)]


def _scene(data: Gathered, answers: NDArray[np.float32]) -> list[Measured]:
    truth = np.array([0 if not (t.interference or t.ringing) else 2 if t.ringing else 1 for t in data.truths])
    single = np.array([not (t.interference and t.ringing) for t in data.truths])
    right = answers[:, -3:].argmax(axis=1) == truth
    rows = [_row("scene class right (none, interference, ringing; one hazard at most)", right[single], lower=True)]
    return rows + [_row(f"scene class right where it is {name}", right[single & (truth == k)], lower=True)
                   for k, name in enumerate(("none", "interference", "ringing"))]


def _alarmed(judged: Judged, scans: Sequence[int]) -> list[bool]:
    return [judged.alarmed(n) for n in scans]


def _row(what: str, outcomes: Sequence[bool] | NDArray[np.generic], *, lower: bool) -> Measured:
    hits, trials = int(np.sum(outcomes)), len(outcomes)
    return Measured(what, hits, trials, round((lower_bound if lower else upper_bound)(hits, trials), 5))

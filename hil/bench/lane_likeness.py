"""Measure what the lane's network adds to the fit on events that did not train it: `python -m hil.bench.lane_likeness`.

Both are set to lose the same share of passes on one half of the events, and judged on the other half. Seeded.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.lane.pass_model import SHIPPED, load
from hil.bench.lane_events import draw_other_event
from hil.training.bounds import lower_bound, upper_bound
from hil.training.lane_flagged import flagged, noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LOSS: Final = 0.01
BINS: Final = 10
RESAMPLES: Final = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the exact one-sided 95 % bounds."""

    hits: int
    trials: int
    lower95: float
    upper95: float


@dataclass(frozen=True, slots=True)
class LikenessFigures:
    """How well network and fit tell disturbances from passes, and how honest the probabilities are."""

    passes: int
    disturbances: int
    auc_network: float
    auc_fit: float
    lost_network: Share                 # passes below the network's cut, set for LOSS on the other half
    lost_fit: Share
    caught_network: Share               # disturbances below that cut
    caught_fit: Share
    lost_rule: Share                    # passes that the rule in use calls no dipole on a straight line
    caught_rule: Share
    ece: float
    ece_interval: tuple[float, float]   # 95 %, bootstrap
    kinds: tuple[tuple[str, int, float], ...]   # kind, number, mean probability


def measure_likeness(folder: Path, count: int, seed: int,
                     backgrounds: Callable[[np.random.Generator, int, int], NDArray[np.float64]] = noise,
                     learnt_s: float = 600.0) -> LikenessFigures:
    """Draw so many events, keep those that the search flags, and judge them both ways."""
    rng, model = np.random.default_rng(seed), load(folder)
    found = list(flagged(rng, count, draw_other_event, backgrounds, learnt_s))
    passed = np.array([one.event.passed for one in found])
    network = np.array([model.likeness(one.picture).passing for one in found])
    fit = -np.array([one.unlike for one in found])
    rule = np.array([one.fitted for one in found])
    low, high = np.quantile([ece(network[at], passed[at]) for at in
                             (rng.integers(0, len(found), len(found)) for _ in range(RESAMPLES))], (0.025, 0.975))
    lost_network, caught_network = _cut(network, passed)
    lost_fit, caught_fit = _cut(fit, passed)
    kinds = Counter(one.event.kind for one in found)
    means = tuple((kind, number, float(np.mean(network[[one.event.kind == kind for one in found]])))
                  for kind, number in sorted(kinds.items()))
    return LikenessFigures(
        int(passed.sum()), int((~passed).sum()), auc(network, passed), auc(fit, passed), lost_network, lost_fit,
        caught_network, caught_fit, _share(~rule[passed]), _share(~rule[~passed]), ece(network, passed),
        (float(low), float(high)), means)


def auc(score: NDArray[np.float64], passed: NDArray[np.bool_]) -> float:
    """Return the probability that a pass scores higher than a disturbance (Mann and Whitney, 1947)."""
    above = score[passed][:, None] - score[~passed]
    return float(np.mean((above > 0) + 0.5 * (above == 0)))


def ece(p: NDArray[np.float64], passed: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over BINS equal steps of probability."""
    which = np.minimum((p * BINS).astype(int), BINS - 1)
    return float(sum(abs(float(np.sum(p[which == k]) - np.sum(passed[which == k]))) for k in range(BINS)) / len(p))


def _cut(score: NDArray[np.float64], passed: NDArray[np.bool_]) -> tuple[Share, Share]:
    """Return passes lost and disturbances caught on odd events, at the cut that loses LOSS of the even ones' passes."""
    even = np.arange(len(score)) % 2 == 0
    cut = float(np.quantile(score[even & passed], LOSS))
    return _share(score[~even & passed] < cut), _share(score[~even & ~passed] < cut)


def _share(true: NDArray[np.bool_]) -> Share:
    hits, trials = int(true.sum()), len(true)
    return Share(hits, trials, lower_bound(hits, trials), upper_bound(hits, trials))


def lines(found: LikenessFigures) -> list[str]:
    """Return the figures in words."""
    def said(name: str, one: Share) -> str:
        return f"{name}: {one.hits} of {one.trials} (95 % one-sided: {one.lower95:.3f} to {one.upper95:.3f})"

    return [
        f"flagged: {found.passes} passes, {found.disturbances} disturbances, none of a kind that trained",
        f"area under the curve: network {found.auc_network:.3f}, fit {found.auc_fit:.3f}",
        said(f"passes lost by the network at a cut for {LOSS:.0%}", found.lost_network),
        said("disturbances it catches there", found.caught_network),
        said(f"passes lost by what the fit leaves at a cut for {LOSS:.0%}", found.lost_fit),
        said("disturbances it catches there", found.caught_fit),
        said("passes that the fit's rule gives no figures", found.lost_rule),
        said("disturbances that it gives none", found.caught_rule),
        f"calibration error {found.ece:.3f} (95 %: {found.ece_interval[0]:.3f} to {found.ece_interval[1]:.3f})",
        *(f"  {kind}: {number}, mean probability {mean:.2f}" for kind, number, mean in found.kinds),
    ]


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description="what the lane's network adds to the fit")
    parser.add_argument("--events", type=int, default=2000, help="drawn; not all are flagged (2000)")
    parser.add_argument("--seed", type=int, default=33, help="of all events (33)")
    parser.add_argument("--model", type=Path, default=SHIPPED, help="package to measure (the one that is shipped)")
    said = parser.parse_args()
    print("\n".join(lines(measure_likeness(said.model, said.events, said.seed))))


if __name__ == "__main__":
    main()

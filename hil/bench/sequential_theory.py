"""Error rates and time of sequential looks, simulated on chi-square statistics alone: cheap, so many trials. Seeded.

The model: independent hypotheses of a few free complex amplitudes, noise known, looks equally long; sums over the
looks so far, as joined scans make them. The shares and the rule for the last look are those of the daemon.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.chisquare import detection_probability, isf_even, required_deflection
from gateway.detection.sensitivity import LIMIT_PD
from gateway.detection.spending import Spending, shares
from gateway.detection.verdict import LOOKS_USUAL
from hil.bench.detection.theory import DWELL_S
from hil.training.bounds import upper_bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

# Simulated hypotheses: each false alarm is rarer the more there are, so its sum over them is the same.
HYPOTHESES: Final = 200
TRIALS: Final = 20_000
CHUNK: Final = 1_000
# What a policy may allow, in dB of mass over the limit that one fixed scan states.
ALLOWED_DB: Final = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


@dataclass(frozen=True, slots=True)
class Model:
    """A substance of `lines` free complex amplitudes, of which so many hypotheses are searched.

    `pfa` is the rate of all looks together, `looks_max` of them; a policy allows `allowed_db` more mass than
    the limit of one fixed scan.
    """

    lines: int
    hypotheses: float
    pfa: float
    allowed_db: float
    looks_max: int = LOOKS_USUAL

    @property
    def fixed(self) -> float:
        """Deflection, in the time of the fixed scan, of the mass that scan states as its limit."""
        return required_deflection(LIMIT_PD, self.threshold(self.pfa), self.lines)

    def threshold(self, rate: float) -> float:
        """Return the statistic that noise alone passes anywhere at this rate."""
        return isf_even(rate / self.hypotheses, self.lines)


@dataclass(frozen=True, slots=True)
class Step:
    """One look: what it may spend, and whether every limit meets the policy then, so that it is the last."""

    rate: float
    met: bool


@dataclass(frozen=True, slots=True)
class Power:
    """Targets so many dB from the reference mass: how many are found, after how long, and by one fixed scan."""

    gain_db: float
    pd: float
    dwell_s: float
    fixed_pd: float


@dataclass(frozen=True, slots=True)
class SpendingFigures:
    """One way of spending: false alarms of loads without a substance, time to a clear, and power.

    `clear_s` is the time after which a load without a substance is clear, by what the policy allows (`ALLOWED_DB`);
    None where all looks do not suffice.
    """

    how: str
    looks_max: int
    false_alarms: int
    nulls: int
    pfa_upper95: float
    clear_s: tuple[float | None, ...]
    power: tuple[Power, ...]


def steps(model: Model, how: Spending) -> tuple[Step, ...]:
    """Return the looks of a load in this noise: up to the one at which the limit meets the policy, or the last."""
    found, spent = [], 0.0
    allowed = model.fixed * 10.0 ** (model.allowed_db / 20.0)
    for number, share in enumerate(shares(model.pfa, model.looks_max, how), 1):
        left = model.pfa - spent
        needed = required_deflection(LIMIT_PD, model.threshold(left), model.lines)
        met = needed <= allowed * math.sqrt(number / model.looks_max)
        found.append(Step(left if met or number == model.looks_max else share, met))
        spent += found[-1].rate
        if met:
            break
    return tuple(found)


def simulate(model: Model, how: Spending, targets: dict[float, float], seed: int,
             trials: int = TRIALS) -> SpendingFigures:
    """Simulate loads without a substance and with one: `targets` are deflections in the fixed scan's time, by dB."""
    rng = np.random.default_rng((seed, model.looks_max, tuple(Spending).index(how)))
    planned = steps(model, how)
    few = [isf_even(step.rate / HYPOTHESES, model.lines) for step in planned]
    alarms = sum(int(_run(few, (HYPOTHESES, model.lines), 0.0, rng)[0].sum()) for _ in range(trials // CHUNK))
    power = tuple(_power(model, planned, (gain_db, deflection), trials, rng)
                  for gain_db, deflection in targets.items())
    last = [steps(replace(model, allowed_db=db), how) for db in ALLOWED_DB]
    clear_s = tuple(len(found) * DWELL_S / model.looks_max if found[-1].met else None for found in last)
    return SpendingFigures(how.value, model.looks_max, alarms, trials, upper_bound(alarms, trials), clear_s, power)


def _power(model: Model, planned: tuple[Step, ...], target: tuple[float, float], trials: int,
           rng: Generator) -> Power:
    gain_db, deflection = target
    thresholds, hits, looks = [model.threshold(step.rate) for step in planned], 0, 0
    for _ in range(trials // CHUNK):
        found, took = _run(thresholds, (1, model.lines), deflection / math.sqrt(model.looks_max), rng)
        hits, looks = hits + int(found.sum()), looks + int(took.sum())
    fixed = detection_probability(model.threshold(model.pfa), model.lines, deflection)
    return Power(gain_db, hits / trials, looks / trials * DWELL_S / model.looks_max, fixed)


def _run(thresholds: Sequence[float], shape: tuple[int, int], deflection: float,
         rng: Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return who alarmed and after how many looks; a target of this deflection in one look is hypothesis 0."""
    hypotheses, lines = shape
    sums = np.zeros((CHUNK, hypotheses, lines), np.complex128)
    alarmed, looks = np.zeros(CHUNK, bool), np.zeros(CHUNK, np.int64)
    for number, threshold in enumerate(thresholds, 1):
        looks += ~alarmed
        drawn = rng.standard_normal((*sums.shape, 2))
        sums += drawn[..., 0] + 1j * drawn[..., 1]
        sums[:, 0] += deflection / math.sqrt(lines)
        alarmed |= (np.sum(np.abs(sums) ** 2, axis=2) / number).max(axis=1) > threshold
    return alarmed, looks

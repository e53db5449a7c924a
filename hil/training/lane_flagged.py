"""Events as the lane's search flags them: background learnt, event added, the strongest window found. Seeded.

The detector's own functions do it, on steps rather than readings: a thousand events take seconds, not hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.verdict import Anomaly
from gateway.lane.anderson import TAU_S
from gateway.lane.background import learn
from gateway.lane.bank import bank_of
from gateway.lane.dipole_fit import Sighting, explained, search, unexplained
from gateway.lane.field_steps import STEP_S
from gateway.lane.pass_portrait import portrait
from hil.training.lane_events import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from gateway.lane.background import Background
    from gateway.lane.bank import Bank
    from hil.training.lane_events import Event

PER_HOUR: Final = 0.1
EVENTS_PER_BACKGROUND: Final = 12
DEFLECTIONS: Final = (6.0, 600.0)
NOISE_T: Final = 1e-11
# What is left where no fit was found, in the unit of `unlike`: more than any fit leaves.
NO_FIT: Final = 1e12


@dataclass(frozen=True, slots=True)
class Flagged:
    """An event that the search found: what the network sees, what the fit said, and what it was."""

    event: Event
    channels: int
    deflection: float
    picture: NDArray[np.float32]
    fitted: bool                      # one dipole on a straight line, by what the fit leaves
    unlike: float                     # what the fit leaves, over what the rule of the fit would bear


def noise(rng: np.random.Generator, steps: int, channels: int) -> NDArray[np.float64]:
    """Return white noise with a 1/f part of a random size, in steps of one noise unit: [steps, channels]."""
    flicker, power = rng.uniform(0.0, 6.0) * rng.integers(0, 2), rng.uniform(0.8, 1.2)
    f = np.fft.rfftfreq(2 * steps, STEP_S)
    density = np.sqrt(1.0 + flicker**2 / np.maximum(f, f[1]) ** power)
    white = np.fft.rfft(rng.standard_normal((2 * steps, channels)), axis=0)
    return np.asarray(np.fft.irfft(white * density[:, None], 2 * steps, axis=0)[:steps])


def flagged(rng: np.random.Generator, count: int, draw_event: Callable[[np.random.Generator], Event],
            backgrounds: Callable[[np.random.Generator, int, int], NDArray[np.float64]] = noise,
            learnt_s: float = 600.0) -> Iterator[Flagged]:
    """Draw `count` events at a random size and sensor; give those that the search flags."""
    learnt: tuple[Background, Bank] | None = None
    for k in range(count):
        event = draw_event(rng)
        steps = event.field.reshape(-1, round(STEP_S * RATE_HZ), 3).mean(axis=1)
        if learnt is None or k % EVENTS_PER_BACKGROUND == 0:
            learnt = learnt_from(backgrounds(rng, round(learnt_s / STEP_S), int(rng.choice([1, 3]))) * NOISE_T)
        found = _seen(rng, learnt, event, steps, backgrounds)
        if found is not None:
            yield found


def learnt_from(quiet: NDArray[np.float64]) -> tuple[Background, Bank]:
    """Return what the detector searches with after these steps. Raises ArithmeticError where they teach nothing."""
    background = learn(quiet, np.arange(len(quiet)))
    if background is None:
        raise ArithmeticError("these steps are no background")
    return background, bank_of(background, TAU_S, STEP_S, PER_HOUR)


def _seen(rng: np.random.Generator, learnt: tuple[Background, Bank], event: Event, steps: NDArray[np.float64],
          backgrounds: Callable[[np.random.Generator, int, int], NDArray[np.float64]]) -> Flagged | None:
    background, bank = learnt
    channels = background.channels
    if channels == 1:
        steps = steps @ rng.standard_normal((3, 1))
    deflection = float(np.exp(rng.uniform(*np.log(DEFLECTIONS))))
    unit = float(np.linalg.norm(background.whiten(steps * NOISE_T) - background.whiten(np.zeros_like(steps))))
    around = backgrounds(rng, len(steps), channels)
    white = background.whiten((around + steps * (deflection / max(unit, 1e-9))) * NOISE_T)
    find = bank.strongest(white, len(white), len(white))
    if find is None or find.energy <= bank.threshold:
        return None
    anomaly = Anomaly(find.energy, bank.threshold, bank.pfa, 0.0, find.scale.rows * STEP_S)
    seen = Sighting(anomaly, find.scale.tau_s, white[find.first:find.end], background, STEP_S, 0)
    best = search(seen)
    left = seen.white if best is None else best.left
    picture = portrait(seen.white, left, seen.tau_s)
    return Flagged(event, channels, deflection, picture, best is not None and explained(seen, best),
                   NO_FIT if best is None else unexplained(seen, best))

"""Count which passes the lane's search finds, many a row: `python -m hil.bench.lane_found`. Seeded; no clock.

The daemon's filter, bank and threshold on steps, every window of a minute; `spingate bench lane` feeds fewer passes
through whole detectors and agrees.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.lane.field_steps import STEP_S
from hil.bench.lane import PASS_S, RATE_HZ, deflection_of, draw, theory
from hil.bench.lane_noise import NOISES
from hil.bench.lane_quiet import crossings_of, quiet_steps
from hil.training.bounds import lower_bound, upper_bound
from hil.training.lane_flagged import learnt_from

if TYPE_CHECKING:
    from gateway.lane.background import Background
    from gateway.lane.bank import Bank

DEFLECTIONS: Final = (4.0, 5.0, 6.0, 7.0, 8.0)
LEARNT_S: Final = 330.0
PASSES_PER_BACKGROUND: Final = 3


@dataclass(frozen=True, slots=True)
class Found:
    """How many passes of one deflection were found, with exact one-sided 95 % bounds, and what theory gives."""

    noise: str
    channels: int
    deflection: float
    passes: int
    found: int
    lower95: float
    upper95: float
    theory: float


def measure_found(noise: str, channels: int, passes: int, seed: int) -> list[Found]:
    """Draw passes from the prior, each in noise of its own, and look at each at every deflection."""
    rng, hits, pfa = np.random.default_rng(seed), np.zeros(len(DEFLECTIONS), np.int64), 1.0
    learnt: tuple[Background, Bank] | None = None
    for k in range(passes):
        if learnt is None or k % PASSES_PER_BACKGROUND == 0:
            learnt = learnt_from(quiet_steps(rng, round(LEARNT_S / STEP_S), channels, noise))
        background, bank = learnt
        pfa = min(pfa, bank.pfa)
        passing = draw(rng, channels)
        unit = deflection_of(passing.field, background)
        steps = passing.field.reshape(-1, round(STEP_S * RATE_HZ), channels).mean(axis=1) * 1e-9
        around = quiet_steps(rng, round(PASS_S / STEP_S), channels, noise)
        for place, deflection in enumerate(DEFLECTIONS):
            white = background.whiten(around + steps * (deflection / unit))
            hits[place] += bool(crossings_of(bank, white, 0, bank.threshold))
    return [Found(noise, channels, deflection, passes, int(hit), lower_bound(int(hit), passes),
                  upper_bound(int(hit), passes), theory(deflection, pfa, 3 * channels))
            for deflection, hit in zip(DEFLECTIONS, hits, strict=True)]


def main() -> None:
    """Print a row for each noise, sensor and deflection."""
    parser = argparse.ArgumentParser(description="detections of the magnetic lane along the deflection")
    parser.add_argument("--passes", type=int, default=300, help="a row (300)")
    parser.add_argument("--seed", type=int, default=1, help="of all passes (1)")
    said = parser.parse_args()
    for noise in NOISES:
        for channels in (1, 3):
            for one in measure_found(noise, channels, said.passes, said.seed):
                print(f"{noise}, {channels} channel(s), d = {one.deflection:g}: {one.found} of {one.passes}, "
                      f"Pd {one.found / one.passes:.3f} (95 % one-sided: {one.lower95:.3f} to {one.upper95:.3f}), "
                      f"theory {one.theory:.3f}", flush=True)


if __name__ == "__main__":
    main()

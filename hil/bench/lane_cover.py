"""Count how often what is told of a pass lies within its uncertainty: `python -m hil.bench.lane_cover`. Seeded.

The search and the fit of the daemon, on steps; every pass has the same deflection, near the threshold or above.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.verdict import Anomaly
from gateway.lane.dipole_fit import Sighting, fit
from gateway.lane.field_steps import STEP_S
from hil.bench.lane import PASS_S, RATE_HZ, draw
from hil.bench.lane_noise import NOISES
from hil.bench.lane_quiet import quiet_steps
from hil.training.lane_flagged import learnt_from

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.lane.background import Background
    from gateway.lane.bank import Bank
    from hil.bench.lane import Drawn

DEFLECTIONS: Final = (8.0, 12.0, 20.0)
LEARNT_S: Final = 900.0
PASSES_PER_BACKGROUND: Final = 5
# The middle of a pass is told as an instant, which is no time before nought.
EPOCH_NS: Final = 10**12


@dataclass(frozen=True, slots=True)
class Cover:
    """Of so many passes: how many were flagged and measured, and the shares within k = 1."""

    noise: str
    channels: int
    deflection: float
    passes: int
    flagged: int
    told: int
    inside: tuple[float, float, float, float]   # time, crossing, closest approach, moment


def measure_cover(noise: str, channels: int, deflection: float, passes: int, seed: int) -> Cover:
    """Draw passes from the prior at one deflection, each in noise of its own, and judge what is told of them."""
    rng = np.random.default_rng(seed)
    flagged, told, inside = 0, 0, np.zeros(4)
    for k in range(passes):
        if k % PASSES_PER_BACKGROUND == 0:
            background, bank = learnt_from(quiet_steps(rng, round(LEARNT_S / STEP_S), channels, noise))
        passing = draw(rng, channels)
        around = quiet_steps(rng, round(PASS_S / STEP_S), channels, noise)
        found = _judged(background, bank, passing, around, deflection)
        flagged += found is not None
        if found is not None and len(found):
            told, inside = told + 1, inside + (found < 1.0)
    share = tuple(float(one) for one in inside / max(1, told))
    return Cover(noise, channels, deflection, passes, flagged, told, (share[0], share[1], share[2], share[3]))


def _judged(background: Background, bank: Bank, passing: Drawn, around: NDArray[np.float64], deflection: float,
            ) -> NDArray[np.float64] | None:
    """Return how far off each figure is, in standard uncertainties; empty where none is told, None where unseen."""
    steps = passing.field.reshape(-1, round(STEP_S * RATE_HZ), background.channels).mean(axis=1) * 1e-9
    unit = float(np.linalg.norm(background.whiten(steps) - background.whiten(np.zeros_like(steps))))
    moment = passing.moment_am2 * deflection / unit
    white = background.whiten(around + steps * deflection / unit)
    find = bank.strongest(white, len(white), len(white))
    if find is None or find.energy <= bank.threshold:
        return None
    anomaly = Anomaly(find.energy, bank.threshold, bank.pfa, 0.0, find.scale.rows * STEP_S)
    middle_s = ((find.first + find.end) / 2.0 + background.order) * STEP_S
    seen = Sighting(anomaly, find.scale.tau_s, white[find.first:find.end], background, STEP_S,
                    EPOCH_NS + round(middle_s * 1e9))
    told = fit(seen).passage
    if told is None:
        return np.zeros(0)
    off = ((told.closest_at - EPOCH_NS) / 1e9 - passing.at_s, told.crossing_s - passing.crossing_s,
           told.closest_m - passing.closest_m, told.moment_am2 - moment)
    return np.abs(off) / (told.u_closest_at_s, told.u_crossing_s, told.u_closest_m, told.u_moment_am2)


def main() -> None:
    """Print the shares for each noise, sensor and deflection."""
    parser = argparse.ArgumentParser(description="coverage of what the magnetic lane tells of a pass")
    parser.add_argument("--passes", type=int, default=200, help="at each deflection (200)")
    parser.add_argument("--seed", type=int, default=1, help="of all passes (1)")
    said = parser.parse_args()
    for noise in NOISES:
        for channels in (1, 3):
            for deflection in DEFLECTIONS:
                one = measure_cover(noise, channels, deflection, said.passes, said.seed)
                words = ", ".join(f"{name} {share:.2f}" for name, share in
                                  zip(("time", "crossing", "closest", "moment"), one.inside, strict=True))
                print(f"{noise}, {channels} channel(s), d = {deflection:g}: {one.passes} passes, "
                      f"{one.flagged} flagged, {one.told} measured, within k = 1: {words}", flush=True)


if __name__ == "__main__":
    main()

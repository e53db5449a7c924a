"""Count the false alarms of long quiet hours at the rates that are configured: `python -m hil.bench.lane_quiet`.

The detector's own filter, bank, spreads and thresholds, on steps in large blocks; readings and their averaging, which
change nothing in the statistics, are left out. Seeded; no clock.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.lane.anderson import TAU_S
from gateway.lane.anomaly import OVER_S, OVER_SHARE
from gateway.lane.background import ORDER_MAX, learn
from gateway.lane.bank import bank_of, energies, threshold_of
from gateway.lane.field_steps import STEP_S
from hil.bench.lane_noise import NOISES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.lane.bank import Bank

RATES_PER_HOUR: Final = (0.1, 1.0, 10.0)
# As much background as the detector learns from, then as long judged with it; the daemon fits again every 10 s.
LEARNT_S: Final = 900.0
JUDGED_S: Final = 900.0
BISECTIONS: Final = 60
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Quiet:
    """False alarms in so many hours at one configured rate, with exact one-sided 95 % Poisson bounds an hour."""

    noise: str
    channels: int
    hours: float
    stated_per_hour: float
    alarms: int
    lower95: float
    upper95: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """A window above the threshold: its first step and the one after its last."""

    energy: float
    first: int
    end: int


def measure_quiet(noise: str, channels: int, hours: float, seed: int) -> list[Quiet]:
    """Learn and judge blocks of noise, each drawn for itself, until so many hours are judged."""
    rng, blocks = np.random.default_rng(seed), max(1, round(hours * 3600.0 / JUDGED_S))
    alarms = dict.fromkeys(RATES_PER_HOUR, 0)
    for _ in range(blocks):
        for rate, found in judge_block(rng, noise, channels).items():
            alarms[rate] += found
    told = blocks * JUDGED_S / 3600.0
    return [Quiet(noise, channels, told, rate, found, *(bound / told for bound in poisson_bounds(found)))
            for rate, found in alarms.items()]


def judge_block(rng: np.random.Generator, noise: str, channels: int) -> dict[float, int]:
    """Return how many alarms each rate gives in one block."""
    learnt, judged = round(LEARNT_S / STEP_S), round(JUDGED_S / STEP_S)
    lead = ORDER_MAX + max(round(6.0 * TAU_S[-1] / STEP_S) + 1, 0)
    field = quiet_steps(rng, learnt + lead + judged, channels, noise)
    background = learn(field[:learnt], np.arange(learnt))
    if background is None:
        raise ArithmeticError("noise gave no background")
    bank = bank_of(background, TAU_S, STEP_S, min(RATES_PER_HOUR))
    white = background.whiten(field[learnt:])
    first_end = len(white) - judged        # what ends before was learnt from or leads in
    thresholds = {rate: threshold_of(background, bank.scales, bank.bases, STEP_S, rate)[0] for rate in RATES_PER_HOUR}
    crossings = crossings_of(bank, white, first_end, min(thresholds.values()))
    return {rate: alarms_of([one for one in crossings if one.energy > threshold])
            for rate, threshold in thresholds.items()}


def crossings_of(bank: Bank, white: NDArray[np.float64], first_end: int, threshold: float) -> list[Crossing]:
    """Return all windows above the threshold that end after step `first_end`, in the order of their ends."""
    found = []
    for scale, basis, spread in zip(bank.scales, bank.bases, bank.spreads, strict=True):
        begin = max(0, first_end - scale.rows)
        chi = spread.chi_squares(energies(white[begin:], basis, scale.rows, scale.hop))
        for k in np.flatnonzero(chi > threshold):
            first = begin + int(k) * scale.hop
            found.append(Crossing(float(chi[k]), first, first + scale.rows))
    return sorted(found, key=lambda one: one.end)


def alarms_of(crossings: list[Crossing]) -> int:
    """Return how many passages the crossings are: what overlaps the strongest of one is no other, as in the daemon."""
    alarms, strongest = 0, None
    for one in crossings:
        if strongest is not None:
            rows = strongest.end - strongest.first
            over = strongest.end + max(OVER_S, OVER_SHARE * rows * STEP_S) / STEP_S
            if one.end <= over:
                strongest = max(strongest, one, key=lambda each: each.energy)
                continue
            if one.first < strongest.end:
                continue
        alarms, strongest = alarms + 1, one
    return alarms


def quiet_steps(rng: np.random.Generator, steps: int, channels: int, noise: str) -> NDArray[np.float64]:
    """Return noise of that kind as the detector's steps in tesla, shaped in frequency: [steps, channels]."""
    white, flicker = NOISES[noise]
    f = np.fft.rfftfreq(2 * steps, STEP_S)
    density = np.sqrt(white**2 + flicker**2 / np.maximum(f, f[1])) * math.sqrt(2 * steps / STEP_S) / 2.0
    spectrum = (rng.standard_normal((channels, f.size)) + 1j * rng.standard_normal((channels, f.size))) * density
    return np.asarray(np.fft.irfft(spectrum, 2 * steps)[:, :steps].T) * 1e-9


def poisson_bounds(found: int) -> tuple[float, float]:
    """Return the exact one-sided 95 % bounds of the mean of so many events (Garwood, 1936)."""
    def at_most(mean: float, count: int) -> float:
        return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))

    def where(count: int, level: float) -> float:
        low, high = 1e-9, 10.0 * (found + 10.0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if at_most(middle, count) > level else (low, middle)
        return low

    return (where(found - 1, CONFIDENCE) if found else 0.0), where(found, 1.0 - CONFIDENCE)


def main() -> None:
    """Print the counts for each noise and sensor."""
    parser = argparse.ArgumentParser(description="false alarms of the magnetic lane in quiet hours")
    parser.add_argument("--hours", type=float, default=100.0, help="of each noise and sensor (100)")
    parser.add_argument("--seed", type=int, default=1, help="of all noise (1)")
    parser.add_argument("--channels", type=int, action="append", choices=(1, 3), help="of the sensor (1 and 3)")
    parser.add_argument("--noise", action="append", choices=tuple(NOISES), help="of the background (all)")
    said = parser.parse_args()
    for noise in said.noise or NOISES:
        for channels in said.channels or (1, 3):
            for one in measure_quiet(noise, channels, said.hours, said.seed):
                print(f"{noise}, {channels} channel(s), {one.hours:g} h at {one.stated_per_hour:g} an hour: "
                      f"{one.alarms} alarms, {one.alarms / one.hours:.3g} an hour "
                      f"(95 % one-sided: {one.lower95:.3g} to {one.upper95:.3g})", flush=True)


if __name__ == "__main__":
    main()

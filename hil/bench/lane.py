"""Measure the magnetic lane: what is detected, what is invented, and how far from theory. Seeded; no clock.

Every pass is fed twice through the very detectors as the daemon feeds them: the search for dipoles, and the energy
detector that it replaced. Passes are drawn from the prior that the detector states for its distances.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.detection.chisquare import isf, log_sf
from gateway.lane.anomaly import LaneSettings, PassDetector
from gateway.lane.dipole_fit import CLOSEST_M, SPEED_MPS
from gateway.lane.field_steps import STEP_S
from hil.bench.lane_energy import EnergyDetector
from hil.bench.lane_energy import LaneSettings as EnergySettings
from hil.bench.lane_noise import NOISES
from hil.scene.lane import dipole_nt
from hil.training.bounds import lower_bound, upper_bound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.verdict import Anomaly
    from gateway.lane.background import Background

RATE_HZ: Final = 20.0
PER_HOUR: Final = 0.1
PRIMED_S, PASS_S = 330, 60
# Points a row of a pass is averaged over.
FINE: Final = 2
DEFLECTIONS: Final = (4.0, 5.0, 6.0, 7.0, 8.0, 9.5, 12.0)
PDS: Final = (0.5, 0.9)
TAU_S_RANGE: Final = (0.3, 6.0)


@dataclass(frozen=True, slots=True)
class Detected:
    """How many of the trials at one deflection each detector found, and what theory gives."""

    deflection: float
    trials: int
    searched: int
    energy: int
    theory: float
    searched_lower95: float


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """One noise, one sensor: detections along the deflection, decibels, and false alarms."""

    noise: str
    channels: int
    seed: int
    detected: tuple[Detected, ...]
    gap_to_theory_db: tuple[float, float]       # at Pd 0.5 and 0.9; theory knows scale and time
    gain_over_energy_db: tuple[float, float]
    quiet_trials: int
    quiet_alarms: int
    pfa_upper95: float                          # of a quiet minute at 60 false alarms an hour, where 0.63 is stated
    inside: tuple[float, float, float, float]   # share within k = 1: time, crossing, closest approach, moment
    measured: int


def coloured(rng: np.random.Generator, n: int, channels: int, noise: str) -> NDArray[np.float64]:
    """Return noise of that kind in nT at RATE_HZ, shaped in frequency: [n, channels]."""
    white, flicker = NOISES[noise]
    f = np.fft.rfftfreq(2 * n, 1.0 / RATE_HZ)
    density = np.sqrt(white**2 + flicker**2 / np.maximum(f, f[1])) * math.sqrt(2 * n * RATE_HZ) / 2.0
    spectrum = (rng.standard_normal((channels, f.size)) + 1j * rng.standard_normal((channels, f.size))) * density
    return np.asarray(np.fft.irfft(spectrum, 2 * n)[:, :n].T)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A pass from the prior: its field in nT [steps, channels], and what made it."""

    field: NDArray[np.float64]
    at_s: float
    crossing_s: float
    closest_m: float
    moment_am2: float


def draw(rng: np.random.Generator, channels: int) -> Drawn:
    """Return a pass of 1 A m^2 in the middle of PASS_S, at any direction."""
    while True:
        speed, closest = rng.uniform(*SPEED_MPS), math.exp(rng.uniform(*np.log(CLOSEST_M)))
        if TAU_S_RANGE[0] < closest / speed < TAU_S_RANGE[1]:
            break
    frame = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    moment = rng.standard_normal(3)
    moment /= np.linalg.norm(moment)
    at_s = PASS_S / 2 + rng.uniform(-0.5, 0.5)
    time_s = (np.arange(PASS_S * int(RATE_HZ) * FINE) + 0.5) / RATE_HZ / FINE
    field = dipole_nt(moment, closest * frame[1] - speed * (time_s - at_s)[:, None] * frame[0])
    if channels == 1:
        earth = rng.standard_normal(3)
        field = (field @ earth / np.linalg.norm(earth))[:, None]
    steps = field.reshape(-1, FINE, channels).mean(axis=1)
    return Drawn(steps, at_s, closest / speed, closest, 1.0)


def reading(values: NDArray[np.float64], number: int) -> Reading:
    """Return one second of a magnetometer's stream."""
    channels = tuple(Channel(f"x{k}", "magnetic flux density", "nT") for k in range(values.shape[1]))
    return Reading(Identity("emulated", "lane", "1", "1"), "field", channels, values, np.full(values.shape[1], np.nan),
                   RATE_HZ, number * len(values), round((number + 1 - 0.5 / RATE_HZ) * 1e9), bytes(32),
                   Trust(calibrated=True, certificate_sha256=bytes(32)))


def fed(detector: PassDetector | EnergyDetector, field: NDArray[np.float64], first: int) -> Anomaly | None:
    """Return the strongest anomaly in the seconds of field, measured where the detector measures."""
    rows, best = int(RATE_HZ), None
    for second in range(len(field) // rows):
        found = detector.feed(reading(field[second * rows:(second + 1) * rows], first + second))
        if found is not None and (best is None or found.energy > best.energy):
            best = detector.measured(found) if isinstance(detector, PassDetector) else found
    return best


def theory(deflection: float, pfa: float, dof: int) -> float:
    """Return P(noncentral chi-square, noncentrality deflection^2, > the threshold of pfa): a Poisson mixture."""
    threshold, mean = isf(pfa, dof), deflection**2 / 2.0
    return min(1.0, math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1) + log_sf(threshold, dof + 2 * k))
                              for k in range(int(mean + 12.0 * math.sqrt(mean) + 30.0))))


def reached(deflections: tuple[float, ...], shares: list[float], pd: float) -> float:
    """Return the deflection at which a rising share reaches pd, NaN outside."""
    rising = np.maximum.accumulate(shares)
    if not rising[0] < pd <= rising[-1]:
        return math.nan
    place = int(np.searchsorted(rising, pd))
    low, high = rising[place - 1], rising[place]
    return float(deflections[place - 1] + (deflections[place] - deflections[place - 1]) * (pd - low) / (high - low))


def measure_lane(noise: str, channels: int, trials: int, seed: int) -> LaneFigures:
    """Feed `trials` passes at each deflection to both detectors, each after a background of its own."""
    rng = np.random.default_rng(seed)
    hits, pfa = np.zeros((len(DEFLECTIONS), 2), np.int64), 1.0
    alarms, inside, measured = 0, np.zeros(4), 0
    for _ in range(trials):
        field = coloured(rng, (PRIMED_S + PASS_S) * int(RATE_HZ), channels, noise)
        before, after = field[: PRIMED_S * int(RATE_HZ)], field[PRIMED_S * int(RATE_HZ):]
        searching = PassDetector(LaneSettings(false_alarms_per_hour=PER_HOUR))
        energetic = EnergyDetector(EnergySettings(false_alarms_per_hour=PER_HOUR))
        loose = PassDetector(LaneSettings(false_alarms_per_hour=60.0))
        for one in (searching, energetic, loose):
            fed(one, before, 0)
        alarms += fed(loose, after, PRIMED_S) is not None
        passing = draw(rng, channels)
        bank, background = searching.learnt
        pfa = min(pfa, bank.pfa)
        unit = deflection_of(passing.field, background)
        for place, deflection in enumerate(DEFLECTIONS):
            with_pass = after + passing.field * (deflection / unit)
            found = fed(copy.deepcopy(searching), with_pass, PRIMED_S)
            hits[place] += found is not None, fed(copy.deepcopy(energetic), with_pass, PRIMED_S) is not None
        if found is not None and found.passage is not None:
            told, moment = found.passage, deflection / unit
            off = (told.closest_at / 1e9 - PRIMED_S - passing.at_s, told.crossing_s - passing.crossing_s,
                   told.closest_m - passing.closest_m, told.moment_am2 - moment)
            within = (told.u_closest_at_s, told.u_crossing_s, told.u_closest_m, told.u_moment_am2)
            inside, measured = inside + (np.abs(off) < within), measured + 1
    return _figures(noise, channels, seed, trials, hits, pfa, alarms, inside / max(1, measured), measured)


def deflection_of(field: NDArray[np.float64], background: Background) -> float:
    """Return the root of the energy that white noise of unit variance is to be told from: the d of the limit."""
    steps = field.reshape(-1, round(STEP_S * RATE_HZ), field.shape[1]).mean(axis=1) * 1e-9
    quiet = np.zeros_like(steps)
    return float(np.linalg.norm(background.whiten(steps) - background.whiten(quiet)))


def _figures(noise: str, channels: int, seed: int, trials: int, hits: NDArray[np.int64], pfa: float, alarms: int,  # noqa: PLR0913, PLR0917  # one figure each
             inside: NDArray[np.float64], measured: int) -> LaneFigures:
    expected = [theory(deflection, pfa, 3 * channels) for deflection in DEFLECTIONS]
    detected = tuple(
        Detected(deflection, trials, int(searched), int(energy), share, lower_bound(int(searched), trials))
        for deflection, (searched, energy), share in zip(DEFLECTIONS, hits, expected, strict=True))
    curves = [expected, *(list(hits[:, k] / trials) for k in (0, 1))]
    at = [[20.0 * math.log10(reached(DEFLECTIONS, curve, pd)) for pd in PDS] for curve in curves]
    gap, gain = [at[1][k] - at[0][k] for k in (0, 1)], [at[2][k] - at[1][k] for k in (0, 1)]
    share = tuple(float(one) for one in inside)
    return LaneFigures(noise, channels, seed, detected, (gap[0], gap[1]), (gain[0], gain[1]), trials, alarms,
                       upper_bound(alarms, trials), (share[0], share[1], share[2], share[3]), measured)

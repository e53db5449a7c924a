"""Does the network look at the lines it is said to look at? Windows of its picture are blanked, and the score compared.

Rule: forward passes alone, so that it holds for the shipped model as it is; windows elsewhere are the control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.portrait import CARRIER_TOLERANCE_KHZ, CARRIERS_KHZ, SHAPE, portrait
from gateway.detection.testimony import Occlusion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.beam import Beam
    from gateway.detection.model import Package

# Each side of a line that is blanked: the widest line of the table at its poorest crystal is 2 kHz wide.
HALF_KHZ: Final = 1.0
# As many windows as there are lines, this often, elsewhere in the same bands' picture.
CONTROLS: Final = 20
# A control must not touch the line it is compared with.
APART_KHZ: Final = 2.0
# Below this change of the score the network said nothing that could be taken away.
CHANGE_MIN: Final = 0.05


def occluded(package: Package, beams: tuple[Beam, ...], substance: str, lines_khz: tuple[float, ...],
             rng: np.random.Generator) -> Occlusion:
    """Blank the lines of a substance, then as many windows elsewhere, and compare what the network says of it."""
    names = package.card.outputs
    place = names.index(substance)
    picture = portrait(beams)
    answer = package.network.score(picture)
    score = float(answer[place])
    without = float(package.network.score(blanked(picture, beams, lines_khz))[place])
    elsewhere = [float(package.network.score(blanked(picture, beams, drawn(beams, lines_khz, rng)))[place])
                 for _ in range(CONTROLS)]
    lowest, best = min(elsewhere), int(np.argmax(answer))
    faithful = None if max(score - without, score - lowest) < CHANGE_MIN else without < lowest
    return Occlusion(score, without, float(np.mean(elsewhere)), lowest, faithful, names[best], float(answer[best]))


def blanked(picture: NDArray[np.float32], beams: tuple[Beam, ...], lines_khz: tuple[float, ...]) -> NDArray[np.float32]:
    """Return the picture with nothing around each frequency: zero is what the network sees where no signal is."""
    left = picture.copy()
    for khz in lines_khz:
        beam = min(beams, key=lambda one: abs(one.plan.carrier_hz / 1e3 - khz))
        carrier_khz = beam.plan.carrier_hz / 1e3
        row = int(np.argmin(np.abs(np.array(CARRIERS_KHZ) - carrier_khz)))
        if abs(CARRIERS_KHZ[row] - carrier_khz) < CARRIER_TOLERANCE_KHZ:
            left[row, np.abs(axis_khz(beam) - khz) <= HALF_KHZ] = 0.0
    return left


def drawn(beams: tuple[Beam, ...], lines_khz: tuple[float, ...], rng: np.random.Generator) -> tuple[float, ...]:
    """Return a frequency for each line, at random in a band of the scan, clear of all of them."""
    found: list[float] = []
    while len(found) < len(lines_khz):
        beam = beams[int(rng.integers(len(beams)))]
        reach_khz = beam.plan.rate_hz / 2e3 - HALF_KHZ
        khz = beam.plan.carrier_hz / 1e3 + float(rng.uniform(-reach_khz, reach_khz))
        if all(abs(khz - line) >= APART_KHZ for line in lines_khz):
            found.append(khz)
    return tuple(found)


def axis_khz(beam: Beam) -> NDArray[np.float64]:
    """Return the frequencies of a row of the picture."""
    bins = np.fft.fftshift(np.fft.fftfreq(SHAPE[1], 1.0 / beam.plan.rate_hz))
    return np.asarray((beam.plan.carrier_hz + bins) / 1e3)

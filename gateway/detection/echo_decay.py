"""How fast one line dies away over the echo train: the amplitude of each group, and the T2e that fits them. Pure.

Rule: interference does not decay with a train; a line whose decay is not seen says so with an open interval.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import train_s
from gateway.detection.head_array import GROUPS
from gateway.detection.testimony import EchoDecay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from gateway.detection.beam import Beam

# Decays searched, in trains: what dies in a fiftieth of one leaves a single group, what lasts fifty looks steady.
SHORTEST_TRAINS, LONGEST_TRAINS, STEPS = 0.02, 50.0, 300
# Twice the log likelihood may fall by this within a 68 % interval.
FALL: Final = 1.0


def echo_decay(beam: Beam, spectra: NDArray[np.complex128], template: NDArray[np.complex128],
               expected_s: float) -> EchoDecay:
    """Fit the decay of the line whose echo train is `template` to `spectra`, both [group 8][bin 256].

    Each group is matched with the echo's shape in the noise of its band; the amplitude is common, complex and free.
    """
    echo = template[0] / decays(beam.plan, np.array([expected_s]))[0, 0]
    weight = echo.conj() / beam.floor
    information = float((weight * echo).real.sum())
    matched = spectra @ weight / information          # 1 is the amplitude that the template has at the first pulse
    size_ft = float(np.abs(np.fft.ifft(echo, norm="ortho")).max())
    coarse = np.append(np.geomspace(SHORTEST_TRAINS, LONGEST_TRAINS, STEPS), np.inf)
    inside, _ = likely(coarse, matched, information, beam)
    # A strong line pins its decay closer than the coarse steps lie: search again between the interval's neighbours.
    low, high = coarse[max(0, inside[0] - 1)], coarse[min(inside[-1] + 1, STEPS)]
    fine = np.geomspace(low, min(high, LONGEST_TRAINS), STEPS)
    trains = np.append(fine, np.inf) if np.isinf(high) else fine
    inside, best = likely(trains, matched, information, beam)
    shape = decays(beam.plan, trains[best:best + 1] * train_s(beam.plan))[0]
    amplitude = complex(shape @ matched / (shape @ shape))
    turned = (matched * np.exp(-1j * np.angle(amplitude))).real
    found_s, low_s, high_s = (float(trains[at] * train_s(beam.plan)) for at in (best, inside[0], inside[-1]))
    return EchoDecay(found_s, low_s, high_s, expected_s, tuple((turned * size_ft).tolist()),
                     size_ft / math.sqrt(2.0 * information), tuple((abs(amplitude) * shape * size_ft).tolist()))


def likely(trains: NDArray[np.float64], matched: NDArray[np.complex128], information: float,
           beam: Beam) -> tuple[NDArray[np.intp], int]:
    """Return which of these decays, in trains, lie in the 68 % interval, and the likeliest."""
    shapes = decays(beam.plan, trains * train_s(beam.plan))
    gained = 2.0 * information * np.abs(shapes @ matched) ** 2 / np.sum(shapes**2, axis=1)
    best = int(np.argmax(gained))
    return np.flatnonzero(gained >= gained[best] - FALL), best


def decays(plan: BandPlan, t2e_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of exp(-m mu / Te) over the echoes m of each group, for each Te: [decay][group 8]."""
    echoes = np.arange(GROUPS * plan.echoes_per_group) * plan.echo_spacing_s
    return np.asarray(np.exp(-echoes / t2e_s[:, None]).reshape(len(t2e_s), GROUPS, -1).mean(axis=2))

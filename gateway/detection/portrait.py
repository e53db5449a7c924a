"""The fixed picture of a scan that the network looks at. A change here is a new layout version, and a new model.

Layout 2: float32 [band 14][bin 256][channel 6], bands by rising carrier, bins by rising frequency. Channels: real and
imaginary part of the whitened beam, its echo groups joined as the covered lines of the band decay, then joined at
right angles to that; what the references and the array saw before anything was taken out. Everything asinh-compressed:
a station is 60 dB above a line. (Layout 1 joined the halves of the train: 1.8 dB of the drugs' and 3.3 dB of RDX's
deflection were lost, because after four echoes hardly anything is left of them.)
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.priors import properties
from calibration.schedule import BANDS, lines_in
from gateway.detection.echo_search import group_decay
from gateway.detection.head_array import GROUPS, POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from gateway.detection.beam import Beam

LAYOUT: Final = 2
CARRIERS_KHZ: Final = tuple(khz for khz, _ in BANDS)
SHAPE: Final = (len(CARRIERS_KHZ), POINTS, 6)
# A carrier this far from the layout's is another band (the scan was planned otherwise): it stays blank.
CARRIER_TOLERANCE_KHZ: Final = 0.5
# Linear up to this many standard deviations of noise, logarithmic above.
KNEE: Final = 3.0


def portrait(beams: Iterable[Beam]) -> NDArray[np.float32]:
    """The picture of one scan, float32 of `SHAPE`; bands that are missing stay zero."""
    picture = np.zeros(SHAPE, np.float32)
    carriers = np.array(CARRIERS_KHZ)
    for beam in beams:
        row = int(np.argmin(np.abs(carriers - beam.plan.carrier_hz / 1e3)))
        if abs(carriers[row] - beam.plan.carrier_hz / 1e3) < CARRIER_TOLERANCE_KHZ:
            picture[row] = np.fft.fftshift(_channels(beam), axes=0)
    return picture


def shows_all(beams: Iterable[Beam]) -> bool:
    """Tell whether every band of the layout is there, as wide as the network knows it.

    It was trained and its thresholds were found on whole scans alone: of noise in four bands it named something in 8 of
    240 scans, where a whole scan would give 0.5.
    """
    seen = [(beam.plan.carrier_hz / 1e3, beam.plan.rate_hz) for beam in beams]
    return all(any(abs(khz - other) < CARRIER_TOLERANCE_KHZ and rate_hz == other_hz for other, other_hz in seen)
               for khz, rate_hz in BANDS)


def compressed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear for noise, logarithmic for what stands far above it; odd, so that it keeps the sign."""
    return np.asarray(KNEE * np.arcsinh(values / KNEE))


def _channels(beam: Beam) -> NDArray[np.float64]:
    """[bin, channel] in FFT order."""
    # Phase zero at the echo centre, which lies in mid-window: a line is then of one sign over its whole width.
    centred = np.exp(2j * np.pi * np.fft.fftfreq(POINTS) * (POINTS - 1) / 2.0)
    joined = (joints(beam.plan) @ beam.spectra) * centred / np.sqrt(beam.floor / 2.0)
    columns = [part for spectrum in joined for part in (spectrum.real, spectrum.imag)]
    return compressed(np.stack([*columns, beam.heard - 1.0, beam.seen - 1.0], axis=1))


@lru_cache(maxsize=64)
def joints(plan: BandPlan) -> NDArray[np.float64]:
    """Two orthonormal ways of joining a band's echo groups, [2, 8]: noise keeps its variance in both.

    The first is how the covered lines of the band decay, so that nothing of their energy is lost. The second tells
    lines of different decay apart where the band holds such, else a decaying line from what stays alike throughout.
    """
    known = sorted({properties(line).t2e_s.value for line in lines_in(plan)})
    # A band without a covered line is none of ours: any two ways will do.
    decays = [group_decay(plan, t2e_s) for t2e_s in known] or [np.arange(GROUPS, 0.0, -1.0)]
    unit = [decay / np.linalg.norm(decay) for decay in decays]
    first = np.sum(unit, axis=0) / np.linalg.norm(np.sum(unit, axis=0))
    other = unit[-1] - unit[0] if len(unit) > 1 else np.ones(GROUPS)
    second = other - (other @ first) * first
    return np.stack([first, second / np.linalg.norm(second)])

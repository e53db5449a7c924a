"""What one scan says of the head that made it, whatever lay in the bay. Pure arithmetic on one scan.

Rule: a quantity that the scan does not tell is NaN; nothing is filled in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.thermometer import holds_thermometer, kelvin_of, kelvin_per_hz, thermometer_line
from drivers.replay import REPLAYED
from gateway.detection.beam import PILOT_GAIN_MAX, PILOT_GAIN_MIN, BandBlind, form_beam
from gateway.detection.echo_search import offsets_hz, search
from gateway.detection.head_array import CHANNELS, GROUPS, POINTS
from gateway.detection.hypotheses import place
from gateway.detection.verdict import Outcome
from gateway.drift.bounds import P_MIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.verdict import Verdict

# Of 512 frequencies, noise alone reaches this in one scan of a million: 512 exp(-44 / 2) is 1.4e-7.
THERMOMETER_STATISTIC_MIN: Final = 44.0
# The jig stands beside the axis: weights for a far load are nearly equal, and hear it 1.6 dB better than near ones.
JIG_M: Final = 0.3
# A network that gives exactly 1 has run out of digits: float32 below 1.
NETWORK_MAX: Final = 1.0 - 2.0**-24


@dataclass(frozen=True, slots=True)
class LineKelvin:
    """What the line thermometer read, beside the bay's own sensor; `u_k` is of the line's place alone."""

    line_k: float
    u_k: float
    sensor_k: float


@dataclass(frozen=True, slots=True)
class Look:
    """The head as one scan shows it.

    `noise_db` [band, channel] is 20 log10 of the density in fT/sqrt(Hz), `gain` complex128 [band, channel] pilot found
    over pilot expected; a channel without a usable pilot is NaN in both. `p_value` is the smallest of all covered
    substances, NaN where it is so small that something lay in the bay, and `energy` the network's; both NaN in alarms.
    """

    scan_id: int
    head: str
    certificate_sha256: bytes | None
    carriers_hz: tuple[float, ...]
    noise_db: NDArray[np.float64]
    gain: NDArray[np.complex128]
    reflected: NDArray[np.float64]
    p_value: float
    energy: float
    thermometer: LineKelvin | None
    calibrant: bool
    replayed: bool


def look_at(scan: CalibratedScan, verdict: Verdict) -> Look:
    """Return what a scan and its verdict tell of the head. Milliseconds; call it off the loop."""
    gain = np.array([_usable(band.pilot_gain) for band in scan.bands]).reshape(len(scan.bands), CHANNELS)
    noise = np.array([noise_db(band) for band in scan.bands]).reshape(len(scan.bands), CHANNELS)
    noise[np.isnan(gain)] = math.nan
    quiet = verdict.outcome is not Outcome.ALARM
    device = scan.device
    return Look(
        scan_id=scan.scan_id, head=" ".join(filter(None, (device.make, device.model, device.serial))),
        certificate_sha256=scan.trust.certificate_sha256 if scan.trust.calibrated else None,
        carriers_hz=tuple(band.plan.carrier_hz for band in scan.bands), noise_db=noise, gain=gain,
        reflected=np.array([band.reflected for band in scan.bands], np.float64),
        p_value=null_p(verdict) if quiet else math.nan,
        energy=energy(verdict) if quiet else math.nan,
        thermometer=thermometer(scan), calibrant=any(holds_thermometer(band.plan) for band in scan.bands),
        replayed=REPLAYED in scan.flags)


def noise_db(band: CalibratedBand) -> NDArray[np.float64]:
    """Noise density of each channel, dB over 1 fT/sqrt(Hz), one-sided, [8]; NaN where there is none.

    What is the same in all echo groups (pilot tone, ringing) goes with their mean; lines and stations lose against
    the median over the bins. E|w|^2 of a bin is 2 S^2 rate / (trains echoes).
    """
    field = np.asarray(band.field_ft, np.complex128)
    if field.shape != (CHANNELS, GROUPS, POINTS):
        return np.full(CHANNELS, math.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rest = np.fft.fft(field - field.mean(axis=1, keepdims=True), norm="ortho")
        # GROUPS - 1 degrees of freedom are left; the median of their Gamma over its mean is 1 - 1 / (3 n).
        power = (np.abs(rest) ** 2).sum(axis=1) / (GROUPS - 1)
        middle = np.median(power, axis=1) / (1.0 - 1.0 / (3.0 * (GROUPS - 1)))
        plan = band.plan
        density2 = middle * plan.trains * plan.echoes_per_group / (2.0 * plan.rate_hz)
        found = 10.0 * np.log10(density2)
    return np.where(np.isfinite(found), found, math.nan)


def null_p(verdict: Verdict) -> float:
    """The scan's p-value: that against the bay's null set, else the smallest of its substances. NaN below P_MIN.

    Each substance's already pays for all of them. NaN too for later looks at a load: they count its first scan again.
    """
    if again(verdict):
        return math.nan
    least = min((score.p_value for score in verdict.scores), default=math.nan)
    p = verdict.null_check.p_value if verdict.null_check is not None else least
    return p if p > P_MIN else math.nan


def energy(verdict: Verdict) -> float:
    """The network's energy: sum over the substances of log(1 + exp(logit)), from its probabilities.

    That of a network with an output for each label (Wang et al., NeurIPS 2021), without its minus sign. NaN without a
    network's opinion, and for later looks at one load.
    """
    given = [score.network for score in verdict.scores]
    if again(verdict) or not given or not all(math.isfinite(one) for one in given):
        return math.nan
    return -math.fsum(math.log1p(-min(max(one, 0.0), NETWORK_MAX)) for one in given)


def again(verdict: Verdict) -> bool:
    """Tell whether this is not the first look at its load: its figures are not independent of the look before."""
    return verdict.look is not None and verdict.look.number > 1


def thermometer(scan: CalibratedScan) -> LineKelvin | None:
    """Read the calibrant's line; None where the scan has no band for it, or no calibrant is in the jig."""
    for band in scan.bands:
        if holds_thermometer(band.plan):
            try:
                return _read(form_beam(band, JIG_M), scan.bay_temperature_k)
            except BandBlind:
                return None
    return None


def _read(beam: Beam, sensor_k: float) -> LineKelvin | None:
    """Find the line between the cells of the search by a parabola, and its uncertainty by the curvature there."""
    statistic = search(beam, place(thermometer_line()).decay).statistic[0]
    at = int(np.argmax(statistic))
    if not 0 < at < len(statistic) - 1 or not statistic[at] >= THERMOMETER_STATISTIC_MIN:
        return None
    before, middle, after = (float(one) for one in statistic[at - 1: at + 2])
    bend = before - 2.0 * middle + after
    if not bend < 0.0 or not math.isfinite(sensor_k):
        return None
    offsets = offsets_hz(beam.plan.rate_hz)
    step_hz = float(offsets[1] - offsets[0])
    frequency_hz = beam.plan.carrier_hz + float(offsets[at]) + 0.5 * (before - after) / bend * step_hz
    u_hz = step_hz / math.sqrt(-bend / 2.0)  # ln L is half the statistic
    return LineKelvin(kelvin_of(frequency_hz), u_hz * kelvin_per_hz(), sensor_k)


def _usable(pilot: NDArray[np.complex64]) -> NDArray[np.complex128]:
    """The pilot gains, NaN where the channel counts as dead: the detector leaves it out and says so itself."""
    found = np.full(CHANNELS, np.nan, np.complex128)
    found[: len(pilot)] = pilot[:CHANNELS]
    size = np.abs(found)
    with np.errstate(invalid="ignore"):
        return np.where((size > PILOT_GAIN_MIN) & (size < PILOT_GAIN_MAX), found, np.nan + 0j)

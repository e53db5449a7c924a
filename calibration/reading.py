"""A calibrated value: SI unit, standard uncertainty, and the certificate that says so.

A reading without a valid certificate is still a reading, but it says that it is uncalibrated and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from drivers.sample import BandPlan, Channel, Identity, Nanoseconds


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether a valid certificate of this very instrument was applied.

    `certificate_sha256` is the digest of the certificate file that was applied, None where none was.
    `reason` is empty for a calibrated reading; else it says what is wrong, in words for a technician.
    """

    calibrated: bool
    certificate_sha256: bytes | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one poll, or one block of a stream, delivered from one instrument.

    `values` has shape [rows, channels] in each channel's unit: the certificate's unit where calibrated,
    the device's own where not. `u` has shape [channels]: standard uncertainty (k = 1) in the same unit,
    NaN where unknown; where no certificate was applied, what the instrument's source states of itself, flagged so.
    `raw_sha256` is the digest of the bytes it was decoded from.
    """

    device: Identity
    stream: str
    channels: tuple[Channel, ...]
    values: NDArray[np.float64]
    u: NDArray[np.float64]
    rate_hz: float | None
    first_row: int
    seen_at: Nanoseconds
    raw_sha256: bytes
    trust: Trust
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CalibratedBand:
    """One band in fT: complex64 [channel 8][echo group 8][point 256], peak amplitude at the sensor.

    Channels 0-5 are the array, 6 and 7 the interference references. `pilot_gain` (complex64 [8]) is the
    pilot tone found divided by the pilot tone expected: 1 for a healthy channel, 0 for a dead one.
    `reflected` is reflected over forward transmit power; `u_relative` is the relative standard uncertainty
    of the gain.
    """

    plan: BandPlan
    field_ft: NDArray[np.complex64]
    pilot_offset_hz: float
    pilot_gain: NDArray[np.complex64]
    reflected: float
    u_relative: float


@dataclass(frozen=True, slots=True)
class CalibratedScan:
    """A scan whose counts have become field, with everything a decision needs to know beside it.

    Where `trust.calibrated` is false the nominal gain was used: an alarm may stand on it, a clear may not.
    """

    device: Identity
    scan_id: int
    bands: tuple[CalibratedBand, ...]
    dwell_s: float
    bay_temperature_k: float
    standoff_m: float
    seen_at: Nanoseconds
    raw_sha256: bytes
    trust: Trust
    flags: tuple[str, ...] = ()

"""What an instrument said, in its own units, before any calibration.

Everything a driver can deliver is one of three values: a sample, a scan capture or a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Monotonic time since an arbitrary origin, passed in by the caller. No file here reads a clock.
Nanoseconds: TypeAlias = int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is speaking, as the device itself says it. A field it does not tell is empty."""

    make: str
    model: str
    serial: str
    firmware: str


@dataclass(frozen=True, slots=True)
class Channel:
    """One column of a sample: the device's name for it, what it measures, and the device's unit."""

    name: str
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One poll, or one packet of a stream.

    `values` has shape [rows, channels], in each channel's unit; rows are consecutive in time.
    `rate_hz` is None where the device was polled; `first_row` is the device's own sample number.
    `seen_at` is when the last byte arrived; `raw` is what the values were decoded from.
    `flags` are the device's own words about quality ("saturated", "segment changed"); empty is good.
    `u`, of a polled sample, is the standard uncertainty (k = 1, shape [channels], NaN where unknown) that its source
    states; no certificate stands behind it.
    """

    device: Identity
    stream: str
    channels: tuple[Channel, ...]
    values: NDArray[np.float64]
    rate_hz: float | None
    first_row: int
    seen_at: Nanoseconds
    raw: bytes
    flags: tuple[str, ...] = ()
    u: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class BandPlan:
    """What the NQR head is told to do in one band.

    An echo window holds 256 complex points at `rate_hz`, centred in time on the echo and in frequency on the
    carrier. Echoes come every `echo_spacing_s`; each of the 8 groups is the mean of `echoes_per_group` of them;
    the whole train is repeated `trains` times and averaged.
    """

    carrier_hz: float
    rate_hz: float
    echo_spacing_s: float
    echoes_per_group: int
    trains: int


@dataclass(frozen=True, slots=True)
class BandCapture:
    """One band of a scan: averaged converter counts, complex64 [channel 8][echo group 8][point 256].

    `pilot_offset_hz` from the carrier lies a tone of known field `pilot_ft`, present in the counts.
    """

    plan: BandPlan
    counts: NDArray[np.complex64]
    pilot_offset_hz: float
    pilot_ft: float
    forward_w: float
    reflected_w: float


@dataclass(frozen=True, slots=True)
class ScanCapture:
    """One complete NQR scan of the head, as delivered.

    `standoff_m` is the head's own range reading; `raw` is, for each band, its header and its page as
    they were read, big-endian: enough to decode the scan again without anything else.
    """

    device: Identity
    scan_id: int
    bands: tuple[BandCapture, ...]
    dwell_s: float
    bay_temperature_c: float
    standoff_m: float
    seen_at: Nanoseconds
    raw: bytes
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake of the world: counted, journaled and reported, never raised."""

    kind: str
    detail: str
    seen_at: Nanoseconds


Event: TypeAlias = Sample | ScanCapture | Fault

"""What the instruments and the decisions about them leave in the record.

Plain values only: no numpy, no clock, no encoding (that is layout.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.sample import BandPlan, Channel, Identity, Nanoseconds
    from gateway.detection.verdict import Anomaly, Verdict
    from gateway.evidence.typed_array import TypedArray


@dataclass(frozen=True, slots=True)
class ReadingBody:
    """What one poll, or one block of a stream, delivered from one instrument.

    `values` has shape [rows, channels] in each channel's unit, `u` [channels]: standard uncertainty (k = 1)
    in the same unit, NaN where unknown. `seen_at` is the monotonic time of the last byte. Certificate and
    raw data are named in the provenance; where no valid certificate applied, `calibrated` is false and
    `reason` says why.
    """

    instrument: str
    device: Identity
    stream: str
    channels: tuple[Channel, ...]
    values: TypedArray
    u: TypedArray
    rate_hz: float | None
    first_row: int
    flags: tuple[str, ...]
    calibrated: bool
    reason: str
    seen_at: Nanoseconds


@dataclass(frozen=True, slots=True)
class BandSummary:
    """One band of a scan, without its 16 384 complex points (those are the raw data).

    `pilot_gain` (float32 [8, 2]) is real and imaginary part of pilot found over pilot expected, by channel.
    `noise_ft` (float32 [8]) is the standard deviation of one point by channel, in fT at the sensor.
    """

    plan: BandPlan
    pilot_offset_hz: float
    pilot_gain: TypedArray
    noise_ft: TypedArray
    reflected: float
    u_relative: float


@dataclass(frozen=True, slots=True)
class ScanBody:
    """One scan of the NQR head: what it was told, how it fared, and whether its gain can be trusted."""

    instrument: str
    device: Identity
    scan_id: int
    bands: tuple[BandSummary, ...]
    dwell_s: float
    bay_temperature_k: float
    standoff_m: float
    flags: tuple[str, ...]
    calibrated: bool
    reason: str
    seen_at: Nanoseconds


@dataclass(frozen=True, slots=True)
class VerdictBody:
    """The answer to one scan of the named instrument, with the lines that made it."""

    instrument: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class AnomalyBody:
    """A magnetic anomaly seen by the named instrument, with the monotonic time of the window's last byte."""

    instrument: str
    anomaly: Anomaly
    seen_at: Nanoseconds


class FaultSource(StrEnum):
    """Who is in trouble."""

    INSTRUMENT = "instrument"
    COMPONENT = "component"          # a part of the gateway itself: journal, clock, model, certificate, broker


@dataclass(frozen=True, slots=True)
class FaultBody:
    """A mistake of the world, or its end: `name` is the instrument or the component.

    Use `clipped` on text that came from outside.
    """

    source: FaultSource
    name: str
    kind: str
    detail: str
    seen_at: Nanoseconds


DETAIL_BYTES_MAX = 4096          # a screen of text; a longer fault detail is a dump, and belongs to the raw data


def clipped(text: str, bytes_max: int = DETAIL_BYTES_MAX) -> str:
    """Return text that fits a field of the record: cut with an ellipsis, what UTF-8 cannot express replaced."""
    data = text.encode(errors="replace")
    if len(data) <= bytes_max:
        return data.decode()
    return data[: bytes_max - 3].decode(errors="ignore") + "…"

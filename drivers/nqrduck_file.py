"""NQRduck measurement files (.meas, .broad): complex records of a pulsed NQR spectrometer. Pure.

Rule: a file is taken whole or refused with key and rule; no time, rate or frequency is invented.

Source: nqrduck/Thesis (published records, the older layout), PyPI quackseq 0.0.2 (the newer layout), PyPI
nqrduck-broadband 0.0.15 (.broad).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A measurement of 4608 points takes 190 kB; a scan of 200 frequencies 40 MB.
FILE_BYTES_MAX = 64 * 1024 * 1024
POINTS_MAX = 1_000_000
RECORDS_MAX = 1000
COLUMNS_MAX = 64        # data sets of a phase cycle
POINTS_MIN = 2          # fewer have no rate

# Times are written in decimal: the published ones differ from a uniform step by less than 1e-9 of it.
STEP_TOLERANCE = 1e-3
HZ_MAX = 1e12

Kind = TypeVar("Kind")


class MeasurementRefused(ValueError):
    """The file is no measurement; the message says key and rule."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One record. `points` is complex128 [point, data set] in arbitrary units, the first at `start_us`.

    Baseband 0 stands for `carrier_hz` less `line_offset_hz`: a line at the carrier appears at `line_offset_hz`.
    """

    name: str
    points: NDArray[np.complex128]
    start_us: float
    rate_hz: float
    carrier_hz: float
    line_offset_hz: float


class _Fields(msgspec.Struct):
    tdx: list[float]
    tdy: list[Any]
    target_frequency: float
    IF_frequency: float
    name: str = ""


class _File(msgspec.Struct):
    single_frequency_measurements: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


def read_measurements(data: bytes) -> tuple[Measurement, ...]:
    """Return the records of a .meas (one) or .broad file (one for each frequency); raises MeasurementRefused."""
    if len(data) > FILE_BYTES_MAX:
        raise MeasurementRefused(f"{len(data)} bytes: must be at most {FILE_BYTES_MAX}")
    stepped = _decoded(data, _File).single_frequency_measurements
    if stepped is msgspec.UNSET:
        return (_measurement(data),)
    if not 1 <= len(stepped) <= RECORDS_MAX:
        raise MeasurementRefused(f"single_frequency_measurements: {len(stepped)} records: must be 1 to {RECORDS_MAX}")
    return tuple(_measurement(bytes(one)) for one in stepped)


def _measurement(data: bytes) -> Measurement:
    fields = _decoded(data, _Fields)
    for key in ("target_frequency", "IF_frequency"):
        value = getattr(fields, key)
        if not math.isfinite(value) or abs(value) > HZ_MAX:
            raise MeasurementRefused(f"{key} = {value:g}: must be at most {HZ_MAX:g} Hz")
    times = np.array(fields.tdx)
    if not POINTS_MIN <= len(times) <= POINTS_MAX:
        raise MeasurementRefused(f"tdx: {len(times)} times: must be {POINTS_MIN} to {POINTS_MAX}")
    step_us = float(times[-1] - times[0]) / (len(times) - 1)
    if not step_us > 0 or float(np.abs(np.diff(times) - step_us).max()) > STEP_TOLERANCE * step_us:
        raise MeasurementRefused("tdx: must rise in equal steps")
    points = _points(_array(fields.tdy), len(times))
    return Measurement(
        fields.name, points, float(times[0]), 1e6 / step_us, fields.target_frequency, fields.IF_frequency)


def _array(values: list[Any]) -> NDArray[np.float64]:
    try:
        array = np.array(values)
    except ValueError as wrong:
        raise MeasurementRefused("tdy: its lists must have equal lengths") from wrong
    if array.dtype.kind not in "iuf":
        raise MeasurementRefused("tdy: must hold numbers alone")
    if not np.isfinite(array).all():
        raise MeasurementRefused("tdy: must hold finite numbers")
    return array.astype(np.float64)


def _points(tdy: NDArray[np.float64], count: int) -> NDArray[np.complex128]:
    """Return [point, data set] of either layout: pairs [I, Q], or real and imaginary arrays.

    With two points and two columns both readings fit; such a record holds nothing that could be looked for.
    """
    if tdy.shape == (count, 2):
        return (tdy[:, 0] + 1j * tdy[:, 1])[:, np.newaxis]
    if tdy.ndim in {2, 3} and tdy.shape[:2] == (2, count):
        real, imaginary = (part.reshape(count, -1) for part in tdy)
        if 1 <= real.shape[1] <= COLUMNS_MAX:
            return np.asarray(real + 1j * imaginary)
    shape = " x ".join(map(str, tdy.shape))
    raise MeasurementRefused(f"tdy: {shape} numbers: must be {count} pairs, or 2 x {count} (x data sets)")


def _decoded(data: bytes, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise MeasurementRefused(f"no measurement: {wrong}") from wrong

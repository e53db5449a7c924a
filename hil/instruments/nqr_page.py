"""Turn the field of one band into the registers a head delivers: sections 2.6, 2.7 and 4 of the profile.

Block floating point: one exponent for each channel, the smallest that fits. Nothing here knows the driver.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from hil.instruments.felt import FeltBand

LARGEST = 32767
EXPONENT_MIN, EXPONENT_MAX = -24, 24


@dataclass(frozen=True, slots=True)
class Page:
    """Header registers 0300-031F, data registers 8000-FFFF (both big-endian) and the checksum over both."""

    header: bytes
    data: bytes
    crc: int


def page_of(which: tuple[int, int, int, int], plan: BandPlan, scene: FeltBand,
            gains: NDArray[np.complex64]) -> Page:
    """Return the page of one band; `which` is band, scan id, bay temperature in cK and standoff in mm."""
    band, scan_id, temperature_ck, standoff_mm = which
    counts = scene.field_ft * gains[:, None, None]
    numbers = np.stack((counts.real, counts.imag), axis=-1)
    exponents = [_exponent(float(np.max(np.abs(channel)))) for channel in numbers]
    steps = np.exp2(np.array(exponents, np.float32))[:, None, None, None]
    data = np.clip(np.rint(numbers / steps), -LARGEST, LARGEST).astype(">i2").tobytes()
    header = struct.pack(
        ">HHIIIIHHIIff8hHHHH", band, 1, scan_id, round(plan.carrier_hz), round(plan.rate_hz),
        round(plan.echo_spacing_s * 1e6), plan.echoes_per_group, plan.trains, round(scene.forward_w * 1000),
        round(scene.reflected_w * 1000), scene.pilot_offset_hz, scene.pilot_ft, *exponents, temperature_ck,
        standoff_mm, sum(1 << channel for channel in scene.clipped), 0)
    return Page(header, data, zlib.crc32(header + data))


def _exponent(largest: float) -> int:
    """Return the smallest exponent with which `largest` rounds to no more than 32767."""
    if largest == 0.0:
        return EXPONENT_MIN
    guess = max(int(np.ceil(np.log2(largest / LARGEST))) - 1, EXPONENT_MIN)
    while round(largest / 2.0**guess) > LARGEST and guess < EXPONENT_MAX:
        guess += 1
    return guess

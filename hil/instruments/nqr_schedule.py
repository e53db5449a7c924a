"""Check a schedule as the head does before it arms, from sections 2.2, 2.5 and 3.3 of docs/nqr-head-profile.md.

The first mistake found is the answer; a schedule is taken whole or not at all.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from drivers.sample import BandPlan

GROUPS, POINTS = 8, 256

# Error codes and fields of section 3.3.
OUTSIDE, UNSUPPORTED, WINDOW, DWELL_SHORT, CHECKSUM = 1, 2, 3, 4, 5
CARRIER, RATE, SPACING, ECHOES, TRAINS, BANDS, DWELL, SUM = 1, 2, 3, 4, 5, 6, 7, 8


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong: error code, band (FFFF for none) and field."""

    code: int
    band: int
    field: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What this head can do; carriers from 0.3 MHz (below the 423 kHz line) to 6 MHz (above 5.2 MHz)."""

    bands: int = 16
    rates_hz: tuple[int, ...] = (20_000, 32_000)
    carrier_hz_min: int = 300_000
    carrier_hz_max: int = 6_000_000
    spacing_us_max: int = 200_000
    echoes_max: int = 1024
    trains_max: int = 20_000
    scan_ms_max: int = 900_000

    def registers(self) -> bytes:
        """Return the capabilities block."""
        rates = (*self.rates_hz, 0, 0, 0, 0)[:4]
        return struct.pack(">8H4I3I2HI", self.bands, 8, 0x003F, 0x00C0, GROUPS, POINTS, len(self.rates_hz), 0,
                           *rates, self.carrier_hz_min, self.carrier_hz_max, self.spacing_us_max,
                           self.echoes_max, self.trains_max, self.scan_ms_max) + bytes(12)


def check_schedule(head: list[int], table: list[int], limits: Limits) -> tuple[tuple[BandPlan, ...], float] | Mistake:
    """Return the plans and the dwell in seconds, or the first mistake."""
    count, _, dwell_ms, crc = struct.unpack(">HHII", struct.pack(">6H", *head[:6]))
    if not 1 <= count <= limits.bands:
        return Mistake(OUTSIDE, 0xFFFF, BANDS)
    used = struct.pack(f">{8 * count}H", *table[:8 * count])
    if zlib.crc32(used) != crc:
        return Mistake(CHECKSUM, 0xFFFF, SUM)
    if not 1 <= dwell_ms <= limits.scan_ms_max:
        return Mistake(OUTSIDE, 0xFFFF, DWELL)
    rows = list(struct.iter_unpack(">IIIHH", used))
    for band, row in enumerate(rows):
        mistake = _check_band(band, row, limits)
        if mistake:
            return mistake
    if sum(8 * echoes * trains * spacing_us for _, _, spacing_us, echoes, trains in rows) > dwell_ms * 1000:
        return Mistake(DWELL_SHORT, 0xFFFF, DWELL)
    plans = tuple(BandPlan(float(carrier), float(rate), spacing / 1e6, echoes, trains)
                  for carrier, rate, spacing, echoes, trains in rows)
    return plans, dwell_ms / 1000.0


def _check_band(band: int, row: tuple[int, ...], limits: Limits) -> Mistake | None:
    carrier_hz, rate_hz, spacing_us, echoes, trains = row
    if not limits.carrier_hz_min <= carrier_hz <= limits.carrier_hz_max:
        return Mistake(OUTSIDE, band, CARRIER)
    if rate_hz not in limits.rates_hz:
        return Mistake(UNSUPPORTED, band, RATE)
    if spacing_us * rate_hz < POINTS * 1_000_000:
        return Mistake(WINDOW, band, SPACING)
    for value, most, name in ((spacing_us, limits.spacing_us_max, SPACING), (echoes, limits.echoes_max, ECHOES),
                              (trains, limits.trains_max, TRAINS)):
        if not 1 <= value <= most:
            return Mistake(OUTSIDE, band, name)
    return None

"""The NQR head's registers, read and written: docs/nqr-head-profile.md, version 1.0. No I/O, no state.

Every reader takes the registers of one whole block and returns a frozen value; `None` means not of this profile.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drivers.driver import ReadRegisters, WriteRegisters
from drivers.sample import BandCapture, BandPlan, Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"NQRH"
MAJOR = 1

IDENTITY = ReadRegisters(0x0000, 96)
CAPABILITIES = ReadRegisters(0x0060, 32)
STATUS = ReadRegisters(0x0080, 16)
HEADER = ReadRegisters(0x0300, 36)
COVERED_BYTES = 64  # of the header, by the checksum of its page
COMMAND, BAND_SELECT, SCHEDULE, TABLE = 0x00A0, 0x00A4, 0x0100, 0x0110

START, ABORT = 1, 2
IDLE, ARMED, SCANNING, READY, ERROR = range(5)
STATES = ("idle", "armed", "scanning", "ready", "error")
NO_BAND = 0xFFFF
NOTHING = 0xFFFF

CHANNELS, GROUPS, POINTS = 8, 8, 256
DATA_START, DATA_REGISTERS = 0x8000, 32768
BLOCK = 125  # the most registers one read may ask for
BAND_REGISTERS = 8
WRITE_BANDS_MAX = 15  # 120 registers, of 123 that a write may carry

FAULT_BITS = (
    "transmitter too hot", "reflected power too high", "cell not locked", "interlock open", "range finder broken",
    "bay temperature sensor broken", "pilot tone missing", "memory or processor error",
)
ERRORS = {
    1: "value outside the limits", 2: "value not supported", 3: "echo window longer than the echo spacing",
    4: "trains do not fit into the dwell", 5: "schedule checksum wrong", 6: "transmitter failed",
    7: "receiver failed", 8: "no request for 30 s", 9: "interlock opened", 10: "memory or processor error",
}
FIELDS = {
    1: "carrier", 2: "rate", 3: "echo spacing", 4: "echoes per group", 5: "trains", 6: "number of bands",
    7: "dwell", 8: "checksum",
}


@dataclass(frozen=True, slots=True)
class Greeting:
    """The identity block."""

    identity: Identity
    version: tuple[int, int]
    boot_id: int
    note: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a schedule may ask for. Rates and carriers in Hz."""

    bands: int
    rates_hz: tuple[int, ...]
    carrier_hz_min: int
    carrier_hz_max: int
    scan_ms_max: int


@dataclass(frozen=True, slots=True)
class Status:
    """The status block; temperatures in kelvin and standoff in mm, NaN where the head has none."""

    state: int
    per_mille: int
    bands_ready: int
    scan_id: int
    fault_bits: int
    error: str
    bay_k: float
    electronics_k: float
    standoff_mm: float
    boot_id: int

    @property
    def faults(self) -> tuple[str, ...]:
        """The fault bits in words."""
        return tuple(words for bit, words in enumerate(FAULT_BITS) if self.fault_bits >> bit & 1)


class PageUnsound(ValueError):
    """Raw data of a scan that are not what a head sent; the message says where."""


@dataclass(frozen=True, slots=True)
class Header:
    """The band header. `block` is all of it as read, of which the page's checksum includes the first 64 bytes."""

    band: int
    readable: bool
    scan_id: int
    plan: BandPlan
    forward_mw: int
    reflected_mw: int
    pilot_offset_hz: float
    pilot_ft: float
    exponents: tuple[int, ...]
    bay_k: float
    standoff_mm: float
    clipped: int
    block: bytes
    crc: int
    boot_id: int


def greeting(registers: Sequence[int]) -> Greeting | None:
    """Return who speaks; None where the magic or the major version is not ours."""
    block = _bytes(registers)
    version = (block[4], block[5])
    if block[:4] != MAGIC or version[0] != MAJOR:
        return None
    texts = [_text(block[start:start + 16]) for start in range(32, 96, 16)]
    return Greeting(Identity(*texts), version, int.from_bytes(block[8:12], "big"), _text(block[96:192]))


def capabilities(registers: Sequence[int]) -> Capabilities | None:
    """Return what the head can do; None where its data do not have the profile's shape."""
    block = _bytes(registers)
    bands, channels, _, _, groups, points, rates, _ = struct.unpack(">8H", block[:16])
    if (channels, groups, points) != (CHANNELS, GROUPS, POINTS) or not 1 <= rates <= 4:
        return None
    rates_hz = struct.unpack(">4I", block[16:32])[:rates]
    low, high, _, _, _, scan_ms = struct.unpack(">3I2HI", block[32:52])
    return Capabilities(bands, rates_hz, low, high, scan_ms)


def status(registers: Sequence[int]) -> Status:
    """Return the head's condition."""
    (state, per_mille, _, ready, scan_id, faults, error, band, field, bay, standoff, boot, electronics,
     _) = struct.unpack(">4HI6HI2H", _bytes(registers))
    return Status(state, per_mille, ready, scan_id, faults, _error(error, band, field), _kelvin(bay),
                  _kelvin(electronics), _or_nan(standoff), boot)


def header(registers: Sequence[int]) -> Header:
    """Return the header of the selected band."""
    block = _bytes(registers)
    (band, readable, scan_id, carrier, rate, spacing_us, echoes, trains, forward, reflected, offset,
     level) = struct.unpack(">2H4I2H2I2f", block[:40])
    exponents = struct.unpack(">8h", block[40:56])
    bay, standoff, clipped, _, crc, boot = struct.unpack(">4H2I", block[56:72])
    plan = BandPlan(float(carrier), float(rate), spacing_us / 1e6, echoes, trains)
    return Header(band, readable == 1, scan_id, plan, forward, reflected, offset, level, exponents, _kelvin(bay),
                  _or_nan(standoff), clipped, block, crc, boot)


def data_reads() -> tuple[ReadRegisters, ...]:
    """Return the reads of one page, in order."""
    return tuple(ReadRegisters(DATA_START + start, min(BLOCK, DATA_REGISTERS - start))
                 for start in range(0, DATA_REGISTERS, BLOCK))


def page_is_sound(head: Header, data: bytes) -> bool:
    """Return whether the checksum covers exactly this header and these data."""
    return zlib.crc32(data, zlib.crc32(head.block[:COVERED_BYTES])) == head.crc


def capture(head: Header, data: bytes) -> BandCapture:
    """Return the band in converter counts: int16 times two to the exponent of its channel."""
    numbers = np.frombuffer(data, ">i2").astype(np.float32).reshape(CHANNELS, GROUPS, POINTS, 2)
    numbers *= np.exp2(np.array(head.exponents, np.float32))[:, None, None, None]
    counts = numbers.view(np.complex64)[..., 0]
    return BandCapture(head.plan, counts, head.pilot_offset_hz, head.pilot_ft, head.forward_mw / 1000.0,
                       head.reflected_mw / 1000.0)


def captures_of(raw: bytes) -> tuple[BandCapture, ...]:
    """Return the bands that the raw data of a scan hold: for each its header, then its page.

    Raises PageUnsound where they are cut short or a checksum is wrong.
    """
    size = HEADER.count * 2 + DATA_REGISTERS * 2
    if not raw or len(raw) % size:
        raise PageUnsound(f"{len(raw)} bytes: must be a multiple of {size}, a header and a page for each band")
    bands = []
    for start in range(0, len(raw), size):
        block, data = raw[start:start + HEADER.count * 2], raw[start + HEADER.count * 2:start + size]
        head = header(struct.unpack(f">{HEADER.count}H", block))
        if not page_is_sound(head, data):
            raise PageUnsound(f"band {start // size}: the checksum of its header does not fit its page")
        bands.append(capture(head, data))
    return tuple(bands)


def schedule_writes(plans: Sequence[BandPlan], dwell_s: float) -> tuple[WriteRegisters, ...]:
    """Return the writes of a schedule: the table in pieces, then its head, which makes the device check it."""
    table = b"".join(struct.pack(">IIIHH", round(plan.carrier_hz), round(plan.rate_hz),
                                 round(plan.echo_spacing_s * 1e6), plan.echoes_per_group, plan.trains)
                     for plan in plans)
    words = struct.unpack(f">{len(table) // 2}H", table)
    step = WRITE_BANDS_MAX * BAND_REGISTERS
    pieces = [WriteRegisters(TABLE + start, words[start:start + step]) for start in range(0, len(words), step)]
    top = struct.pack(">HHII", len(plans), 0, round(dwell_s * 1000), zlib.crc32(table))
    return (*pieces, WriteRegisters(SCHEDULE, struct.unpack(">6H", top)))


def command(number: int, scan_id: int) -> WriteRegisters:
    """Return the write that starts or aborts a scan."""
    return WriteRegisters(COMMAND, (scan_id >> 16, scan_id & 0xFFFF, number))


def _bytes(registers: Sequence[int]) -> bytes:
    return struct.pack(f">{len(registers)}H", *registers)


def _text(field: bytes) -> str:
    """Return printable ASCII up to the first NUL; anything else a device may hold becomes a question mark."""
    kept = field.split(b"\0", 1)[0]
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "?" for byte in kept).strip()


def _kelvin(centikelvin: int) -> float:
    return _or_nan(centikelvin) / 100.0


def _or_nan(value: int) -> float:
    return float("nan") if value == NOTHING else float(value)


def _error(code: int, band: int, field: int) -> str:
    if code == 0:
        return ""
    place = "" if band == NO_BAND else f", band {band}"
    name = FIELDS.get(field, "")
    return ERRORS.get(code, f"error {code}") + place + (f", {name}" if name else "")

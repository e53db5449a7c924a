"""Split what a QuSpin QZFM prints into field values, parameters, lamps and messages. No I/O and no clock in this file.

Rule: a line is one of the four kinds of the vendor's page, wholly, or it is a fault.

Source: QuSpin, "QZFM Command list"; `~04` (cell temperature error) as ucn-triumf/QZFM (MIT) reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

# Field lines have 10 bytes, parameters 14; messages are sentences. Longer is no line.
LINE_BYTES_MAX = 256

COUNTS_ZERO = 8_388_608     # 2^23
COUNTS_MAX = 16_777_215     # 24 bits
PT_PER_COUNT = 0.01

FIELD = re.compile(rb"!(\d{7,8})")      # seven digits; above 16.1 nT the 24-bit number has eight
PARAMETER = re.compile(rb"~(\d\d)(-?\d{1,9}(?:\.\d{1,6})?)")
LAMP = re.compile(rb"\|([1-9])([01])")
MESSAGE = re.compile(rb"#[\t\x20-\x7e\x80-\xff]*")

TEMPERATURE_ERROR, TEMPERATURE_VOLTAGE, COIL_BZ, COIL_BY, COIL_B0 = "04", "05", "07", "08", "09"
LASER_ON, TEMPERATURE_LOCK, LASER_LOCK, ZEROED, MASTER = 1, 2, 3, 4, 5


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One sample of the digital output, in pT."""

    field_pt: float
    raw: bytes


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of the status block: coil fields in pT, the others as `value_of` has them."""

    key: str
    value: float
    raw: bytes


@dataclass(frozen=True, slots=True)
class Lamp:
    """One lamp of the status block; see LASER_ON to MASTER."""

    number: int
    lit: bool
    raw: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """What the device says in words, safe to print."""

    text: str


Line: TypeAlias = FieldLine | Parameter | Lamp | Message


class LineReader:
    """Takes bytes as they come and gives lines and faults. Fault kinds: "malformed line", "overlong line".

    Zero bytes are taken out, for the device may send some. The tail of a line begun before we listened is no fault.
    """

    def __init__(self) -> None:
        self._part = bytearray()    # what came since the last LF; never above LINE_BYTES_MAX between calls
        self._skipping = False      # true after an overlong line, until the next LF
        self._joined = False

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Line | Fault]:
        """Return what `chunk` completed, in order."""
        found: list[Line | Fault] = []
        *ended, rest = chunk.replace(b"\0", b"").split(b"\n")
        for piece in ended:
            self._collect(piece, found, now)
            if self._part and not self._skipping:
                raw = bytes(self._part)
                line = read_line(raw.removesuffix(b"\r"), raw + b"\n")
                if line is not None:
                    found.append(line)
                elif self._joined and raw.strip():
                    found.append(Fault("malformed line", f"none of the four kinds: {repr(raw[:40])[2:-1]}", now))
            self._part.clear()
            self._skipping, self._joined = False, True
        self._collect(rest, found, now)
        return found

    def _collect(self, piece: bytes, found: list[Line | Fault], now: Nanoseconds) -> None:
        if self._skipping:
            return
        self._part += piece
        if len(self._part) > LINE_BYTES_MAX:
            self._part.clear()
            self._skipping = True
            found.append(Fault("overlong line", f"no end within {LINE_BYTES_MAX} bytes", now))


def read_line(line: bytes, raw: bytes) -> Line | None:
    """Return what one line says, None where it is none of the four kinds; `raw` is the line with its end."""
    if field := FIELD.fullmatch(line):
        counts = int(field[1])
        return FieldLine((counts - COUNTS_ZERO) * PT_PER_COUNT, raw) if counts <= COUNTS_MAX else None
    if parameter := PARAMETER.fullmatch(line):
        key = parameter[1].decode("ascii")
        return Parameter(key, value_of(key, float(parameter[2])), raw)
    if lamp := LAMP.fullmatch(line):
        return Lamp(int(lamp[1]), lamp[2] == b"1", raw)
    if MESSAGE.fullmatch(line):
        words = line[1:].decode("utf-8", "replace").strip()
        return Message("".join(c if c.isprintable() else "?" for c in words))
    return None


def value_of(key: str, number: float) -> float:
    """Return a parameter in its unit: coil fields in pT, the temperature error as a ratio, others as they are."""
    if key in {COIL_BZ, COIL_BY, COIL_B0}:
        return number - 32_768.0
    return (number - COUNTS_ZERO) / 524_288.0 if key == TEMPERATURE_ERROR else number

"""Read what a chain of Geometrics CM-201 or CM-221 counters prints. No I/O and no clock in this file.

Rule: a line counts only if the whole of it is what the manual allows; there is no checksum to tell more.

Source: Geometrics G-882 manual, pages 37 (ASCII), 38 (chain), 47 (packed BCD), 48 (excess-3) and G-822A/G-823
manual, pages 24 and 27 (Julian fields). That excess-3 leaves preamble and terminator alone is said in the G-824A
manual, page 40. A flipped bit that makes another digit of a digit is believed: nothing on this line could tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

Format: TypeAlias = Literal["ascii", "packed-bcd", "excess-3"]

# 20 counters (00 to 19), each with 10 characters of field, 8 channels of 5 and 18 of the clock: 1360, and commas.
LINE_BYTES_MAX = 2048

FIELD = re.compile(rb"[ 1]\d{5}\.\d{3}")
ANALOG = re.compile(rb"\d{4}")
JULIAN = re.compile(rb"(?=.)(D\d{3})?(H\d\d)?(M\d\d)?(S\d\d)?(_\d\d)?")

# Neither ends a data byte of the binary formats: BCD has no nibble above 9, excess-3 none below 3.
TERMINATOR = b"*"
LINE_FEED = b"\n"
ENDS = re.compile(rb"[*\n]")


@dataclass(frozen=True, slots=True)
class Token:
    """What stood up to one end: a data line or a command's echo (`text`), or a binary frame; `raw` has the end too."""

    body: bytes
    raw: bytes
    text: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """How the chain prints: the format, and the A/D channels of each counter, first to last."""

    format: Format
    analog: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the field of each counter in nT, and each one's A/D channels as printed, 0 to 9999."""

    field_nt: tuple[float, ...]
    analog: tuple[tuple[int, ...], ...]


class LineReader:
    """Takes bytes as they come and gives tokens and faults. Fault kind: "overlong line".

    What stands before the first end was begun before we listened: it is given only if it is a whole line.
    """

    def __init__(self) -> None:
        self._part = bytearray()    # what came since the last end; never above LINE_BYTES_MAX between calls
        self._skipping = False      # true after an overlong line, until the next end

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Token | Fault]:
        """Return what `chunk` completed, in order."""
        found: list[Token | Fault] = []
        start = 0
        for end in ENDS.finditer(chunk):
            self._collect(chunk[start:end.end()], found, now)
            if not self._skipping:
                raw = bytes(self._part)
                text = raw.endswith(LINE_FEED)
                found.append(Token(raw[:-1].removesuffix(b"\r") if text else raw[:-1], raw, text))
            self._part.clear()
            self._skipping = False
            start = end.end()
        self._collect(chunk[start:], found, now)
        return found

    def _collect(self, piece: bytes, found: list[Token | Fault], now: Nanoseconds) -> None:
        if self._skipping:
            return
        self._part += piece
        if len(self._part) > LINE_BYTES_MAX:
            self._part.clear()
            self._skipping = True
            found.append(Fault("overlong line", f"no end within {LINE_BYTES_MAX} bytes", now))


def read_ascii(body: bytes) -> tuple[Shape, Row] | None:
    """Return what the ASCII data after the preamble says, None where it is not wholly what a chain prints.

    A number with a point begins the next counter: so the line tells its own shape. Clock fields are passed over.
    """
    fields: list[float] = []
    analog: list[tuple[int, ...]] = []
    clocks = 0
    for part in body.split(b","):
        if FIELD.fullmatch(part):
            fields.append(float(part))
            analog.append(())
            clocks = 0
        elif fields and not clocks and ANALOG.fullmatch(part):
            analog[-1] = (*analog[-1], int(part))
        elif fields and not clocks and JULIAN.fullmatch(part):
            clocks = 1
        else:
            return None
    if not fields:
        return None
    return Shape("ascii", tuple(len(one) for one in analog)), Row(tuple(fields), tuple(analog))


def read_binary(body: bytes, shape: Shape) -> Row | None:
    """Return what a binary frame after the preamble says if it has this very shape, else None.

    The formats drop the field's hundred-thousands: 104321.5 nT is printed as 04321.5 (manual, page 47).
    """
    numbers = digits(body, shape.format)
    if numbers is None or len(body) != sum(4 + 2 * count for count in shape.analog):
        return None
    fields: list[float] = []
    analog: list[tuple[int, ...]] = []
    at = 0
    for count in shape.analog:
        fields.append(int(numbers[at:at + 8]) / 1000.0)
        at += 8
        analog.append(tuple(int(numbers[at + 4 * i:at + 4 * i + 4]) for i in range(count)))
        at += 4 * count
    return Row(tuple(fields), tuple(analog))


def digits(body: bytes, chosen: Format) -> str | None:
    """Return the decimal digits of a frame in one of the binary formats, None where a byte is none of it."""
    less = 0x33 if chosen == "excess-3" else 0
    if any(byte < less for byte in body):
        return None
    text = bytes(byte - less for byte in body).hex()
    return text if text.isdecimal() else None

"""Split a serial byte stream into checked TIO packets (SLIP, RFC 1055, with CRC-32). No I/O and no clock.

Rule: whatever came before it, a whole frame between two END bytes is found, and what was lost is said.

Source: twinleaf/libtio, src/serial_proto.c and src/error_detection.c. Where a frame would start, lines of
printable text and zero bytes are passed over: a device in text mode prints, and FTDI drivers add zeros.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

END = b"\xc0"
ESC = b"\xdb"
ESCAPED_END = b"\xdb\xdc"
ESCAPED_ESC = b"\xdb\xdd"

CHECKSUM_BYTES = 4
FRAME_BYTES_MIN = 4 + CHECKSUM_BYTES

# 4 of header, 500 of payload, 8 of routing (TIO protocol overview), and the checksum behind them.
FRAME_BYTES_MAX = 512 + CHECKSUM_BYTES

# Every byte of a frame may be escaped; a text line longer than this is no text line.
WIRE_BYTES_MAX = 2 * FRAME_BYTES_MAX

LINE_ENDS = re.compile(rb"[\x00\r\n]+")

# What may stand before a frame: zeros, empty lines, whole text lines. Possessive: noise is read once.
PASSED_OVER = re.compile(rb"(?:[\x00\r\n]|[\t\x20-\x7e]{1,%d}+[\r\n])*+" % WIRE_BYTES_MAX)


def frame(packet: bytes) -> bytes:
    """Return the bytes that carry `packet` over a serial line, with an END on both sides."""
    whole = packet + zlib.crc32(packet).to_bytes(CHECKSUM_BYTES, "little")
    return END + whole.replace(ESC, ESCAPED_ESC).replace(END, ESCAPED_END) + END


class TextLine(bytes):
    """A line of text that stood where a frame would begin, without its end."""

    __slots__ = ()


class SlipReader:
    """Takes bytes as they come and gives packets, their checksum proved and removed, and faults.

    With `lines` true it gives the text lines between frames too, each as a `TextLine`, in the order of the bytes.
    A reader that starts in the middle of a frame says nothing of its tail, for it was begun before.
    Fault kinds: "bad checksum", "dangling escape", "unknown escape", "short frame", "overlong frame".
    """

    def __init__(self, *, lines: bool = False) -> None:
        self._lines = lines
        self._part = bytearray()    # what came since the last END; never above WIRE_BYTES_MAX between calls
        self._skipping = False      # true after an overlong frame, until the next END
        self._joined = False        # before the first END stands the tail of a frame begun before we listened

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[bytes | Fault]:
        """Return what `chunk` completed, in order."""
        found: list[bytes | Fault] = []
        *ended, rest = chunk.split(END)
        for piece in ended:
            self._collect(piece, found, now)
            if self._part:
                packet = _packet(bytes(self._part), now)
                if self._joined or not isinstance(packet, Fault):
                    found.append(packet)
            self._part.clear()
            self._skipping, self._joined = False, True
        self._collect(rest, found, now)
        return found

    def _collect(self, piece: bytes, found: list[bytes | Fault], now: Nanoseconds) -> None:
        if self._skipping:
            return
        self._part += piece
        passed_over = PASSED_OVER.match(self._part)
        if passed_over and passed_over.end():
            if self._lines:
                found += map(TextLine, filter(None, LINE_ENDS.split(passed_over[0])))
            del self._part[:passed_over.end()]
        if len(self._part) > WIRE_BYTES_MAX:
            self._part.clear()
            self._skipping = True
            found.append(Fault("overlong frame", f"no END within {WIRE_BYTES_MAX} bytes", now))


def _packet(wire: bytes, now: Nanoseconds) -> bytes | Fault:
    first, *escaped = wire.split(ESC)
    if escaped and not escaped[-1]:
        return Fault("dangling escape", f"a frame of {len(wire)} bytes ends in ESC", now)
    parts = [first]
    for part in escaped:
        if part[:1] not in {b"\xdc", b"\xdd"}:
            return Fault("unknown escape", f"ESC is followed by {part[:1].hex() or 'ESC'}", now)
        parts.append((END if part[:1] == b"\xdc" else ESC) + part[1:])
    return _checked(b"".join(parts), now)


def _checked(whole: bytes, now: Nanoseconds) -> bytes | Fault:
    if len(whole) < FRAME_BYTES_MIN:
        return Fault("short frame", f"{len(whole)} bytes: must be {FRAME_BYTES_MIN} or more", now)
    if len(whole) > FRAME_BYTES_MAX:
        return Fault("overlong frame", f"{len(whole)} bytes: must be {FRAME_BYTES_MAX} or less", now)
    packet, sent = whole[:-CHECKSUM_BYTES], int.from_bytes(whole[-CHECKSUM_BYTES:], "little")
    computed = zlib.crc32(packet)
    if computed != sent:
        return Fault("bad checksum", f"{len(packet)} bytes: sent {sent:08x}, computed {computed:08x}", now)
    return packet

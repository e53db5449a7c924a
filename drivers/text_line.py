"""Split a byte stream into lines of printable text that end in one given byte. No I/O and no clock.

Rule: never more than one line is held; what cannot be a line is dropped up to the next end, and said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

PRINTABLE = frozenset(range(0x20, 0x7F)) | {0x0A, 0x0D}   # and the ends of lines, which a line may still carry


class LineReader:
    """Takes bytes as they come and gives whole lines with their end, and faults.

    What stands before the first end after `opened` may be the tail of a line begun before: no fault is made of it.
    Fault kinds: "bad packet" (a byte that is no text), "overlong frame".
    """

    def __init__(self, end: bytes, bytes_max: int, start: bytes = b"") -> None:
        """Split at `end`, one byte; a line has `bytes_max` bytes at most, its end among them.

        Where a line begins with `start`, a byte that stands nowhere else, what comes before it is thrown away.
        """
        self._end = end
        self._bytes_max = bytes_max
        self._start = start
        self.opened()

    def opened(self) -> None:
        """Forget half a line."""
        self._part = b""
        self._skipping = False
        self._joined = False

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[bytes | Fault]:
        """Return what `chunk` completed, in order."""
        found: list[bytes | Fault] = []
        *ended, rest = chunk.split(self._end)
        for piece in ended:
            self._collect(piece + self._end, found, now)
            if self._part:
                line = _checked(self._part, now)
                if self._joined or not isinstance(line, Fault):
                    found.append(line)
            self._part, self._skipping, self._joined = b"", False, True
        self._collect(rest, found, now)
        return found

    def _collect(self, piece: bytes, found: list[bytes | Fault], now: Nanoseconds) -> None:
        if self._skipping:
            return
        self._part += piece
        if self._start:
            self._part = self._part[place:] if (place := self._part.rfind(self._start)) >= 0 else b""
        if len(self._part) > self._bytes_max:
            self._part, self._skipping = b"", True
            found.append(Fault("overlong frame", f"no end of line within {self._bytes_max} bytes", now))


def _checked(line: bytes, now: Nanoseconds) -> bytes | Fault:
    strange = next((byte for byte in line if byte not in PRINTABLE), None)
    if strange is None:
        return line
    return Fault("bad packet", f"a line of {len(line)} bytes holds 0x{strange:02x}, which is no text", now)

"""Cut whole JSON objects out of a stream of bytes, however they are cut. No I/O and no clock in this file.

Rule: what cannot be the inside of an object ends it at once, and no byte is looked at more than a few times.

The search goes on one byte behind the beginning of what was no object, or, where that was long, at its end: then the
last whole object inside it is given, for it may be a file that began behind one that was cut off. The grammar (RFC
8259) is checked as far as finding the end needs it: brackets, strings, and what may follow what. The object itself is
for a JSON reader to accept or refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_MAX = 8                   # a frequency-stepped scan has five levels
STRING_LETTERS_MAX = 4096       # names and class names; measured data are numbers
SKIPPED_BYTES_MAX = 4096        # what is no object is told at least so often

# So much is searched again for an object inside of it; a file is longer, and searching it takes seconds.
AGAIN_BYTES_MAX = 16_384

# Structure, a whole string, the beginning of one, or any run of what numbers and words are made of.
TOKEN = re.compile(
    rb'[ \t\r\n]*(?:(?P<mark>[{}\[\],:])|(?P<string>"(?:[^"\\\x00-\x1f]|\\.){0,%d}")|(?P<open>")'
    rb"|(?P<atom>[-+.0-9A-Za-z]+))" % STRING_LETTERS_MAX)
SPACE = re.compile(rb"[ \t\r\n]*")
ATOM = re.compile(rb"[-+.0-9eEtrufalsnNIity]+")

# What may stand before each kind of token; "" is the beginning. A value follows one of these:
BEFORE_VALUE = frozenset("[,:")
AFTER_VALUE = frozenset("}]sa")


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that belong to no object, and why."""

    size: int
    why: str


class ObjectCutter:
    """Gives each object as its bytes, and a `Damage` for what is none. Holds at most `bytes_max` bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept = bytearray()
        self._at = 0            # how far the kept bytes were looked at
        self._nest: list[str] = []
        self._begun: list[int] = []     # where each of them began
        self._inner: tuple[int, int] | None = None      # the last whole object inside the one that is open
        self._last = ""
        self._skipped = 0       # bytes outside of objects that were not yet told

    def feed(self, chunk: bytes) -> Iterator[bytes | Damage]:
        """Take bytes as they come."""
        self._kept += chunk
        while self._kept:
            if not self._nest:
                yield from self._skip()
                if not self._kept:
                    return
            end = self._scan()
            if end is None:
                return
            if isinstance(end, int):
                yield self._cut(end)
            else:
                yield from self._give_up(end)

    def _skip(self) -> Iterator[Damage]:
        """Drop what stands before the next object; say how much of it was no space, in the same pieces for any cut."""
        start = self._kept.find(b"{")
        size = start if start >= 0 else len(self._kept)
        self._skipped += len(self._kept[:size].translate(None, b" \t\r\n"))
        self._drop(size)
        while self._skipped >= SKIPPED_BYTES_MAX:
            self._skipped -= SKIPPED_BYTES_MAX
            yield Damage(SKIPPED_BYTES_MAX, "no JSON object")
        if start >= 0 and self._skipped:
            yield Damage(self._skipped, "no JSON object")
            self._skipped = 0

    def _scan(self) -> int | str | None:
        """Return the end of the object, why it is none, or None where more bytes are needed."""
        while found := TOKEN.match(self._kept, self._at):
            kind = found.lastgroup
            if kind == "open":
                rest = len(self._kept) - found.start("open")
                cut = re.search(rb"[\x00-\x1f]", self._kept[found.start("open"):])
                return "a text without an end" if cut or rest > 2 * STRING_LETTERS_MAX + 2 else self._waiting()
            mark = found["mark"].decode() if kind == "mark" else "s" if kind == "string" else "a"
            wrong = self._take(mark, found)
            if wrong:
                return wrong
            self._at = found.end()
            if not self._nest:
                return self._at
        space = SPACE.match(self._kept, self._at)
        self._at = space.end() if space else self._at
        return "a byte that stands in no JSON" if self._at < len(self._kept) else self._waiting()

    def _waiting(self) -> str | None:
        return f"longer than {self._bytes_max} bytes" if len(self._kept) > self._bytes_max else None

    def _take(self, mark: str, found: re.Match[bytes]) -> str:
        """Take one token; return why it cannot stand here."""
        last, self._last = self._last, mark
        if mark == "a":
            good = bool(ATOM.fullmatch(found["atom"])) and (last in BEFORE_VALUE or last == "a")
        elif mark == "s":
            good = last in BEFORE_VALUE or last == "{"
        elif mark in "{[":
            good = (last in BEFORE_VALUE or not last) and len(self._nest) < DEPTH_MAX
            self._nest.append(mark)
            self._begun.append(found.start("mark"))
        elif mark in "}]":
            opened, begun = self._nest.pop(), self._begun.pop()
            good = opened + mark in {"{}", "[]"} and (last in AFTER_VALUE or last == opened)
            if good and mark == "}":
                self._inner = begun, found.end()
        else:
            good = last in AFTER_VALUE and (mark == "," or last == "s")
        return "" if good else f"{found[0].strip()[:20]!r} where it cannot stand"

    def _cut(self, end: int) -> bytes:
        whole = bytes(self._kept[:end])
        self._drop(end)
        return whole

    def _give_up(self, why: str) -> Iterator[bytes | Damage]:
        looked_at = max(self._at, 1)
        if looked_at <= AGAIN_BYTES_MAX:
            self._drop(1)
            yield Damage(1, why)
            return
        start, end = self._inner or (looked_at, looked_at)
        inner = bytes(self._kept[start:end])
        self._drop(looked_at)
        yield Damage(looked_at - len(inner), why)
        if inner:
            yield inner

    def _drop(self, size: int) -> None:
        """Forget the first bytes, and all that was found out about what began there."""
        del self._kept[:size]
        self._nest.clear()
        self._begun.clear()
        self._at, self._last, self._inner = 0, "", None

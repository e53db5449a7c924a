"""Read and write captures: what passed between a host and an instrument, as text that people can read and diff. Pure.

Rule: what cannot be read is refused with the number of its line and the rule; nothing is guessed.

    # spingate capture 1
    # instrument = "twinleaf"
    # line = "115200 8N1"
    # source = "emulated, seed 1"
    0.000000 > c00500...
    0.004310 < c0020c...

The first line is the format. Header lines follow, each a key and a TOML value; `#` with anything else is a remark.
Then one line for each chunk: seconds since the beginning, `<` from the device or `>` to it, and its bytes in hex.
For a register instrument the bytes are unit id and PDU, without checksum or TCP header.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from drivers.driver import LineSettings, Setting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from drivers.sample import Nanoseconds

FORMAT = "# spingate capture 1"
NETWORK = "tcp"     # what `line` says where the bytes came over TCP as whole packets

# The largest read of a port is 4 KiB; a file recorded elsewhere may have longer pieces, but none needs to.
CHUNK_BYTES_MAX = 65_536
HEADER_LINES_MAX = 64
LINE_CHARACTERS_MAX = 2 * CHUNK_BYTES_MAX + 64

# A day. Recordings are seconds to hours; a time beyond this is a mistake in the file.
SECONDS_MAX = 86_400

SETTING = "settings."
TEXTS = ("instrument", "line", "source", "made", "device", "map", "note")
NEEDED = ("instrument", "line", "source")

HEADER = re.compile(r"#\s*([a-z_]+(?:\.[a-z][a-z0-9_]*)?)\s*=\s*(.*)")
CHUNK = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,9})?) ([<>]) ((?:[0-9A-Fa-f]{2})+)")
SERIAL = re.compile(r"([1-9][0-9]{1,6}) ([78])([NEO])([12])")


class CaptureRefused(ValueError):
    """The text is no capture; the message says line, value and rule."""


@dataclass(frozen=True, slots=True)
class CaptureHeader:
    """What a capture is of, and where it comes from.

    `line` is the serial line, None for TCP. `source` says who made the bytes: a page of a document, an emulator with
    its seed, or a device. `made` is when (ISO 8601, UTC), `device` what the device said it is; empty if unknown.
    `map`, `poll_s` and `settings` are what the driver was told.
    """

    instrument: str
    line: LineSettings | None
    source: str
    made: str = ""
    device: str = ""
    map: str = ""
    note: str = ""
    poll_s: float = 1.0
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that passed at one time, since the beginning of the capture; in one direction."""

    at: Nanoseconds
    from_device: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Capture:
    """A whole capture, its chunks in order of time."""

    header: CaptureHeader
    chunks: tuple[Chunk, ...]


def parse_capture(text: str) -> Capture:
    """Return the capture in `text`; raises CaptureRefused."""
    reader = CaptureReader()
    chunks = tuple(reader.chunks(text.splitlines()))
    return Capture(reader.header(), chunks)


def write_capture(capture: Capture) -> str:
    """Return a capture as text; `parse_capture` of it gives the same capture."""
    return header_text(capture.header) + "".join(chunk_text(chunk) for chunk in capture.chunks)


def header_text(header: CaptureHeader) -> str:
    """Return the lines that a capture begins with."""
    words = {"instrument": header.instrument, "line": line_text(header.line), "source": header.source,
             "made": header.made, "device": header.device, "map": header.map, "note": header.note}
    told = {key: value for key, value in words.items() if value or key in NEEDED}
    numbers = {"poll_s": header.poll_s} if header.poll_s != 1.0 else {}
    values = told | numbers | {f"{SETTING}{name}": value for name, value in header.settings.items()}
    return "".join(f"{line}\n" for line in (FORMAT, *(f"# {key} = {_toml(value)}" for key, value in values.items())))


def chunk_text(chunk: Chunk) -> str:
    """Return the line of one chunk."""
    return f"{chunk.at // 10**9}.{chunk.at % 10**9:09d} {'<' if chunk.from_device else '>'} {chunk.data.hex()}\n"


def line_text(line: LineSettings | None) -> str:
    """Return line settings as a header says them."""
    return f"{line.baud} {line.bits}{line.parity}{line.stop_bits}" if line else NETWORK


class CaptureReader:
    """Reads a capture line by line, so that a long one need not be held in memory."""

    def __init__(self) -> None:
        self._number = 0
        self._said: dict[str, Setting] = {}
        self._header: CaptureHeader | None = None
        self._last: Nanoseconds = 0

    def chunks(self, lines: Iterable[str]) -> Iterator[Chunk]:
        """Give the chunks in order; raises CaptureRefused at the line that is none."""
        for line in lines:
            chunk = self.take(line)
            if chunk is not None:
                yield chunk

    def take(self, line: str) -> Chunk | None:
        """Take the next line; return the chunk in it, None for another line. Raises CaptureRefused."""
        self._number += 1
        if len(line) > LINE_CHARACTERS_MAX:
            raise self._refusal(f"{len(line)} characters: at most {LINE_CHARACTERS_MAX}")
        text = line.strip()
        if self._number == 1:
            if text != FORMAT:
                raise self._refusal(f"{text[:40]!r}: a capture begins with {FORMAT!r}")
        elif text.startswith("#"):
            self._heading(text)
        elif text:
            self.header()
            return self._chunk(text)
        return None

    def header(self) -> CaptureHeader:
        """Return the header; raises CaptureRefused where it lacks something. No header line may follow."""
        if self._header is None:
            missing = [key for key in NEEDED if key not in self._said]
            if missing or not self._number:
                raise self._refusal(f'the header lacks {missing[0]!r}: say # {missing[0]} = "..."')
            self._header = self._made()
        return self._header

    def _heading(self, text: str) -> None:
        found = HEADER.fullmatch(text)
        if not found:
            return
        key, said = found[1], found[2]
        if key not in {*TEXTS, "poll_s"} and not key.startswith(SETTING):
            raise self._refusal(f"{key} is no key of a header: {', '.join(TEXTS)}, poll_s, {SETTING}NAME")
        if self._header is not None or key in self._said or len(self._said) >= HEADER_LINES_MAX:
            raise self._refusal(f"{key}: given once, before the first chunk, and at most {HEADER_LINES_MAX} in all")
        self._said[key] = self._value(key, said)

    def _value(self, key: str, said: str) -> Setting:
        try:
            value = tomllib.loads(f"value = {said}")["value"]
        except (tomllib.TOMLDecodeError, RecursionError) as wrong:
            raise self._refusal(f"{key} = {said[:40]}: not a TOML value: {wrong}") from wrong
        if key in TEXTS and not isinstance(value, str):
            raise self._refusal(f"{key} = {said[:40]}: must be a text in quotes")
        if key == "poll_s" and not (_is_number(value) and 0 < value <= SECONDS_MAX):
            raise self._refusal(f"poll_s = {said[:40]}: must be a number above 0 and at most {SECONDS_MAX}")
        if not isinstance(value, str | int | float | bool):
            raise self._refusal(f"{key} = {said[:40]}: must be a text, a number, true or false")
        return value

    def _made(self) -> CaptureHeader:
        texts = {key: str(self._said[key]) for key in TEXTS if key in self._said and key != "line"}
        poll_s = float(self._said.get("poll_s", 1.0))
        settings = {key.removeprefix(SETTING): value for key, value in self._said.items() if key.startswith(SETTING)}
        return CaptureHeader(line=self._line(str(self._said["line"])), poll_s=poll_s, settings=settings, **texts)

    def _line(self, said: str) -> LineSettings | None:
        if said == NETWORK:
            return None
        found = SERIAL.fullmatch(said)
        if not found:
            raise self._refusal(f'line = {said!r}: must be like "115200 8N1", or "{NETWORK}"')
        return LineSettings(
            int(found[1]), cast("Literal[7, 8]", int(found[2])), cast("Literal['N', 'E', 'O']", found[3]),
            cast("Literal[1, 2]", int(found[4])))

    def _chunk(self, text: str) -> Chunk:
        found = CHUNK.fullmatch(text)
        if not found:
            raise self._refusal(f"{text[:40]!r}: must be seconds, < or >, and pairs of hex digits")
        whole, _, rest = found[1].partition(".")
        at = int(whole) * 10**9 + int(f"{rest:0<9}")
        if at < self._last:
            raise self._refusal(f"{found[1]} s: comes before the chunk above it; times may not go back")
        if at > SECONDS_MAX * 10**9:
            raise self._refusal(f"{found[1]} s: must be at most {SECONDS_MAX}")
        self._last = at
        return Chunk(at, found[2] == "<", bytes.fromhex(found[3]))

    def _refusal(self, why: str) -> CaptureRefused:
        return CaptureRefused(f"line {self._number}: {why}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _toml(value: Setting) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + "".join(_letter(letter) for letter in value) + '"'
    return repr(value)


def _letter(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    if 0xD800 <= ord(letter) <= 0xDFFF:
        return "\uFFFD"     # a surrogate is no character, and TOML refuses it
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"

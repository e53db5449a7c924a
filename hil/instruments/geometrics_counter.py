"""One emulated CM-201 or CM-221 counter: what it prints and how it takes commands. Pure, written from the manual.

Rule: a command that the manual does not give is changed to ERRnn on its way, as the manual says.

Source: G-882 manual, pages 37 to 43 (default output, chain, commands), 47 and 48 (binary formats), 52 to 54 (Julian
fields, find counters, ERR, interrogation). Sandia formats and XBUG are echoed and change nothing here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "EM"              # two characters; it says that this counter is emulated
BAUDS = ("19200", "09600", "04800", "02400", "01200", "00600", "00300")
CYCLE_TENS_DEFAULT = 10     # 10 Hz

COMMANDS = re.compile(
    r"(?P<cycle>C(\d{4})([05])?)|(?P<analog>A([01])([0-7])(\d\d)?)|(?P<baud>B(\d{5}))|(?P<output>O(A|E|P|S0|S1))"
    r"|(?P<fields>OJ([01]{5})(\d\d)?)|(?P<clock>J([01])(\d\d)?)|(?P<time>D[0-3]\d\d|H[0-2]\d|[MS][0-5]\d)"
    r"|(?P<find>F(\d\d))|(?P<preamble>P(.))|(?P<ask>I([AJV])(\d\d)?(:.*)?)|(?P<word>RESET|UPDATE|XBUG)"
    r"|(?P<error>ERR\d\d)"
)


@dataclass(slots=True)
class Counter:
    """The state of one counter. `number` is its place in the chain; counter 0 leads."""

    number: int = 0
    cycle_s: float = 0.1
    analog: set[int] = field(default_factory=lambda: {0})
    output: str = "A"
    preamble: str = "$"
    julian: str = "00000"   # which of day, hour, minute, second, 10 ms are printed
    running: bool = False
    time: dict[str, int] = field(default_factory=lambda: {"D": 1, "H": 0, "M": 0, "S": 0})

    def take(self, command: str) -> str:
        """Carry a command out and return it as it goes on down the chain."""
        found = COMMANDS.fullmatch(command)
        if not found or (found["baud"] and command[1:] not in BAUDS):
            return f"ERR{self.number:02d}"
        does: dict[str, Callable[[str], str | None]] = {
            "cycle": self._cycle, "analog": self._analog, "output": self._output, "fields": self._fields,
            "clock": self._clock, "time": self._set, "find": self._find, "preamble": self._mark,
            "ask": self._interrogated, "word": self._word,
        }
        act = does.get(next(name for name, text in found.groupdict().items() if text is not None))
        return (act(command) if act else None) or command

    def analog_line(self, values: dict[int, int]) -> list[str]:
        """Return the A/D channels that are on, in order, four digits each."""
        return [f"{values.get(channel, 0):04d}" for channel in sorted(self.analog)]

    def julian_line(self, now_s: float) -> list[str]:
        """Return the clock fields that are on, as one text behind the last channel."""
        if "1" not in self.julian:
            return []
        start = self.time
        total = ((start["D"] * 24 + start["H"]) * 60 + start["M"]) * 60 + start["S"] + (now_s if self.running else 0.0)
        whole = int(total)
        parts = (
            f"D{whole // 86_400 % 1000:03d}", f"H{whole // 3600 % 24:02d}", f"M{whole // 60 % 60:02d}",
            f"S{whole % 60:02d}", f"_{int((total - whole) * 100):02d}",
        )
        return ["".join(part for part, on in zip(parts, self.julian, strict=True) if on == "1")]

    def _mine(self, digits: str) -> bool:
        return int(digits or 0) == self.number

    def _cycle(self, command: str) -> None:
        self.cycle_s = int(command[1:5]) / 100 + (0.005 if command[5:] == "5" else 0.0) or 0.01

    def _analog(self, command: str) -> None:
        if self._mine(command[3:]):
            (self.analog.add if command[1] == "1" else self.analog.discard)(int(command[2]))

    def _output(self, command: str) -> None:
        if command[1] in "AEP":
            self.output = command[1]

    def _fields(self, command: str) -> None:
        if self._mine(command[7:]):
            self.julian = command[2:7]

    def _clock(self, command: str) -> None:
        if not command[2:] or self._mine(command[2:]):
            self.running = command[1] == "1"

    def _set(self, command: str) -> None:
        self.time[command[0]] = int(command[1:])

    def _find(self, command: str) -> str:
        self.number = int(command[1:])
        return f"F{self.number + 1:02d}"

    def _mark(self, command: str) -> None:
        self.preamble = command[1]

    def _interrogated(self, command: str) -> str | None:
        if ":" in command or not self._mine(command[2:]):
            return None
        answers = {"A": "".join("01"[c in self.analog] for c in range(6)), "J": self.julian, "V": VERSION}
        return f"{command}:{answers[command[1]]}"

    def _word(self, command: str) -> None:
        if command == "RESET":
            self.cycle_s, self.analog, self.output, self.preamble = CYCLE_TENS_DEFAULT / 100, {0}, "A", "$"
            self.julian, self.running = "00000", False


def packed(line: str, plus: int) -> bytes:
    """Return an ASCII line, preamble first, in packed BCD; `plus` 0x33 makes it excess-3.

    Commas, points, blanks, letters and each field's hundred-thousands are thrown away.
    """
    numbers = []
    for part in line[1:].split(","):
        kept = part[1:] if "." in part else part
        day = re.fullmatch(r"D(\d{3})(.*)", kept)
        kept = f"0{day[1]}{day[2]}" if day else kept
        numbers.append(re.sub(r"\D", "", kept))
    data = bytes.fromhex("".join(numbers))
    return line[:1].encode() + bytes(byte + plus for byte in data) + b"*"

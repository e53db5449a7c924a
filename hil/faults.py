"""Faults of a line as a person writes them, on the command line, in a bay file and in tests alike. Pure.

Rule: one description, one meaning: KIND[:CHANCE][,key=value...], as flip:1e-4 or unplug:every=20s,for=2s.

| kind | what happens | keys |
|---|---|---|
| flip | one bit of a byte is turned over | CHANCE for each byte |
| drop | bytes are lost | CHANCE for each byte, length (1) |
| noise | bytes that nobody sent come in between | CHANCE for each byte, length (16, at most) |
| cut | a message is torn apart: the rest comes later | CHANCE for each byte, pause (20ms) |
| merge | bytes are held back and come in one piece | CHANCE for each byte, pause (250ms), length (512) |
| delay | the line stalls, and everything behind it | CHANCE for each byte, pause (300ms) |
| baud | the host listens at the wrong rate | ratio (0.5: half of the device's) |
| silence | nothing comes | |
| unplug | the cable is pulled, and put in again | every or at, and for |
| exception | a Modbus device refuses | CHANCE for each request, code (4) |
| short | a Modbus answer lacks its last registers | CHANCE for each request |
| late | a Modbus answer comes late | CHANCE for each request, pause (500ms) |

Any kind may be limited in time: every=20s,for=2s once in each 20 s, at a moment that the seed chooses; at=5s,for=2s
once. way=to or way=both lets a fault of bytes happen to what the host sends; without it, to what the device sends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CHANCES = ("flip", "drop", "noise", "cut", "merge", "delay", "exception", "short", "late")
REQUESTS = ("exception", "short", "late")       # of a Modbus device
BYTES = ("flip", "drop", "noise", "cut", "merge", "delay", "baud", "silence")
KINDS = ("flip", "drop", "noise", "cut", "merge", "delay", "baud", "silence", "unplug", "exception", "short", "late")
WAYS = ("from", "to", "both")

PAUSE_S = {"cut": 0.02, "merge": 0.25, "delay": 0.3, "late": 0.5}
LENGTH = {"drop": 1, "noise": 16, "merge": 512}
KEYS = {"every": "s", "at": "s", "for": "s", "pause": "s", "length": "n", "code": "n", "ratio": "x", "way": "w"}
OWN = {"length": tuple(LENGTH), "pause": tuple(PAUSE_S), "code": ("exception",), "ratio": ("baud",), "way": BYTES}

SECONDS_MAX = 86_400.0
LENGTH_MAX = 65_536
FAULTS_MAX = 32     # on one line; each costs a pass over its bytes
DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ms|s|m)?")
UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class FaultRefused(ValueError):
    """The text describes no fault; the message says key, value and rule."""


@dataclass(frozen=True, slots=True)
class Window:
    """When: in each `every_s` once for `for_s`, or once from `at_s` on. Without either always."""

    every_s: float | None = None
    at_s: float | None = None
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LineFault:
    """One fault, as its description says; what its kind has no use for keeps its default."""

    kind: str
    chance: float = 1.0
    pause_s: float = 0.0
    length: int = 1
    ratio: float = 0.5
    code: int = 4
    way: str = "from"
    when: Window = field(default_factory=Window)


def parse_faults(texts: Iterable[str]) -> tuple[LineFault, ...]:
    """Return the faults in the order in which bytes pass them; raises FaultRefused."""
    faults = tuple(parse_fault(text) for text in texts)
    if len(faults) > FAULTS_MAX:
        raise FaultRefused(f"{len(faults)} faults: at most {FAULTS_MAX} on one line")
    return faults


def parse_fault(text: str) -> LineFault:
    """Return the fault that `text` describes; raises FaultRefused."""
    kind, _, rest = text.partition(":")
    if kind not in KINDS:
        raise FaultRefused(f"fault {text!r}: must begin with one of: {', '.join(KINDS)}")
    said: dict[str, str] = {}
    for place, part in enumerate(rest.split(",") if rest else []):
        key, found, value = part.partition("=")
        key, value = (key, value) if found else ("chance", part)
        if key in said or (key == "chance" and (place or kind not in CHANCES)) or not _belongs(key, kind):
            raise FaultRefused(f"fault {text!r}: {part!r} does not belong there; see spingate hil --help")
        said[key] = value
    if kind in CHANCES and "chance" not in said:
        raise FaultRefused(f"fault {text!r}: must say how often, as {kind}:0.01")
    return _made(kind, said, text)


def _belongs(key: str, kind: str) -> bool:
    return key == "chance" or (key in KEYS and kind in OWN.get(key, KINDS))


def _made(kind: str, said: dict[str, str], text: str) -> LineFault:
    when = Window(
        _seconds(said["every"], text) if "every" in said else None,
        _seconds(said["at"], text) if "at" in said else None,
        _seconds(said.get("for", "0s"), text))
    limited = (when.every_s is not None) + (when.at_s is not None)
    if limited > 1 or bool(limited) != ("for" in said) or (kind == "unplug" and not limited):
        raise FaultRefused(f"fault {text!r}: must say every=... or at=..., together with for=...")
    if (limited and not when.for_s) or (when.every_s is not None and when.for_s >= when.every_s):
        raise FaultRefused(f"fault {text!r}: for must be above 0, and shorter than every")
    way = said.get("way", "from")
    if way not in WAYS:
        raise FaultRefused(f"fault {text!r}: way must be one of: {', '.join(WAYS)}")
    return LineFault(
        kind,
        _number(said.get("chance", "1"), 0.0, 1.0, text),
        _seconds(said["pause"], text) if "pause" in said else PAUSE_S.get(kind, 0.0),
        int(_number(said.get("length", str(LENGTH.get(kind, 1))), 1, LENGTH_MAX, text)),
        _number(said.get("ratio", "0.5"), 0.01, 100.0, text),
        int(_number(said.get("code", "4"), 1, 255, text)),
        way, when)


def _number(said: str, low: float, high: float, text: str) -> float:
    try:
        value = float(said)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise FaultRefused(f"fault {text!r}: {said!r} must be a number from {low:g} to {high:g}")
    return value


def _seconds(said: str, text: str) -> float:
    found = DURATION.fullmatch(said)
    if not found or float(found[1]) * UNITS_S[found[2]] > SECONDS_MAX:
        raise FaultRefused(f"fault {text!r}: {said!r} must be a time like 20s, 300ms or 5m, at most a day")
    return float(found[1]) * UNITS_S[found[2]]

"""What the suite is run on: one instrument on one port, real or emulated. Pure.

Rule: an option that could mean two things is refused with the rule, before anything is opened.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from drivers.table import DRIVERS
from gateway.config_tables import InstrumentTable
from hil.table import EMULATED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drivers.driver import Instrument, Setting

Place: TypeAlias = Literal["port", "pty", "tcp"]

LISTEN_S = 10.0
LISTEN_EMULATED_S = 2.0
LISTEN_S_MAX = 86_400.0

# A person at the bench can wait for a poll a second; the emulator need not make anybody wait.
POLL_MS = 1000
POLL_EMULATED_MS = 200

# Files come over a network: a serial line would lose a part of one.
NETWORK_ONLY = frozenset({"nqrduck"})


class TargetRefused(ValueError):
    """The options name nothing that can be tested; the message says option, value and rule."""


@dataclass(frozen=True, slots=True)
class Target:
    """One run of the suite. `port` is the real device's; empty for an emulator on a pty or on TCP of loopback."""

    instrument: str
    place: Place
    port: str = ""
    unit: int = 1
    seconds: float = LISTEN_S
    settings: Mapping[str, Setting] = field(default_factory=dict)
    map: str = ""

    @property
    def row(self) -> Instrument:
        """The driver's line in the table."""
        return DRIVERS[self.instrument]

    @property
    def emulated(self) -> bool:
        """Whether the device is made up."""
        return self.place != "port"

    @property
    def name(self) -> str:
        """What a person calls it, and pytest's id."""
        return f"{self.instrument}-{self.place}"

    def table(self, port: str) -> InstrumentTable:
        """Return the line that would stand in gateway.toml."""
        poll_ms = POLL_EMULATED_MS if self.emulated else POLL_MS
        emulated_by = EMULATED[self.instrument].map if self.emulated else ""
        return InstrumentTable("bench", self.instrument, port, self.unit, poll_ms=poll_ms, map=self.map or emulated_by,
                               settings=dict(self.settings))


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options as given."""

    instruments: Sequence[str]
    port: str
    unit: int
    seconds: float
    settings: Sequence[str]
    map: str


def targets(wanted: Wanted) -> list[Target]:
    """Return what is to be tested; raises TargetRefused."""
    names = list(DRIVERS) if "all" in wanted.instruments or not wanted.instruments else list(wanted.instruments)
    unknown = [name for name in names if name not in DRIVERS]
    if unknown:
        raise TargetRefused(f"--instrument = {unknown[0]!r}: must be all, or one of: {', '.join(DRIVERS)}")
    if wanted.port and len(names) != 1:
        raise TargetRefused(f"--port = {wanted.port!r}: one port is one instrument: give one --instrument with it")
    if not 0 <= wanted.seconds <= LISTEN_S_MAX:
        raise TargetRefused(f"--seconds = {wanted.seconds:g}: must be above 0 and at most {LISTEN_S_MAX:g}")
    settings = dict(setting(text) for text in wanted.settings)
    if wanted.port:
        seconds = wanted.seconds or LISTEN_S
        return [Target(names[0], "port", wanted.port, wanted.unit, seconds, settings, wanted.map)]
    seconds = wanted.seconds or LISTEN_EMULATED_S
    return [Target(name, place, "", wanted.unit, seconds, settings, wanted.map)
            for name in names if name in EMULATED for place in places(DRIVERS[name])]


def places(row: Instrument) -> tuple[Place, ...]:
    """Return where an emulated instrument can stand: on a pty, on TCP, or on both, as devices of its kind do."""
    if row.name in NETWORK_ONLY:
        return ("tcp",)
    return ("pty", "tcp") if row.kind == "registers" or row.name.startswith("twinleaf") else ("pty",)


def setting(text: str) -> tuple[str, Setting]:
    """Return name and value of one --setting; a value that is no TOML is taken as the text it is."""
    name, mark, said = text.partition("=")
    if not mark or not re.fullmatch(r"[a-z][a-z0-9_]*", name.strip()):
        raise TargetRefused(f"--setting = {text!r}: must be NAME=VALUE")
    try:
        value = tomllib.loads(f"value = {said}")["value"]
    except tomllib.TOMLDecodeError:
        value = said
    return name.strip(), value if isinstance(value, str | int | float | bool) else said

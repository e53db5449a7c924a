"""A whole bay of emulated instruments in one TOML file: who stands where, what it replays, and what goes wrong. Pure.

Rule: an unknown key, instrument, scene or fault is refused with its place and the rule, before anything is started.

    [bay]
    pace = "real"                   # or "fast": without the pace of the lines

    [[instrument]]
    name = "lane"                   # as the gateway's configuration will call it
    emulate = "twinleaf"            # which; spingate hil --list shows them
    scene = "trolley"
    seed = 3
    link = "lane"                   # a serial line: a link in the folder of --dir; or tcp = 0 for a TCP port
    faults = ["flip:1e-4", "unplug:every=20s,for=2s"]
    fault_seed = 7
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.toml_words import explain, syntax_hint
from hil.faults import FaultRefused, LineFault, parse_faults
from hil.table import EMULATED

if TYPE_CHECKING:
    from hil.emulated import Emulated

INSTRUMENTS_MAX = 64    # as many as a gateway takes
BAY_BYTES_MAX = 64 * 1024


class BayRefused(ValueError):
    """The file describes no bay; the message says key, value and rule."""


class BayTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for all."""

    pace: Literal["real", "fast"] = "real"


class Seat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One instrument of the bay."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    emulate: str
    scene: str = ""
    seed: int = 1
    link: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = ""
    tcp: Annotated[int, Meta(ge=0, le=65535)] | None = None
    serial_over_tcp: bool = False
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    pace: Literal["real", "fast"] | None = None
    ahead: bool = False
    faults: tuple[str, ...] = ()
    fault_seed: int = 1

    @property
    def place(self) -> str:
        """Where it stands; Modbus units with one link share a bus."""
        return self.link or f"tcp {self.name if not self.tcp else self.tcp}"

    @property
    def emulated(self) -> Emulated:
        """Its row."""
        return EMULATED[self.emulate]

    def troubles(self) -> tuple[LineFault, ...]:
        """Return its faults; raises FaultRefused."""
        return parse_faults(self.faults)


class Bay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    instrument: Annotated[tuple[Seat, ...], Meta(min_length=1, max_length=INSTRUMENTS_MAX)]
    bay: BayTable = BayTable()

    def groups(self) -> list[tuple[Seat, ...]]:
        """Return the instruments that stand at one place together, in the order of the file."""
        places = dict.fromkeys(seat.place for seat in self.instrument)
        return [tuple(seat for seat in self.instrument if seat.place == place) for place in places]


def parse_bay(text: str) -> Bay:
    """Return the bay that a file describes; raises BayRefused."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise BayRefused(f"not TOML: {wrong}{syntax_hint(str(wrong))}") from wrong
    try:
        bay = msgspec.convert(table, Bay)
    except msgspec.ValidationError as wrong:
        raise BayRefused(explain(str(wrong), table, Bay)) from wrong
    for number, seat in enumerate(bay.instrument):
        try:
            problem = _objection(seat, bay.instrument[:number])
            seat.troubles()
        except FaultRefused as refused:
            problem = f"faults: {refused}"
        if problem:
            raise BayRefused(f"instrument[{number}].{problem}")
    return bay


def _objection(seat: Seat, above: tuple[Seat, ...]) -> str:
    unknown = _unknown(seat)
    if unknown:
        return unknown
    if bool(seat.link) == (seat.tcp is not None):
        return "link, tcp: must be one of them, a serial line or a TCP port"
    if seat.serial_over_tcp and seat.tcp is None:
        return "serial_over_tcp = true: only with tcp"
    if any(other.name == seat.name for other in above):
        return f"name = {seat.name!r}: must be unique; it is in use above"
    together = [other for other in above if other.place == seat.place]
    return _crowd(seat, together[-1], {other.unit for other in together}) if together else ""


def _unknown(seat: Seat) -> str:
    if seat.emulate not in EMULATED:
        return f"emulate = {seat.emulate!r}: must be one of: {', '.join(EMULATED)}"
    if seat.scene and seat.scene not in seat.emulated.scenes:
        return f"scene = {seat.scene!r}: must be one of: {', '.join(seat.emulated.scenes)}"
    return ""


def _crowd(seat: Seat, other: Seat, units: set[int]) -> str:
    """Say why an instrument cannot stand where another does."""
    if seat.emulated.make_registers is None or other.emulated.make_registers is None:
        return f"link = {seat.place!r}: {other.name} stands there; only Modbus devices share a line"
    if seat.emulated.baud != other.emulated.baud or seat.serial_over_tcp != other.serial_over_tcp:
        return f"link = {seat.place!r}: {other.name} stands there with other line settings"
    if seat.unit in units:
        return f"unit = {seat.unit}: is taken on {seat.place!r}; give each its own"
    if seat.faults or seat.pace:
        return f"faults, pace: belong to the line, so to {other.name}, the first on it"
    return ""

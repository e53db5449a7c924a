"""What an unknown device on a port is, told by the drivers themselves: who listens, who asks, in which order. Pure.

Rule: first everybody listens and nobody speaks; a device that speaks by itself is asked nothing that is meant for
another; what is sent is counted, the politest question first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.driver import DriverOptions, LineSettings, SettingRefused
from drivers.sample import Event, Fault, Identity, Sample, ScanCapture
from drivers.slip import SlipReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from drivers.driver import Instrument, RegisterDriver, StreamDriver
    from drivers.sample import Nanoseconds

# A driver that polls is made to poll so often: an answer must come within the short time it is given.
POLL_S = 0.5

# Fewer bytes than this are a disturbance, a floating pair of wires or the tail of something else.
SPEAKS_BYTES_MIN = 8

# Of what nobody understands so much is kept to be shown.
KEPT_BYTES_MAX = 256

# Two packets whose checksums hold are no chance (2**-64).
FRAMES_MIN = 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a device may be: a driver, and the register map where it needs one."""

    row: Instrument
    map_name: str = ""
    map_text: str = ""

    def make(self, *, packets: bool) -> StreamDriver | RegisterDriver:
        """Return a fresh driver at its own defaults; raises SettingRefused where it has none."""
        return self.row.make(DriverOptions(poll_s=POLL_S, packets=packets, map_text=self.map_text))


@dataclass(frozen=True, slots=True)
class Found:
    """An instrument that was named. `sure` is false where its protocol does not tell who it is."""

    candidate: Candidate
    line: LineSettings
    how: str
    identity: Identity
    sure: bool = True
    unit: int = 1


@dataclass(frozen=True, slots=True)
class Overheard:
    """Bytes that came by themselves and that nobody could read, at which line settings."""

    line: LineSettings
    count: int
    start: bytes


@dataclass(slots=True)
class Report:
    """What is known of one port in the end. `sent` says in words what was sent to it."""

    port: str
    found: list[Found] = field(default_factory=list)
    overheard: list[Overheard] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    modbus: list[tuple[int, str]] = field(default_factory=list)   # units that answered, and what they say they are
    trouble: str = ""


class Audience:
    """All drivers of devices that speak, listening to one line at one setting."""

    def __init__(self, candidates: Iterable[Candidate], *, packets: bool) -> None:
        """Take fresh drivers; none of them will be asked."""
        self._drivers: list[tuple[Candidate, StreamDriver]] = [
            (one, one.make(packets=packets)) for one in candidates]    # type: ignore[misc]  # speakers are streams
        self.count = 0
        self.start = b""

    def open(self, now: Nanoseconds) -> None:
        """Begin to listen."""
        for _, driver in self._drivers:
            driver.opened(now)

    def feed(self, chunk: bytes, now: Nanoseconds) -> tuple[Candidate, Identity] | None:
        """Return who understood the line, the first whose sample is complete."""
        self.count += len(chunk)
        self.start += chunk[:KEPT_BYTES_MAX - len(self.start)]
        for candidate, driver in self._drivers:
            identity = told(driver.feed(chunk, now))
            if identity is not None:
                return candidate, identity
        return None

    @property
    def speaks(self) -> bool:
        """Tell whether enough came to call it speech."""
        return self.count >= SPEAKS_BYTES_MIN


def speakers(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return those that can be told by listening."""
    return [one for one in candidates if one.row.speaks and one.row.kind == "stream"]


def listening_lines(candidates: Iterable[Candidate]) -> list[LineSettings]:
    """Return the settings at which devices speak, the fastest first: most do, and they are heard soonest."""
    return sorted({one.row.line for one in speakers(candidates)}, key=lambda line: -line.baud)


def questioners(candidates: Iterable[Candidate], start: bytes, *, speaks: bool) -> list[Candidate]:
    """Return whose stream driver may ask, politest first.

    Where a device speaks by itself only those may whose own framing was heard: a letter that one device ignores
    reboots another. Where all is silent, the drivers of polled devices may, the one that sends the fewest letters
    and figures first: those are what terminals and command interpreters act on.
    """
    streams = [one for one in candidates if one.row.kind == "stream"]
    if speaks:
        return [one for one in streams if one.row.speaks and HEARD.get(one.row.name, _never)(start)]
    return sorted((one for one in streams if not one.row.speaks), key=letters)


def letters(candidate: Candidate) -> int:
    """Return how many letters and figures a driver's first question has."""
    driver: StreamDriver = candidate.make(packets=False)    # type: ignore[assignment]  # a stream's
    driver.opened(0)
    return sum(chr(byte).isalnum() and byte < 128 for byte in driver.ask(0))


def registers(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the Modbus devices: those that tell who they are first, a map last, for it fits what it fits."""
    found = [one for one in candidates if one.row.kind == "registers"]
    return sorted(found, key=lambda one: (one.row.needs_map, -one.row.line.baud))


def told(events: Iterable[Event]) -> Identity | None:
    """Return who speaks, where a reading is complete."""
    return next((one.device for one in events if isinstance(one, Sample | ScanCapture)), None)


def refused(events: Iterable[Event]) -> bool:
    """Tell whether a driver found a mistake in what it read."""
    return any(isinstance(one, Fault) for one in events)


def candidates_of(drivers: Iterable[Instrument], maps: Mapping[str, str]) -> list[Candidate]:
    """Return everything a device may be; a driver that needs a map is one candidate for each map."""
    found: list[Candidate] = []
    for row in drivers:
        found += [Candidate(row, name, text) for name, text in maps.items()] if row.needs_map else [Candidate(row)]
    return [one for one in found if _can_be_made(one)]


def _can_be_made(candidate: Candidate) -> bool:
    try:
        candidate.make(packets=False)
    except SettingRefused:
        return False    # it cannot work at its defaults, so nothing can be tried with it
    return True


def _whole_frames(start: bytes) -> bool:
    """Tell whether there are TIO packets whose checksum holds."""
    return sum(isinstance(one, bytes) for one in SlipReader().feed(start, 0)) >= FRAMES_MIN


def _never(start: bytes) -> bool:
    del start
    return False


# Devices that speak, but must be asked before they can be read: how they are known by what they say. A Twinleaf
# device describes its columns on request (drivers/tio_stream.py).
HEARD: Mapping[str, Callable[[bytes], bool]] = {"twinleaf": _whole_frames}

"""Who a mapped device says it is: the texts of its map, read at first, after a silence and once a minute. Pure.

Rule: what was read before a silence is not believed after it, for another device may answer now.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from drivers.complaint import Complaint
from drivers.driver import ReadRegisters
from drivers.map_part import FUNCTIONS
from drivers.map_reads import Span, fewest_reads
from drivers.map_text import bounds, width
from drivers.map_values import text_of
from drivers.sample import Fault, Identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.map_tables import RegisterMap, RegisterTable
    from drivers.sample import Event, Nanoseconds

# A device that is swapped without a silence shows within a minute; a text costs as much time as the values do.
AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class _Text:
    """One text of the map; it fills the identity's field of the same name."""

    fills: Literal["make", "model", "serial", "firmware"]
    function: Literal[1, 2, 3, 4]
    span: Span
    order: Literal["big", "little"]


class Texts:
    """The identity of one device, as far as it is known."""

    def __init__(self, found: RegisterMap) -> None:
        """Plan the fewest reads that bring all texts."""
        self.title = found.title or "the mapped device"
        self._stated = Identity(found.identity.make, found.identity.model, "", "")
        self.identity = self._stated
        order = found.device.byte_order
        texts = [_text(register, order) for group in found.group for register in group.register if register.fills]
        self._reads = [
            (ReadRegisters(span.start, span.end - span.start, function), tuple(
                text for text in texts if text.function == function and text.span in brought))
            for function in FUNCTIONS
            for span, brought in fewest_reads(
                [text.span for text in texts if text.function == function], bounds(found, function))
        ]
        self._rest: deque[tuple[ReadRegisters, tuple[_Text, ...]]] = deque()
        self._due: Nanoseconds | None = 0   # None: as soon as the device is heard
        self._fresh = self._stated
        self._before: Identity | None = None
        self._silences = 0
        self._complaint = Complaint()

    def request(self, now: Nanoseconds) -> ReadRegisters | None:
        """Return the next read of a text, None where none is due."""
        if not self._rest and self._reads and self._due is not None and now >= self._due:
            self._rest, self._fresh = deque(self._reads), self._stated
        return self._rest[0][0] if self._rest else None

    def heard(self, now: Nanoseconds) -> None:
        """Take note that the device answers."""
        if self._due is None:
            self._due = now

    def forget(self) -> None:
        """Take note of a silence: nobody knows who will answer next."""
        self.identity, self._due = self._stated, 0

    def take(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Take the registers of a read, and return the fault of another device in the old one's place."""
        request, texts = self._rest.popleft()
        for text in texts:
            first = text.span.start - request.address
            words = text_of(registers[first:first + text.span.end - text.span.start], text.order)
            self._fresh = _filled(self._fresh, text.fills, words)
        self._complaint.settled()
        return self._finished(now)

    def failed(self, why: str, now: Nanoseconds, *, heard: bool) -> list[Event]:
        """Do without a text the device refuses; a silent one is asked for again when the device is heard."""
        if not self._rest:
            return []
        if heard:
            _, texts = self._rest.popleft()
            names = ", ".join(text.fills for text in texts)
            told = self._complaint.failed("read refused", f"identity: {names} not read: {why}", now)
            return [*told, *self._finished(now)]
        self._rest.clear()
        self.forget()
        self._silences += 1
        # A device may be silent for its texts alone: then they must not cost a time-out with every poll.
        self._due = None if self._silences == 1 else now + round(AGAIN_S * 1e9)
        return []

    def _finished(self, now: Nanoseconds) -> list[Event]:
        if self._rest:
            return []
        self.identity, self._due, self._silences = self._fresh, now + round(AGAIN_S * 1e9), 0
        before, self._before = self._before, self._fresh
        if before is None or before == self._fresh:
            return []
        return [Fault("device changed", f"{_name(before)} was replaced by {_name(self._fresh)}", now)]


def _text(register: RegisterTable, order: Literal["big", "little"]) -> _Text:
    if register.fills is None:
        raise ValueError(f"{register.name} is no text")
    span = Span(register.address, register.address + width(register))
    return _Text(register.fills, register.function, span, register.byte_order or order)


def _filled(identity: Identity, part: Literal["make", "model", "serial", "firmware"], words: str) -> Identity:
    match part:
        case "make":
            return replace(identity, make=words or identity.make)
        case "model":
            return replace(identity, model=words or identity.model)
        case "serial":
            return replace(identity, serial=words)
        case "firmware":
            return replace(identity, firmware=words)


def _name(identity: Identity) -> str:
    serial, firmware = identity.serial or "unknown", identity.firmware or "unknown"
    return f"{identity.make} {identity.model} serial {serial} firmware {firmware}"

"""When the lane's PLC starts and stops a scan. Pure.

Rule: one scan for each object. An unknown bit is never taken for an answer: it neither starts nor stops anything,
except that a stop bit which is lost sight of keeps a scan from starting. After a fault of the PLC all are unknown.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

from drivers.sample import Sample

if TYPE_CHECKING:
    from drivers.sample import Event


class Order(StrEnum):
    """What the lane wants."""

    START = "start"
    STOP = "stop"


class LaneTrigger:
    """Follows an object through the lane by the PLC's bits, named by their channels.

    `present` begins a scan when it is set, once for each time that it was clear before (or at the start: an
    object that stands there unscanned is scanned). All of `wanted` must be set and none of `barred`.
    A scan stops when the object leaves, when one of `wanted` is lost or one of `barred` is set; `reason` says which.
    """

    def __init__(self, present: str, wanted: tuple[str, ...], barred: tuple[str, ...]) -> None:
        self._present, self._wanted, self._barred = present, wanted, barred
        self._bits: dict[str, bool | None] = dict.fromkeys((present, *wanted, *barred))
        self._waiting = True  # this object has not been scanned yet
        self.reason = ""

    def take(self, event: Event) -> Order | None:
        """Take what the PLC's driver said and return what is to be done now."""
        if not isinstance(event, Sample):  # a group that is not answered gives no sample that would say so
            self._bits = dict.fromkeys(self._bits)
            return None
        for channel, value in zip(event.channels, event.values[-1], strict=True):
            if channel.name in self._bits:
                self._bits[channel.name] = None if math.isnan(value) else bool(value)
        self.reason = self._stops()
        if self._bits[self._present] is False:
            self._waiting = True
        if self.reason:
            return Order.STOP
        return Order.START if self._waiting and self.holds else None

    @property
    def holds(self) -> bool:
        """Tell whether the PLC says, now, that the object stands there and may be scanned; what is unknown is no."""
        ready = self._bits[self._present] and all(self._bits[name] for name in self._wanted)
        return bool(ready) and all(self._bits[name] is False for name in self._barred)

    def started(self) -> None:
        """Take note that the scan of this object has begun."""
        self._waiting = False

    def _stops(self) -> str:
        """Say which bit forbids to scan now; empty where none does."""
        for name in (self._present, *self._wanted):
            if self._bits[name] is False:
                return f"{name} is 0"
        for name in self._barred:
            if self._bits[name]:
                return f"{name} is 1"
        return ""

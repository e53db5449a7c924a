"""Let a driver and an emulated instrument talk, in virtual time and without a line between them."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drivers.sample import Event, Fault, Nanoseconds, Sample
from hil.emulated import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drivers.driver import StreamDriver
    from hil.wire import ByteDevice

TURN_NS = 5_000_000
SECOND = 1_000_000_000


def samples(events: Iterable[Event]) -> list[Sample]:
    """Return the samples among the events."""
    return [event for event in events if isinstance(event, Sample)]


def faults(events: Iterable[Event]) -> list[str]:
    """Return the kinds of the faults among the events."""
    return [event.kind for event in events if isinstance(event, Fault)]


def value(sample: Sample, channel: str) -> float:
    """Return the value of the channel of that name."""
    return float(sample.values[0, [one.name for one in sample.channels].index(channel)])


def wish(scene: str, now: Nanoseconds | None = None) -> Wish:
    """Return what is wanted of an instrument: seed 1, switched on `now`, and no worker, for it needs none."""
    return Wish(scene, 1, time.monotonic_ns() if now is None else now, lambda *_: Future())


@dataclass(slots=True)
class Conversation:
    """Both ends and what went over the line: (when, ">" to the device or "<" from it, bytes).

    `wire` may damage what the device says; `delay_ns` is how long its words travel.
    """

    driver: StreamDriver
    device: ByteDevice
    now: Nanoseconds = 0
    delay_ns: int = 0
    wire: Callable[[bytes], bytes] = field(default=lambda said: said)
    lines: list[tuple[Nanoseconds, str, bytes]] = field(default_factory=list)
    _travelling: list[tuple[Nanoseconds, bytes]] = field(default_factory=list)

    def run(self, seconds: float) -> list[Event]:
        """Go on for a while and return what the driver made of it."""
        events: list[Event] = []
        end = self.now + round(seconds * SECOND)
        while self.now < end:
            asked = self.driver.ask(self.now)
            if asked:
                self.lines.append((self.now, ">", asked))
            said = self.device.feed(asked, self.now) if asked else b""
            said = self.wire(said + self.device.poll(self.now))
            if said:
                self._travelling.append((self.now + self.delay_ns, said))
            self.now += TURN_NS
            events += self._arrive()
        return events

    def _arrive(self) -> list[Event]:
        events: list[Event] = []
        while self._travelling and self._travelling[0][0] <= self.now:
            _, said = self._travelling.pop(0)
            self.lines.append((self.now, "<", said))
            events += self.driver.feed(said, self.now)
        return events

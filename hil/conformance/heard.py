"""What was heard of an instrument during one stretch of time, and the figures that follow from it. Pure.

Rule: a figure is counted from the device's own sample numbers and our own clock; nothing is assumed of the driver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from drivers.sample import Fault, Sample, ScanCapture

if TYPE_CHECKING:
    from drivers.sample import Event, Nanoseconds

# A day at 1000 packets a second would fill the memory; what comes after is counted and not kept.
EVENTS_KEPT_MAX = 1_000_000

NS = 1_000_000_000


@dataclass(slots=True)
class Heard:
    """Events in order, each with when it was delivered; `began` is when the port was told to open."""

    began: Nanoseconds
    events: list[tuple[Nanoseconds, Event]] = field(default_factory=list)
    not_kept: int = 0

    def take(self, event: Event, now: Nanoseconds) -> None:
        """Take one event."""
        if len(self.events) < EVENTS_KEPT_MAX:
            self.events.append((now, event))
        else:
            self.not_kept += 1

    @property
    def samples(self) -> list[Sample]:
        """The samples."""
        return [event for _, event in self.events if isinstance(event, Sample)]

    @property
    def faults(self) -> list[Fault]:
        """The faults."""
        return [event for _, event in self.events if isinstance(event, Fault)]

    def first_sample_s(self, after: Nanoseconds | None = None) -> float | None:
        """Seconds from `after` (the beginning) to the first sample or scan since; None where none came."""
        start = self.began if after is None else after
        for at, event in self.events:
            if at >= start and isinstance(event, Sample | ScanCapture):
                return (at - start) / NS
        return None

    def streams(self) -> dict[str, list[tuple[Nanoseconds, Sample]]]:
        """The samples of each stream, with when they came."""
        found: dict[str, list[tuple[Nanoseconds, Sample]]] = {}
        for at, event in self.events:
            if isinstance(event, Sample):
                found.setdefault(event.stream, []).append((at, event))
        return found

    def fault_words(self, most: int = 5) -> str:
        """The kinds of fault and how often each came; the first one in full."""
        kinds: dict[str, int] = {}
        for fault in self.faults:
            kinds[fault.kind] = kinds.get(fault.kind, 0) + 1
        counted = ", ".join(f"{count} x {kind}" for kind, count in list(kinds.items())[:most])
        return f"{counted}; the first: {self.faults[0].detail}" if kinds else "none"


def lost_rows(samples: list[Sample]) -> int:
    """Rows that the device's sample numbers say are missing between its own samples."""
    lost = 0
    for one, following in pairwise(samples):
        due = one.first_row + len(one.values)
        # A lower number is a new count (a change of rate, a boot): the driver's faults tell what it cost.
        lost += max(following.first_row - due, 0)
    return lost


def rows_per_s(timed: list[tuple[Nanoseconds, Sample]]) -> float | None:
    """Rows that came each second, from the first packet to the last; None for fewer than two packets."""
    if len(timed) < 2 or timed[-1][0] == timed[0][0]:
        return None
    return sum(len(sample.values) for _, sample in timed[1:]) * NS / (timed[-1][0] - timed[0][0])

"""Fold a storm of like faults into one a second: a babbling line cannot fill the journal. No clock here.

Rule: the first fault of a kind passes at once, and no fault goes uncounted.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.sample import Event, Fault, Nanoseconds

FOLD_NS = 1_000_000_000


@dataclass(slots=True)
class Held:
    """One kind of fault: since when it is folded, how many were held back, and the last of them."""

    since: Nanoseconds
    count: int = 0
    last: Fault | None = None


class FaultFold:
    """Passes samples as they are, and of each kind of fault one a second with the number it stands for.

    Bounded by the number of kinds, which are words of the drivers, never of the world.
    """

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def take(self, events: list[Event], now: Nanoseconds) -> list[Event]:
        """Return what may pass now."""
        passed: list[Event] = []
        for event in events:
            if not isinstance(event, Fault):
                passed.append(event)
                continue
            held = self._held.get(event.kind)
            if held is None:
                self._held[event.kind] = Held(now)
                passed.append(event)
            else:
                held.count += 1
                held.last = event
        return passed

    def due(self, now: Nanoseconds) -> list[Event]:
        """Return one fault for each kind of which some were held back for a second."""
        sums: list[Event] = []
        for kind, held in list(self._held.items()):
            if now - held.since < FOLD_NS:
                continue
            if held.last is None:
                del self._held[kind]
                continue
            sums.append(_sum(held, held.last, now))
            self._held[kind] = Held(now)
        return sums


def _sum(held: Held, last: Fault, now: Nanoseconds) -> Fault:
    if held.count == 1:
        return last
    seconds = (now - held.since) / 1e9
    return Fault(last.kind, f"{held.count} times in {seconds:.1f} s, last: {last.detail}", last.seen_at)

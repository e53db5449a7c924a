"""Scans of a head under watch, drawn for tests: healthy ones, and such with one thing changed from some scan on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.drift.watch import DriftWatch
from hil.bench.drift_looks import IN_CONTROL, drawn, drawn_calibrant

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.sample import Fault
    from gateway.drift.look import Look
    from hil.bench.drift_looks import Shift

LEARNT = 30  # scans after which every reference but the energy's is there


class Bay:
    """One head, its watch, and what it told; the same seed gives the same scans."""

    def __init__(self, seed: int = 1, watch: DriftWatch | None = None) -> None:
        self.chance = np.random.default_rng(seed)
        self.watch = watch or DriftWatch()
        self.number = 0

    def scan(self, count: int = 1, shift: Shift = IN_CONTROL, change: Callable[[Look], Look] = lambda look: look,
             ) -> list[Fault]:
        """Take scans and return the faults of all of them."""
        return [fault for _ in range(count) for fault in self._take(change(drawn(self.number, shift, self.chance)))]

    def calibrant(self, count: int = 1, shift: Shift = IN_CONTROL) -> list[Fault]:
        """Take calibrant scans and return their faults."""
        return [fault for _ in range(count) for fault in self._take(drawn_calibrant(self.number, shift, self.chance))]

    def _take(self, look: Look) -> list[Fault]:
        self.number += 1
        return self.watch.take(look, self.number)


def learnt(seed: int = 1) -> Bay:
    """Return a bay whose head is known and well."""
    bay = Bay(seed)
    assert bay.scan(LEARNT) == []
    return bay

"""Is everything that must move still moving? The watchdog is fed from here and nowhere else.

Pure: a part reports its own steps; silence longer than its allowance is a stall, whatever else still turns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

SECOND = 1_000_000_000


class Progress:
    """The last sign of life of each named part, and how long each may be silent."""

    def __init__(self) -> None:
        self._last: dict[str, Nanoseconds] = {}
        self._allowed: dict[str, Nanoseconds] = {}

    def expect(self, part: str, within_s: float, now: Nanoseconds) -> None:
        """Begin to watch a part: it must step at least every `within_s` seconds from now on."""
        self._allowed[part] = round(within_s * SECOND)
        self._last[part] = now

    def step(self, part: str, now: Nanoseconds) -> None:
        """Note that a watched part has done something."""
        self._last[part] = now

    def stalled(self, now: Nanoseconds) -> list[str]:
        """Name the parts that have been silent for too long, with how long."""
        return [
            f"{part} for {(now - last) / SECOND:.1f} s"
            for part, last in self._last.items()
            if now - last > self._allowed[part]
        ]

"""Hold back an instrument that is asked as fast as it answers, while what it said still waits for the disk. Pure.

Rule: an instrument with a rhythm of its own is never held back, however slow the disk is for a moment: its polls would
be lost, while the journal's queue has room for 40 s of a hundred a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.driver import RegisterDriver, Request
    from drivers.sample import Event, Nanoseconds

# How soon a held instrument is looked at again; a commit takes as long on a disk, ten times as long on an SD card.
HOLD_S = 0.001


class HeldBack:
    """A register driver whose next request waits while `behind()` is true, if it follows the last without a pause."""

    def __init__(self, driver: RegisterDriver, behind: Callable[[], bool]) -> None:
        """Take the driver; `behind` tells whether too much of what it said is not on disk yet."""
        self._driver = driver
        self._behind = behind
        self._next: Request | None = None
        self._paused = True  # the driver had nothing to ask since its last request
        self.idle_s_max = driver.idle_s_max
        self.quiet_s: float = getattr(driver, "quiet_s", 0.0)  # see WantsQuiet

    def ask(self, now: Nanoseconds) -> Request | None:
        """Return the driver's next request, None also while it is held back."""
        if self._next is None:
            self._next = self._driver.ask(now)
        if self._next is None:
            self._paused, self.idle_s_max = True, self._driver.idle_s_max
            return None
        if not self._paused and self._behind():
            self.idle_s_max = HOLD_S
            return None
        request, self._next, self._paused = self._next, None, False
        return request

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Give the driver its answer."""
        return self._driver.answer(registers, now)

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Tell the driver that there is none."""
        return self._driver.refuse(why, now)

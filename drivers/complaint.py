"""Say that a device does not answer once, then seldom, and how often it failed meanwhile. Pure.

A device that is away for a night must not fill the journal: the first failure and a reminder each minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

# One record a minute is enough to prove a silence and 1440 a day are bearable.
REMINDER_S = 60.0

# A device that fails and answers by turns is told of no more often than a folded fault (fold.FOLD_NS).
AGAIN_S = 1.0


class Complaint:
    """The running complaint about one device's answers."""

    def __init__(self) -> None:
        self._told_at: Nanoseconds | None = None
        self._told = False   # since the last good answer
        self._untold = 0

    def failed(self, kind: str, why: str, now: Nanoseconds) -> list[Fault]:
        """Count one failure and return the fault to report, if one is due."""
        self._untold += 1
        pause_s = REMINDER_S if self._told else AGAIN_S
        if self._told_at is not None and now - self._told_at < pause_s * 1e9:
            return []
        detail = why if self._untold == 1 else f"{why} ({self._untold} failures since the last report)"
        self._told_at, self._told, self._untold = now, True, 0
        return [Fault(kind, detail, now)]

    def settled(self) -> None:
        """Take note of a good answer; what was not yet told is told with the next failure."""
        self._told = False

"""The last steps of a stream with their running numbers, one after the other in memory. Pure.

All the memory it will ever need is taken and written to at the start, so that a process does not grow while it learns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class StepRing:
    """At most `capacity` steps of `channels` values each.

    Every step is written twice, a capacity apart: so the steps held always lie in one piece and are never copied.
    """

    def __init__(self, capacity: int, channels: int) -> None:
        """Take how many steps it holds at most, and how many values a step has."""
        self.capacity = capacity
        # Written, not merely asked for: the kernel gives a page when it is written to, and resident memory would grow.
        self._steps = np.full((2 * capacity, channels), 0.0)
        self._numbers = np.full(2 * capacity, 0, np.int64)
        self._next = 0
        self._held = 0

    def __len__(self) -> int:
        """How many steps it holds."""
        return self._held

    def add(self, number: int, step: NDArray[np.float64]) -> None:
        """Take a step; a full ring loses its oldest."""
        for place in (self._next, self._next + self.capacity):
            self._steps[place], self._numbers[place] = step, number
        self._next = (self._next + 1) % self.capacity
        self._held = min(self._held + 1, self.capacity)

    def drop_oldest(self) -> tuple[int, NDArray[np.float64]]:
        """Remove the oldest step and return its number and a view of it, good until the next `add`."""
        if not self._held:
            raise LookupError("no step is held")
        oldest = self._end() - self._held
        self._held -= 1
        return int(self._numbers[oldest]), self._steps[oldest]

    @property
    def steps(self) -> NDArray[np.float64]:
        """A view of what it holds, the oldest first: [held, channels]; good until the next `add`."""
        return self._steps[self._end() - self._held: self._end()]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The running numbers of `steps`."""
        return self._numbers[self._end() - self._held: self._end()]

    def _end(self) -> int:
        return self._next + self.capacity

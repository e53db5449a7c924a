"""Whose turn it is on a shared Modbus bus. No I/O and no clock in this file.

Rule: units take turns; one that is silent is asked seldom, so that it cannot eat up the others' time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.sample import Nanoseconds

# The pause after the first, second ... failure in a row. A failed request blocks the bus for up to 0.9 s
# (modbus_port: time-out and quiet), so with a pause of 0.8 s the silent unit is asked at least every 1.7 s and
# is heard within 2 s of its return, while the others have half of the time for themselves.
PAUSES_S = (0.0, 0.4, 0.8)

_T = TypeVar("_T")


@dataclass(slots=True)
class _Place(Generic[_T]):
    unit: _T
    failures: int = 0
    not_before: Nanoseconds = 0


class Turns(Generic[_T]):
    """The units of one bus in the order of their turns."""

    def __init__(self, units: Sequence[_T]) -> None:
        self._places = [_Place(unit) for unit in units]

    def round(self, now: Nanoseconds) -> tuple[_T, ...]:
        """Return the units that may be asked now, the one that waited longest first."""
        return tuple(place.unit for place in self._places if now >= place.not_before)

    def answered(self, unit: _T) -> None:
        """Take note of an answer; the unit goes to the end of the row."""
        place = self._take(unit)
        place.failures, place.not_before = 0, 0

    def fell_silent(self, unit: _T, now: Nanoseconds) -> None:
        """Take note of a request without a usable answer; the unit pauses, unless it is alone."""
        place = self._take(unit)
        pause_s = PAUSES_S[min(place.failures, len(PAUSES_S) - 1)] if len(self._places) > 1 else 0.0
        place.failures += 1
        place.not_before = now + round(pause_s * 1e9)

    def _take(self, unit: _T) -> _Place[_T]:
        place = next(place for place in self._places if place.unit is unit)
        self._places.remove(place)
        self._places.append(place)
        return place

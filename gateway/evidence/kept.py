"""Shapes that remember an encoding: of values that come again, and of large ones that were encoded ahead.

Rule: a value is known again by being the same object, so it must be one that cannot change; the bytes are the shape's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.evidence.shape import Shape

KEPT_MAX = 256      # 64 instruments with a few streams each; one entry has some kilobytes
READY_MAX = 64      # one for each head that could be configured


class Kept:
    """A shape whose encodings of the last few values are kept, for values that come again and again.

    A value is known again by being the same object, so it must be one that cannot change: a tuple of frozen
    dataclasses. Comparing 100 channels by their words would cost as much as encoding them. Not for two threads.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._kept: dict[int, tuple[object, bytes]] = {}  # by id; holding the value keeps its id from another's

    def encode(self, value: object) -> bytes:
        """Take what the shape takes."""
        known = self._kept.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        data = self._shape.encode(value)
        if len(self._kept) >= KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[id(value)] = value, data
        return data

    def unpack(self, item: object) -> object:
        """Take what the shape takes."""
        return self._shape.unpack(item)


class Ahead:
    """A shape whose large values may be encoded ahead, in another thread, so that who encodes the record need not wait.

    A verdict with its accounts takes 2 ms of CPU, which the event loop shall not be held for. A value is known again by
    being the same object and is forgotten once it was used.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._ready: dict[int, tuple[object, bytes]] = {}

    def prepare(self, value: object) -> int:
        """Encode a value that will soon be asked for, and return how many bytes it takes. Raises WrongShape."""
        data = self._shape.encode(value)
        while len(self._ready) >= READY_MAX:  # of records that never came to be written
            self._ready.pop(next(iter(self._ready)), None)
        self._ready[id(value)] = value, data
        return len(data)

    def encode(self, value: object) -> bytes:
        """Take what the shape takes."""
        known = self._ready.get(id(value))
        if known is None or known[0] is not value:
            return self._shape.encode(value)
        self._ready.pop(id(value), None)
        return known[1]

    def unpack(self, item: object) -> object:
        """Take what the shape takes."""
        return self._shape.unpack(item)

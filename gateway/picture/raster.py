"""A picture of points: smooth lines, filled boxes, letters, and the PNG of it (ISO/IEC 15948). Pure: numpy and zlib.

Rule: what falls outside is cut off, and what is not finite is a gap.
"""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from gateway.picture.lettering import HIGH, laid, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

Colour: TypeAlias = tuple[int, int, int]
Points: TypeAlias = "Sequence[tuple[float, float]]"

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PIXELS_MAX: Final = 16_000_000     # 4000 by 4000: nobody looks at more
TEXT_PX: Final = 11.0              # height of a capital


class Raster:
    """An RGB picture, white at first. Places are in pixels from the upper left corner; widths are of the pen."""

    def __init__(self, wide: int, high: int) -> None:
        if not 0 < wide * high <= PIXELS_MAX:
            raise ValueError(f"a picture of {wide} by {high}: must have 1 to {PIXELS_MAX} points")
        self.wide, self.high = wide, high
        self.points = np.full((high, wide, 3), 255.0, np.float32)

    def line(self, points: Points, colour: Colour, width: float = 1.0) -> None:
        """Draw a line through points."""
        self.lines([points], colour, width)

    def lines(self, strokes: Iterable[Points], colour: Colour, width: float = 1.0) -> None:
        """Draw several lines as one: where they meet or cross, the colour is not laid on twice."""
        parts = [segment for stroke in strokes for segment in segments(stroke)]
        if not parts:
            return
        ends = np.array(parts).reshape(-1, 2)
        reach = width / 2 + 1.0
        left, top = (max(0, math.floor(v - reach)) for v in ends.min(axis=0))
        right, bottom = (math.ceil(v + reach) + 1 for v in ends.max(axis=0))
        right, bottom = min(right, self.wide), min(bottom, self.high)
        if left >= right or top >= bottom:
            return
        covered = np.zeros((bottom - top, right - left), np.float32)
        for start, end in parts:
            cover(covered, (start[0] - left, start[1] - top), (end[0] - left, end[1] - top), width)
        under = self.points[top:bottom, left:right]
        under += (np.array(colour, np.float32) - under) * covered[..., None]

    def text(self, words: str, at: tuple[float, float], colour: Colour, *, px: float = TEXT_PX,
             anchor: float = 0.0) -> None:
        """Write a text with capitals of `px`, its base line at `at`; `anchor` 0 begins there, 0.5 centres, 1 ends."""
        scale = px / HIGH
        x, y = at[0] - anchor * width_of(words) * scale, at[1]
        self.lines([[(x + across * scale, y + (down - HIGH) * scale) for across, down in stroke]
                    for stroke in laid(words)], colour, max(1.2, px / 7.5))

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        rows = np.zeros((self.high, 1 + 3 * self.wide), np.uint8)     # each row begins with filter 0: none
        rows[:, 1:] = np.clip(np.rint(self.points), 0, 255).astype(np.uint8).reshape(self.high, -1)
        head = struct.pack(">IIBBBBB", self.wide, self.high, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b""))
        return SIGNATURE + b"".join(struct.pack(">I", len(data)) + kind + data
                                    + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)


def segments(points: Points) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Return the pieces of a line between finite points; a single point is a piece of no length, a dot."""
    if len(points) == 1:
        points = [*points, *points]
    return [(start, end) for start, end in pairwise(points)
            if all(math.isfinite(value) for value in (*start, *end))]


def cover(covered: NDArray[np.float32], start: tuple[float, float], end: tuple[float, float], width: float) -> None:
    """Raise each point's coverage to what a pen of this width leaves there: by its distance from the segment."""
    reach = width / 2 + 1.0
    left, right = (max(0, math.floor(min(start[0], end[0]) - reach)), math.ceil(max(start[0], end[0]) + reach) + 1)
    top, bottom = (max(0, math.floor(min(start[1], end[1]) - reach)), math.ceil(max(start[1], end[1]) + reach) + 1)
    part = covered[top:bottom, left:right]
    if not part.size:
        return
    y, x = np.mgrid[top:top + part.shape[0], left:left + part.shape[1]].astype(np.float32)
    dx, dy = end[0] - start[0], end[1] - start[1]
    length2 = dx * dx + dy * dy
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / length2, 0.0, 1.0) if length2 else 0.0
    distance = np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)
    np.maximum(part, np.clip(width / 2 + 0.5 - distance, 0.0, 1.0), out=part)

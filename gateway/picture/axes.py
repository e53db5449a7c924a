"""A diagram in a raster: a frame with ticks and labels, curves, marks and points with error bars. Pure.

Rule: a curve ends at its frame; numbers at the ticks are round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gateway.picture.raster import Colour, Raster

Span: TypeAlias = tuple[float, float]

INK: Final = (38, 50, 56)
PALE: Final = (120, 132, 140)
GRID: Final = (228, 232, 235)
TICKS: Final = 7
SMALL_PX: Final = 9.0
DASH_PX: Final = 5.0


@dataclass(frozen=True, slots=True)
class Axes:
    """A frame from (left, top) to (right, bottom) in pixels, over `across` and `up` in units of the data."""

    raster: Raster
    left: float
    top: float
    right: float
    bottom: float
    across: Span
    up: Span

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a point."""
        share_x = (x - self.across[0]) / (self.across[1] - self.across[0])
        share_y = (y - self.up[0]) / (self.up[1] - self.up[0])
        return self.left + share_x * (self.right - self.left), self.bottom - share_y * (self.bottom - self.top)

    def frame(self, x_label: str = "", y_label: str = "", title: str = "") -> None:
        """Draw grid, ticks, frame and labels; an empty x label leaves the numbers out as well."""
        for value in ticks(self.across):
            x, _ = self.place(value, 0.0)
            self.raster.line([(x, self.top), (x, self.bottom)], GRID)
            if x_label:
                self.raster.text(f"{value:.10g}", (x, self.bottom + 16), PALE, px=SMALL_PX, anchor=0.5)
        for value in ticks(self.up):
            _, y = self.place(self.across[0], value)
            self.raster.line([(self.left, y), (self.right, y)], GRID)
            self.raster.text(f"{value:.10g}", (self.left - 7, y + 4), PALE, px=SMALL_PX, anchor=1.0)
        corners = [(self.left, self.top), (self.right, self.top), (self.right, self.bottom), (self.left, self.bottom)]
        self.raster.line([*corners, corners[0]], PALE)
        self.raster.text(x_label, ((self.left + self.right) / 2, self.bottom + 34), INK, px=SMALL_PX, anchor=0.5)
        self.raster.text(y_label, (self.right - 8, self.top + 17), PALE, px=SMALL_PX, anchor=1.0)
        self.raster.text(title, (self.left, self.top - 9), INK)

    def curve(self, x: NDArray[np.float64], y: NDArray[np.float64], colour: Colour, width: float = 1.5) -> None:
        """Draw a curve, held inside the frame from above and below."""
        low, high = self.up
        seen = (x >= self.across[0]) & (x <= self.across[1])
        points = [self.place(float(a), min(max(float(b), low), high)) for a, b in zip(x[seen], y[seen], strict=True)]
        self.raster.line(points, colour, width)

    def mark(self, x: float, colour: Colour, words: str = "") -> None:
        """Draw a dashed line from top to bottom at x, with words at its upper end."""
        at, _ = self.place(x, 0.0)
        dashes = np.arange(self.top, self.bottom, 2 * DASH_PX)
        self.raster.lines([[(at, top), (at, min(top + DASH_PX, self.bottom))] for top in dashes.tolist()], colour)
        self.raster.text(words, (at + 5, self.top + 17), colour, px=SMALL_PX)

    def points(self, x: Sequence[float], y: Sequence[float], u: float, colour: Colour) -> None:
        """Draw points with an error bar of one standard uncertainty each way."""
        for a, b in zip(x, y, strict=True):
            if self.up[0] <= b <= self.up[1]:
                low, high = (self.place(a, min(max(b + side, self.up[0]), self.up[1])) for side in (-u, u))
                self.raster.line([low, high], colour, 1.2)
                self.raster.line([self.place(a, b)], colour, 7.0)


def ticks(span: Span) -> tuple[float, ...]:
    """Return about `TICKS` round numbers within a span: steps of 1, 2 or 5 times a power of ten."""
    wide = span[1] - span[0]
    raw = wide / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw)
    first, last = math.ceil(span[0] / step - 1e-9), math.floor(span[1] / step + 1e-9)
    return tuple(round(number * step, 12) for number in range(first, last + 1))

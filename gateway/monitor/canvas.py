"""Draw a curve with braille characters, two dots wide and four high each. Pure.

Rule: what is not finite is a gap, never a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BRAILLE = 0x2800
# Unicode chart "Braille Patterns": the bit of each dot by row and column.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
WIDE, HIGH = 2, 4


def curve(values: NDArray[np.float64], columns: int, rows: int, low: float, high: float) -> list[str]:
    """Return `rows` lines of `columns` characters with the curve of `values` from `low` to `high`.

    Values are spread evenly over the width; where several fall on one dot's column, all between the least and the
    greatest of them is drawn, so that a narrow peak is never lost.
    """
    dots = np.zeros((rows * HIGH, columns * WIDE), bool)
    for place, span in enumerate(np.array_split(values, columns * WIDE) if len(values) else ()):
        seen = span[np.isfinite(span)]
        if len(seen):
            top, bottom = (level(value, rows * HIGH, low, high) for value in (seen.max(), seen.min()))
            dots[top:bottom + 1, place] = True
    return ["".join(cell(dots[row * HIGH:(row + 1) * HIGH, column * WIDE:(column + 1) * WIDE])
                    for column in range(columns)) for row in range(rows)]


def level(value: float, dots: int, low: float, high: float) -> int:
    """Return the row of dots, from the top, at which a value stands; beyond the range it stands at its edge."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round((1.0 - min(max(share, 0.0), 1.0)) * (dots - 1))


def cell(block: NDArray[np.bool_]) -> str:
    """Return the character with these dots, [4, 2]."""
    bits = sum(DOTS[row][column] for row in range(HIGH) for column in range(WIDE) if block[row, column])
    return chr(BRAILLE + bits)


def spread(values: NDArray[np.float64], columns: int) -> NDArray[np.float64]:
    """Return `values` resampled to the dots of a width: few points become steps, many are left for `curve`."""
    wanted = columns * WIDE
    if not 0 < len(values) < wanted:
        return values
    return values[np.arange(wanted) * len(values) // wanted]

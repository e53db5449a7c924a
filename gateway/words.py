"""How a measured value is written for people: with its unit, and no more digits than its uncertainty allows. Pure.

GUM 7.2.6: the uncertainty has two significant digits, and the value ends where the uncertainty does.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calibration.reading import Reading

PREFIXES = ((1e-15, "f"), (1e-12, "p"), (1e-9, "n"), (1e-6, "µ"), (1e-3, "m"))
DIGITS_WITHOUT_U = 6  # where no uncertainty is known, enough to tell one reading from the next


def measured(value: float, u: float, unit: str) -> str:
    """Return "48.2150 µT ± 0.0012 µT" for 4.8215e-5, 1.2e-9, "T"; `u` is standard (k = 1), NaN where unknown."""
    largest = max(abs(value), u) if math.isfinite(u) else abs(value)
    scale, prefix = scaled(largest) if unit == "T" else (1.0, "")
    value, u, unit = value / scale, u / scale, "" if unit == "1" else f" {prefix}{unit}"
    if not math.isfinite(u) or u <= 0 or not math.isfinite(value):
        return f"{value:.{DIGITS_WITHOUT_U}g}{unit}"
    decimals = max(0, 1 - math.floor(math.log10(u)))
    return f"{value:.{decimals}f}{unit} ± {u:.{decimals}f}{unit}"


def scaled(value: float) -> tuple[float, str]:
    """Return the SI prefix that leaves between 1 and 1000 before the point."""
    for scale, prefix in PREFIXES:
        if abs(value) < scale * 1000:
            return scale, prefix
    return 1.0, ""


def values(reading: Reading) -> str:
    """Return a reading's last row, channel by channel."""
    row = reading.values[-1]
    return ", ".join(
        f"{channel.name} {measured(float(value), float(u), channel.unit)}"
        for channel, value, u in zip(reading.channels, row, reading.u, strict=True)
    )

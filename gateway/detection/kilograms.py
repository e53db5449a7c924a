"""A mass in words, for a person. Pure; no numpy, the publisher says masses too.

Rule: two significant digits, as its uncertainty deserves, and never an exponent.
"""

from __future__ import annotations

from typing import Final

# From here on two significant digits would be written with an exponent.
HUNDRED_KG: Final = 99.5


def kilograms(kg: float) -> str:
    """Return a mass in kg without its unit, such as 0.42 or 110."""
    return f"{kg:.2g}" if kg < HUNDRED_KG else f"{float(f'{kg:.2g}'):.0f}"

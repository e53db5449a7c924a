"""Values as people read them: no more digits than the uncertainty allows (GUM 7.2.6)."""

from __future__ import annotations

import math

import pytest

from gateway.words import measured


@pytest.mark.parametrize(("value", "u", "unit", "text"), [
    (4.8215e-5, 1.2e-9, "T", "48.2150 µT ± 0.0012 µT"),
    (-4.8215e-5, 1.2e-9, "T", "-48.2150 µT ± 0.0012 µT"),
    (0.0, 1e-9, "T", "0.0 nT ± 1.0 nT"),
    (373.15, 0.051, "K", "373.150 K ± 0.051 K"),
    (373.15, 12.0, "K", "373 K ± 12 K"),
    (100.25, math.nan, "degC", "100.25 degC"),
    (100.25, 0.0, "degC", "100.25 degC"),
    (math.nan, 1.0, "K", "nan K"),
    (math.inf, 1e-9, "T", "inf T"),
])
def test_a_value_ends_where_its_uncertainty_does(value: float, u: float, unit: str, text: str) -> None:
    """Two digits of uncertainty, the value to the same place; without a known uncertainty, none is claimed."""
    assert measured(value, u, unit) == text

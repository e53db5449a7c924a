"""Masses in words: what a person at the bay reads of a kilogram figure."""

from __future__ import annotations

import math

import pytest

from gateway.detection.kilograms import kilograms


@pytest.mark.parametrize(("kg", "words"), [
    (0.3456, "0.35"), (9.96, "10"), (99.4, "99"), (99.5, "100"), (111.7, "110"), (2751.0, "2800"), (math.inf, "inf")])
def test_a_mass_has_two_digits_and_no_exponent(kg: float, words: str) -> None:
    """However large the mass, nobody has to read 1.1e+02 kg."""
    assert kilograms(kg) == words

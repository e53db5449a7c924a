"""What is claimed of a load is checked for its form, and refused with the rule it breaks."""

from __future__ import annotations

import pytest

from gateway.claims import Claims, objection

GOOD = Claims(
    container="CSQU3054383", ucr="6DE123456789-REF/4711", mrn="26DE5865A1B2C3D4E5", lrn="LRN 2026/17",
    unlocode="DEHAM", lane="bay 3", hs6="360200", label="Kiste 4, 2. Reihe",
)


def test_claims_of_the_right_form_are_taken() -> None:
    """Every claim is optional; nothing at all is claimed by most orders."""
    assert objection(GOOD) == ""
    assert objection(Claims()) == ""


@pytest.mark.parametrize("container", ["CSQU3054383", "MSKU1234565", "HLXU2008419"])
def test_containers_whose_check_digit_is_right_are_taken(container: str) -> None:
    """The standard's own example, and others whose digit was worked out from its letter values."""
    assert objection(Claims(container=container)) == ""


@pytest.mark.parametrize(("container", "told"), [
    ("CSQU\u0663\u0660\u0665\u0664\u0663\u0668\u0663", "six digits"), ("CSQU 3054382", "six digits"),
    ("CSQU3054384", "check digit of CSQU305438 is 3"),
    ("CSQU305438", "ISO 6346"),
    ("csqu3054383", "ISO 6346"),
    ("CSQU 305438 3", "ISO 6346"),
    ("CSQX3054383", "ISO 6346"),
    ("", ""),
])
def test_a_container_number_that_was_misread_is_refused_with_the_rule(container: str, told: str) -> None:
    """One wrong character is found by the check digit, which the message names."""
    found = objection(Claims(container=container))
    assert told in found
    assert bool(found) is bool(container)


@pytest.mark.parametrize(("name", "value"), [
    ("ucr", "x" * 36), ("ucr", " "), ("mrn", "26DE5865"), ("mrn", "DE26" + "1" * 14), ("lrn", "x" * 23),
    ("unlocode", "HAM"), ("unlocode", "DE1AM"), ("unlocode", "deham"), ("lane", "a/b"), ("hs6", "36020"),
    ("hs6", "003602"), ("hs6", "3602.00"), ("label", "ü" * 200), ("lane", "bay\n3"), ("label", "\x1b[2J"),
    ("label", "a\nOK   journal.db: valid"), ("label", "\u202e"),
])
def test_a_claim_of_another_form_is_refused_by_name_and_value(name: str, value: str) -> None:
    """Whoever typed it learns which one, and what it must look like."""
    found = objection(Claims(**{name: value}))
    assert found.startswith(f"{name} = {value!r}" if name != "label" else "label")

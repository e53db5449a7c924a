"""What somebody says about the load in the bay: container, references, place. Pure.

Everything here is a claim with a source, checked for its form alone; nothing of it is measured, and all is optional.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta
from stdnum import iso6346
from stdnum.exceptions import InvalidChecksum, ValidationError

# UN/CEFACT data elements: consignment reference an..35 (WCO identifier 016), local reference an..22. The movement
# reference number has 18 characters: year, country, 13 of the office's own, one check digit (Regulation (EU)
# 2015/2447, annex B). UN/LOCODE: a country and three characters, of which 0 and 1 are never used. HS: six digits.
RULES: dict[str, tuple[str, str]] = {
    "ucr": (r"[A-Z0-9][A-Z0-9 ./:_-]{0,34}", "a unique consignment reference has 1 to 35 letters and digits"),
    "mrn": (r"[0-9]{2}[A-Z]{2}[A-Z0-9]{14}", "a movement reference number has 18 characters: year, country, 14 more"),
    "lrn": (r"[A-Za-z0-9][A-Za-z0-9 ./:_-]{0,21}", "a local reference number has 1 to 22 letters and digits"),
    "unlocode": (r"[A-Z]{2}[A-Z2-9]{3}", "a UN/LOCODE is five characters, such as DEHAM"),
    "lane": (r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}", "a lane has 1 to 32 letters, digits, blanks, points, dashes"),
    "hs6": (r"(0[1-9]|[1-9][0-9])[0-9]{4}", "an HS-6 heading is six digits, chapter 01 to 99"),
}

# Checked before the number itself: python-stdnum takes the digits of any script for digits, and then fails on them.
CONTAINER = re.compile(r"[A-Z]{3}[A-Z][0-9]{7}")

LABEL_BYTES_MAX = 256  # as long as a name in a record may be

Short = Annotated[str, Meta(max_length=64)]


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is claimed; empty is not claimed. `label` is free text: what whoever scans calls the load."""

    container: Short = ""
    ucr: Short = ""
    mrn: Short = ""
    lrn: Short = ""
    unlocode: Short = ""
    lane: Short = ""
    hs6: Short = ""
    label: Annotated[str, Meta(max_length=200)] = ""


NOTHING = Claims()


def objection(claims: Claims) -> str:
    """Say which claim has not the form it must have, with its rule; empty where all have."""
    wrong = container_objection(claims.container)
    if wrong:
        return wrong
    if not claims.label.isprintable():
        return f"label = {claims.label!r}: must be one line of printable text"
    if len(claims.label.encode()) > LABEL_BYTES_MAX:
        return f"label: must have at most {LABEL_BYTES_MAX} bytes in UTF-8"
    for name, (form, rule) in RULES.items():
        said = getattr(claims, name)
        if said and not re.fullmatch(form, said):
            return f"{name} = {said!r}: {rule}"
    return ""


def container_objection(number: str) -> str:
    """Say what is wrong with a container number by ISO 6346, check digit included."""
    if not number:
        return ""
    try:
        if CONTAINER.fullmatch(number) and iso6346.validate(number) == number:
            return ""
    except InvalidChecksum:
        return f"container = {number!r}: the check digit of {number[:10]} is {iso6346.calc_check_digit(number[:10])}"
    except ValidationError:
        pass  # an owner code that is none
    return f"container = {number!r}: ISO 6346 asks for an owner code, U, J or Z, six digits, a check digit: CSQU3054383"

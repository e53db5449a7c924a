"""docs/record.cddl is what the code writes: an independent validator takes every kind and refuses mutants."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2
import pycddl
import pytest

from gateway.evidence import cose, record
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.record import Kind
from tests.evidence.samples import ACCOUNT, BARE, GATEWAY, KEY, accounted, draft, full_draft

if TYPE_CHECKING:
    from gateway.detection.testimony import SubstanceAccount

CDDL = (Path(__file__).parents[2] / "docs" / "record.cddl").read_text()
PAYLOAD = pycddl.Schema(CDDL)
HEADER = pycddl.Schema(f"root = protected-header\n{CDDL}")
# pycddl 0.6.4 applies `.cbor` inside an array to the wrong entry, so what is in the byte strings is checked apart.
ENVELOPE = pycddl.Schema(f"root = message\n{re.sub(r'bstr [.]cbor [a-z-]+', 'bstr', CDDL)}")


def validate_message(message: bytes) -> None:
    """Check envelope, protected header and payload."""
    ENVELOPE.validate_cbor(message)
    protected, _unprotected, payload, _signature = cbor2.loads(message).value
    HEADER.validate_cbor(protected)
    PAYLOAD.validate_cbor(payload)


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_satisfies_the_published_description(kind: Kind) -> None:
    """Payload and message of each kind, bare and with all that is optional, validate."""
    for wanted in (draft(kind), full_draft(kind)):
        payload = record.encode(wanted, GATEWAY, 41)
        PAYLOAD.validate_cbor(payload)
        validate_message(cose.sign(payload, KEY.ed25519, KEY.kid))


def mutants(item: Any, in_list: bool = False) -> list[tuple[Any, bool]]:  # noqa: FBT001, FBT002  # recursion's own
    """Return copies of a decoded item, each with one map entry added, removed or given another type.

    With each comes whether the validator can see it: pycddl 0.6.4 lets unknown keys pass in maps inside arrays.
    """
    found: list[tuple[Any, bool]] = []
    if isinstance(item, dict):
        found.append(({**item, 99: 0}, not in_list))
        for key, value in item.items():
            found.append(({other: held for other, held in item.items() if other != key}, True))
            found.append(({**item, key: not value if isinstance(value, bool) else {"not": "this"}}, True))
            found += [({**item, key: mutant}, seen) for mutant, seen in mutants(value, in_list)]
    elif isinstance(item, list):
        for place, value in enumerate(item):
            found += [([*item[:place], mutant, *item[place + 1:]], seen) for mutant, seen in mutants(value, True)]
    return found


def described(data: bytes) -> bool:
    """Tell whether the published description takes a payload."""
    try:
        PAYLOAD.validate_cbor(data)
    except pycddl.ValidationError:
        return False
    return True


def decoded(data: bytes) -> bool:
    """Tell whether our decoder takes a payload."""
    try:
        record.decode(data)
    except RecordRefused:
        return False
    return True


@pytest.mark.parametrize("account", [ACCOUNT, BARE], ids=["whole", "bare"])
def test_an_account_of_an_alarm_satisfies_the_published_description(account: SubstanceAccount) -> None:
    """With all that is optional and without, and it reads back as it was written."""
    wanted = replace(full_draft(Kind.VERDICT), body=accounted(account))
    payload = record.encode(wanted, GATEWAY, 41)
    PAYLOAD.validate_cbor(payload)
    assert record.decode(payload).body == wanted.body


def test_the_description_and_the_decoder_refuse_the_same_mutants_of_an_account() -> None:
    """As of every kind: nothing in an account may be added or mistyped, and only what is optional left out."""
    wanted = replace(full_draft(Kind.VERDICT), body=accounted(ACCOUNT))
    agree_on_mutants(record.encode(wanted, GATEWAY, 41))


@pytest.mark.parametrize("kind", Kind)
def test_the_description_and_the_decoder_refuse_the_same_mutants(kind: Kind) -> None:
    """Every added, missing or mistyped entry is refused by both; a missing one that may be absent by neither."""
    agree_on_mutants(record.encode(full_draft(kind), GATEWAY, 41))


def agree_on_mutants(payload: bytes) -> None:
    """Hold description and decoder against each other on each mutant of a payload."""
    refused = 0
    for mutant, seen in mutants(cbor2.loads(payload)):
        data = cbor2.dumps(mutant, canonical=True)
        taken = decoded(data)
        refused += not taken
        assert described(data) == taken or not (seen or taken), mutant
    assert refused > 20


def test_a_message_with_another_algorithm_or_form_is_refused_by_the_description() -> None:
    """The narrow COSE profile stands in the description, too (but pycddl passes over the unprotected header)."""
    payload = record.encode(draft(Kind.FAULT), GATEWAY, 0)
    good = cbor2.loads(cose.sign(payload, KEY.ed25519, KEY.kid)).value
    for place, value in (
        (0, cbor2.dumps({1: -8, 4: KEY.kid})), (0, cbor2.dumps({1: -19})), (3, bytes(63)),
        (2, b"\xa0"),
    ):
        parts = list(good)
        parts[place] = value
        with pytest.raises(pycddl.ValidationError):
            validate_message(cbor2.dumps(cbor2.CBORTag(18, parts)))
    with pytest.raises(pycddl.ValidationError):
        validate_message(cbor2.dumps(list(good)))

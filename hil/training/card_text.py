"""A model card as TOML text. The reader is gateway.detection.model_card; a test proves the two agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.detection.model_card import Card

HEADER = "# The card of the classifier beside it. Written by hil/training/train.py; docs/model-card.md explains it.\n"


def toml_of(card: Card) -> str:
    """The text of the scans' card."""
    return text_of(card, HEADER)


def text_of(card: msgspec.Struct, header: str) -> str:
    """A card's text under a comment: plain values, then tables, then lists of tables."""
    plain, tables = [], []
    for key, value in msgspec.to_builtins(card).items():
        if isinstance(value, dict):
            tables.append(f"\n[{key}]\n" + _rows(value))
        elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
            tables += [f"\n[[{key}]]\n" + _rows(row) for row in value]
        else:
            plain.append(f"{key} = {_value(value)}\n")
    return header + "".join(plain) + "".join(tables)


def _rows(table: dict[str, object]) -> str:
    # TOML has no null: what is not known is left out.
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items() if value is not None)


def _value(value: object) -> str:
    """JSON's strings, numbers and lists are TOML's too, written here one item a line where they are long."""
    if isinstance(value, list | tuple) and value:
        return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in value) + "]"
    return json.dumps(value)

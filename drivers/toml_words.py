"""Say what is wrong in a TOML file as `key = value: rule`, from what msgspec says. Pure.

Rule: whoever reads the message can mend the file without looking anything up.
"""

from __future__ import annotations

import re

import msgspec

WORDS = {"float": "a number", "int": "a whole number", "str": "a text in quotes", "bool": "true or false",
         "array": "a list in [ ]", "object": "a table"}

# tomllib's words for the mistakes that people make most.
HINTS = (
    ("Cannot declare", "a table that comes more than once is written with double brackets: [[instrument]]"),
    ("Invalid value", "a text needs quotes, a number a decimal point"),
    ("Expected newline or end of document after a statement", "a number needs a decimal point, a text quotes"),
)


def explain(problem: str, table: object, root: type[msgspec.Struct]) -> str:
    """Turn msgspec's words about `table`, which should have been a `root`, into: key = value: rule."""
    rule, _, path = problem.partition(" - at `")
    keys = re.findall(r"[^.\[\]`$]+", path)
    dotted = "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in keys).lstrip(".")
    inside = f"{dotted}." if dotted else ""
    unknown = re.search(r"unknown field `([^`]*)`", rule)
    if unknown:
        key = unknown.group(1)
        return f"{inside}{key} = {found_at(table, [*keys, key])!r}: unknown key; must be one of: {known(keys, root)}"
    missing = re.search(r"missing required field `([^`]*)`", rule)
    if missing:
        return f"{inside}{missing.group(1)} is missing: must be given"
    return f"{dotted} = {found_at(table, keys)!r}: {plain(rule, keys, root)}"


def plain(rule: str, keys: list[str], root: type[msgspec.Struct]) -> str:
    """Say msgspec's rule in the words of a TOML file: no names of types, and every choice that there is."""
    if rule.startswith("Invalid enum value"):
        return f"must be one of: {', '.join(map(str, choices(keys, root)))}"
    expected = re.fullmatch(r"Expected `([^`]*)`(?:, got `(\w+)`)?(.*)", rule)
    if expected is None:
        return f"{rule[:1].lower()}{rule[1:]}"
    words = " or ".join(WORDS.get(kind, kind) for kind in expected[1].split(" | ") if kind != "null")
    quoted = ", without quotes" if expected[2] == "str" and expected[1] != "object" else ""
    return f"must be {words}{expected[3].replace('.0', '')}{quoted}"


def syntax_hint(problem: str) -> str:
    """Return what most likely went wrong where a text is no TOML; empty where that is not known."""
    for sign, hint in HINTS:
        if sign in problem:
            return f"; {hint}"
    return ""


def found_at(table: object, keys: list[str]) -> object:
    """Return the value in `table` under a chain of keys and indices, None where the chain breaks."""
    for key in keys:
        if isinstance(table, list) and key.isdigit() and int(key) < len(table):
            table = table[int(key)]
        elif isinstance(table, dict):
            table = table.get(key)
        else:
            return None
    return table


def known(keys: list[str], root: type[msgspec.Struct]) -> str:
    """List the keys of the table that the chain `keys` leads to."""
    kind = kind_at(keys, root)
    return ", ".join(item.encode_name for item in kind.fields) if isinstance(kind, msgspec.inspect.StructType) else ""


def choices(keys: list[str], root: type[msgspec.Struct]) -> tuple[object, ...]:
    """Return the values that may stand under the chain `keys`, where there are only so many."""
    kind = kind_at(keys, root)
    return kind.values if isinstance(kind, msgspec.inspect.LiteralType) else ()


def kind_at(keys: list[str], root: type[msgspec.Struct]) -> msgspec.inspect.Type:
    """Return the type that the chain `keys` leads to."""
    kind: msgspec.inspect.Type = msgspec.inspect.type_info(root)
    for key in [key for key in keys if not key.isdigit()]:
        kind = inner(kind)
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next((item.type for item in kind.fields if item.encode_name == key), kind)
    return inner(kind)


def inner(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Return what a list holds, what may be left out, or what a description is about."""
    while True:
        if isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            kind = kind.item_type
        elif isinstance(kind, msgspec.inspect.Metadata):
            kind = kind.type
        elif isinstance(kind, msgspec.inspect.UnionType):
            kind = next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType))
        else:
            return kind

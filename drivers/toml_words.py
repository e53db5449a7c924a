"""Say what is wrong in a TOML file as `key = value: rule`, from what msgspec says. Pure.

Rule: whoever reads the message can mend the file without looking anything up.
"""

from __future__ import annotations

import re

import msgspec


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
    return f"{dotted} = {found_at(table, keys)!r}: {rule[:1].lower()}{rule[1:]}"


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
    kind: msgspec.inspect.Type = msgspec.inspect.type_info(root)
    for key in [key for key in keys if not key.isdigit()]:
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next(item.type for item in kind.fields if item.encode_name == key)
        if isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
    return ", ".join(item.encode_name for item in kind.fields) if isinstance(kind, msgspec.inspect.StructType) else ""

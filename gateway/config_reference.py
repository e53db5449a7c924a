"""Write down every key of gateway.toml with its limits and meaning, from the types themselves. Pure.

docs/configuration.md is what this prints; a test holds the two together.
"""

from __future__ import annotations

from types import NoneType
from typing import get_args, get_type_hints

import msgspec

from drivers.table import DRIVERS
from gateway.config_tables import Config

NOWHERE = msgspec.Meta()


def reference() -> str:
    """Return the reference as Markdown: one table of keys for each table of the file."""
    parts = []
    for name, hint in get_type_hints(Config, include_extras=True).items():
        parts += sections(f"[[{name}]]" if name == "instrument" else f"[{name}]", struct_of(hint))
    return "\n".join([*parts, settings()])


def settings() -> str:
    """Return what each driver may be told in [instrument.settings]."""
    rows = [f"| `{one.name}` | `{key}` | {meaning} |"
            for one in DRIVERS.values() for key, meaning in one.settings.items()]
    head = "## `[instrument.settings]`\n\nWhat only one driver knows.\n\n| driver | key | meaning |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def sections(title: str, struct: type[msgspec.Struct]) -> list[str]:
    """Return a table's section, and behind it those of the tables in it."""
    hints = get_type_hints(struct, include_extras=True)
    words = (struct.__doc__ or "").strip().splitlines()[0]
    inner = [field for field in fields_of(struct) if is_table(hints[field.name])]
    rows = [row(field, hints[field.name]) for field in fields_of(struct) if field not in inner]
    head = f"## `{title}`\n\n{words}\n\n| key | type and limits | default | meaning |\n|---|---|---|---|\n"
    found = [head + "\n".join(rows) + "\n"]
    for field in inner:
        found += sections(f"[{title.strip('[]')}.{field.encode_name}]", struct_of(hints[field.name]))
    return found


def is_table(hint: object) -> bool:
    """Tell whether a key holds a table with keys of its own."""
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def struct_of(hint: object) -> type[msgspec.Struct]:
    """Return the table behind a hint, through Annotated and tuple[...]."""
    while not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        hint = get_args(hint)[0]
    return hint


def fields_of(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a table in the order of the file."""
    return msgspec.structs.fields(struct)


def row(field: msgspec.structs.FieldInfo, hint: object) -> str:
    """Return one line of the table."""
    metas = metas_of(hint)
    meaning = next((meta.description for meta in reversed(metas) if meta.description), "")
    kind = kind_of(hint)
    limits = [f"{sign} {value:g}" for meta in metas
              for sign, value in ((">=", meta.ge), (">", meta.gt), ("<=", meta.le)) if value is not None]
    return f"| `{field.encode_name}` | {', '.join([kind, *limits])} | {default_of(field)} | {meaning} |"


def metas_of(hint: object) -> list[msgspec.Meta]:
    """Return all limits and descriptions around a type, the innermost first."""
    found: list[msgspec.Meta] = []
    while hasattr(hint, "__metadata__") or NoneType in get_args(hint):
        if not hasattr(hint, "__metadata__"):
            hint = get_args(hint)[0]
            continue
        found = [*(meta for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta)), *found]
        hint = get_args(hint)[0]
    return found


def kind_of(hint: object) -> str:
    """Return a word for the type: text, whole number, number, true or false, a choice, or a table."""
    while hasattr(hint, "__metadata__") or NoneType in get_args(hint):
        hint = get_args(hint)[0]
    words: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    if hint in words:
        return words[hint]
    choices = get_args(hint)
    if choices and all(isinstance(choice, str | int) for choice in choices):
        return " or ".join(f"`{choice}`" for choice in choices)
    if choices and choices[-1] is Ellipsis:
        return "list of texts"
    return "table" if "str" in str(choices) and "bool" in str(choices) else "table of numbers"


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """Return the default as it would stand in the file."""
    if field.required:
        return "must be given"
    if field.default in {msgspec.NODEFAULT, ()}:
        return "empty"
    value = field.default
    if value is None:
        return "the driver's own"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value:g}`"

"""The register maps that come with the program, by name. They are read from beside this file, as they are packaged.

Rule: a shipped map is a file like any other, and is parsed, and refused, like any other.
"""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent / "maps"


def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped maps."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def shipped_text(name: str) -> str | None:
    """Return the text of a shipped map, None where there is none of this name."""
    return (SHIPPED / f"{name}.toml").read_text("utf-8") if name in shipped_names() else None

"""Find the register maps that the configuration names: shipped ones by their name, others as files. Reads files.

A map is a part of the configuration: it is read once, used as read, and journaled beside gateway.toml.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import drivers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.config_tables import InstrumentTable

SHIPPED = Path(drivers.__file__).parent / "maps"
MAP_BYTES_MAX = 48 * 1024  # like gateway.toml, it is kept whole in a record


class MapUnreadable(ValueError):
    """A register map cannot be read; the message names the key, the value and the rule."""


def shipped() -> tuple[str, ...]:
    """Return the names of the maps that come with the program."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))


def read_maps(instruments: Iterable[InstrumentTable], folder: Path) -> Mapping[str, str]:
    """Return the text of every map that is named, by how it is named; relative files start from `folder`.

    Raises MapUnreadable.
    """
    found: dict[str, str] = {}
    for number, instrument in enumerate(instruments):
        if instrument.map and instrument.map not in found:
            try:
                found[instrument.map] = map_text(instrument.map, folder)
            except MapUnreadable as error:
                raise MapUnreadable(f"instrument[{number}].map = {instrument.map!r}: {error}") from error
    return found


def map_text(name: str, folder: Path) -> str:
    """Return the text of one map: a shipped one by its bare name, else a file. Raises MapUnreadable."""
    bare = "/" not in name and not name.endswith(".toml")
    path = SHIPPED / f"{name}.toml" if bare else folder / name
    try:
        with path.open("rb") as stream:
            text = stream.read(MAP_BYTES_MAX + 1)
    except OSError as error:
        if bare:
            raise MapUnreadable(f"must be a file that ends in .toml, or one of: {', '.join(shipped())}") from error
        raise MapUnreadable(f"{path}: {error.strerror}") from error
    if len(text) > MAP_BYTES_MAX:
        raise MapUnreadable(f"{path}: longer than {MAP_BYTES_MAX} bytes; this is no register map")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise MapUnreadable(f"{path}: not UTF-8: {error}") from error

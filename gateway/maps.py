"""Find the register maps that the configuration names: shipped ones by their name, others as files. Reads files.

A map is a part of the configuration: it is read once, used as read, and journaled beside gateway.toml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.map_shipped import shipped_names, shipped_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gateway.config_tables import InstrumentTable

MAP_BYTES_MAX = 48 * 1024  # like gateway.toml, it is kept whole in a record


class MapUnreadable(ValueError):
    """A register map cannot be read; the message names the key, the value and the rule."""


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
    if "/" not in name and not name.endswith(".toml"):
        text = shipped_text(name)
        if text is None:
            raise MapUnreadable(f"must be a file that ends in .toml, or one of: {', '.join(shipped_names())}")
        return text
    path = folder / name
    try:
        with path.open("rb") as stream:
            data = stream.read(MAP_BYTES_MAX + 1)
    except OSError as error:
        raise MapUnreadable(f"{path}: {error.strerror}") from error
    if len(data) > MAP_BYTES_MAX:
        raise MapUnreadable(f"{path}: longer than {MAP_BYTES_MAX} bytes; this is no register map")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MapUnreadable(f"{path}: not UTF-8: {error}") from error

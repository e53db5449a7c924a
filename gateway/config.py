"""Read gateway.toml. An unknown key, a wrong type or a value out of bounds is refused.

The refusal names the file, the key, the value and the rule, so that nobody has to guess.
"""

from __future__ import annotations

import hashlib
import tomllib
from typing import TYPE_CHECKING

import msgspec

from drivers.address import PortTextRefused
from drivers.recording import FileAddress, parse_source
from drivers.toml_words import explain, syntax_hint
from gateway.config_tables import Config, InstrumentTable

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.publisher.settings import PublisherSettings

PUBLISHER_FILES = ("tls_ca", "tls_cert", "tls_key", "password_file")
CONFIG_BYTES_MAX = 48 * 1024  # it is kept whole in a record; 64 instruments take half of it


class ConfigRefused(ValueError):
    """The configuration cannot be used; the message names the file, the key, the value and the rule."""


class Loaded(msgspec.Struct, frozen=True):
    """A configuration with the digest that every record made under it carries.

    `text` is the file as read, `folder` the one its relative paths start from.
    """

    config: Config
    sha256: bytes
    text: bytes
    folder: Path

    def resolve(self, path: str) -> Path:
        """Return `path` as seen from the configuration's folder."""
        return self.folder / path

    def publisher(self) -> PublisherSettings:
        """Return the publisher's table with its files as seen from the configuration's folder."""
        table = self.config.publisher
        files = {key: getattr(table, key) for key in PUBLISHER_FILES}
        return msgspec.structs.replace(table, **{key: str(self.resolve(path)) for key, path in files.items() if path})


def load(path: Path) -> Loaded:
    """Read and check the configuration file. Raises `ConfigRefused`."""
    try:
        with path.open("rb") as stream:
            text = stream.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigRefused(f"{path}: {error.strerror}; name the file with --config") from error
    if len(text) > CONFIG_BYTES_MAX:
        raise ConfigRefused(f"{path}: longer than {CONFIG_BYTES_MAX} bytes; this is no gateway configuration")
    return Loaded(parse(text, str(path)), hashlib.sha256(text).digest(), text, path.resolve().parent)


def parse(text: bytes, where: str) -> Config:
    """Return the configuration in `text`; `where` names it in errors. Raises `ConfigRefused`."""
    try:
        table = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigRefused(f"{where}: not TOML: {error}{syntax_hint(str(error))}") from error
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{where}: {explain(str(error), table, Config)}") from error
    taken: dict[str, str] = {}
    for number, instrument in enumerate(config.instrument):
        problem = objection(instrument, taken) or unrooted(instrument)
        if problem:
            raise ConfigRefused(f"{where}: instrument[{number}].{problem}")
    plc = config.scan.plc if config.scan.trigger == "plc" else None
    for key, name in (("clock.reference", config.clock.reference or None), ("scan.plc", plc)):
        if name is not None and name not in taken:
            names = ", ".join(one.name for one in config.instrument) or "none is configured"
            raise ConfigRefused(f"{where}: {key} = {name!r}: must name an instrument: {names}")
    return config


def objection(instrument: InstrumentTable, taken: dict[str, str]) -> str:
    """Say what no type can: a port that is none, a name or a place given twice."""
    try:
        parse_source(instrument.port)
    except PortTextRefused as error:
        return str(error)
    place = f"unit {instrument.unit} on {instrument.port}"
    if instrument.name in taken:
        return f"name = {instrument.name!r}: must be unique; it is in use above"
    if place in taken:
        return f"port = {instrument.port!r}: {place} belongs to {taken[place]!r}; give each its own port or unit"
    taken[instrument.name] = taken[place] = instrument.name
    return ""


def unrooted(instrument: InstrumentTable) -> str:
    """Say that a recording's path depends on where the gateway was started."""
    source = parse_source(instrument.port)
    if isinstance(source, FileAddress) and not source.path.startswith("/"):
        return f"port = {instrument.port!r}: must be an absolute path in a configuration: file:/..."
    return ""

"""Read gateway.toml. An unknown key, a wrong type or a value out of bounds is refused.

The refusal names the file, the key, the value and the rule, so that nobody has to guess.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from typing import TYPE_CHECKING, Any

import msgspec

from drivers.address import PortTextRefused
from drivers.recording import FileAddress, parse_source
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
        raise ConfigRefused(f"{where}: not TOML: {error}") from error
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise ConfigRefused(f"{where}: {explain(str(error), table)}") from error
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


def explain(problem: str, table: dict[str, Any]) -> str:
    """Turn msgspec's words into: key = value: rule."""
    rule, _, path = problem.partition(" - at `")
    keys = re.findall(r"[^.\[\]`$]+", path)
    dotted = "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in keys).lstrip(".")
    inside = f"{dotted}." if dotted else ""
    unknown = re.search(r"unknown field `([^`]*)`", rule)
    if unknown:
        key = unknown.group(1)
        return f"{inside}{key} = {found_at(table, [*keys, key])!r}: unknown key; must be one of: {known(keys)}"
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


def known(keys: list[str]) -> str:
    """List the keys of the table that the chain `keys` leads to."""
    kind: msgspec.inspect.Type = msgspec.inspect.type_info(Config)
    for key in [key for key in keys if not key.isdigit()]:
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next(item.type for item in kind.fields if item.encode_name == key)
        if isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
    return ", ".join(item.encode_name for item in kind.fields) if isinstance(kind, msgspec.inspect.StructType) else ""

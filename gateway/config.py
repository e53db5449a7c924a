"""gateway.toml as types: every key with its limits, its default and its meaning.

An unknown key, a wrong type or a value out of bounds is refused with the key, the value and the rule.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from gateway.publisher.settings import PublisherSettings

CONFIG_BYTES_MAX = 256 * 1024  # a hundred instruments take a tenth of it

Name = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", description="1-63 letters, digits, dots, dashes; no spaces"),
]
Seconds = Annotated[float, Meta(ge=0)]


class Refused(ValueError):
    """The configuration cannot be used; the message names the file, the key, the value and the rule."""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of gateway.toml: nothing in it is free text for the reader to guess."""


class GatewayTable(Table):
    """Who this gateway is and where it keeps what it must not lose."""

    id: Annotated[Name, Meta(description="name of this gateway in every record and topic")]
    state_dir: Annotated[str, Meta(min_length=1, description="folder of the journal and the sockets")] = (
        "/var/lib/spingate"
    )


class KeyTable(Table):
    """Where the signing key is: a systemd credential in service, a 0400 file in development."""

    credential: Annotated[str, Meta(description="name of the systemd credential; used where systemd hands one")] = (
        "gateway.key"
    )
    file: Annotated[str, Meta(description="private key file (PEM, mode 0400 or 0600), where no credential is")] = ""


class JournalTable(Table):
    """How records are kept."""

    group_readable: Annotated[bool, Meta(description="let the group (the publisher) read the journal")] = True
    checkpoint_ms: Annotated[int, Meta(ge=100, le=60_000, description="longest time to the next signed tree head")] = (
        1000
    )
    queue_records_max: Annotated[int, Meta(ge=16, le=65_536, description="records that may wait for the disk")] = 4096


class DetectionTable(Table):
    """What the gateway may call clear, and how often it may cry wolf."""

    model_dir: Annotated[str, Meta(description="folder of the classifier and its card; empty: the one shipped")] = ""
    pfa_per_scan: Annotated[float, Meta(ge=1e-4, le=0.2, description="false-alarm probability of one scan")] = 0.01
    reflected_max: Annotated[
        float, Meta(gt=0, le=1, description="reflected over forward power above which a load is shielded")
    ] = 0.25
    limit_kg_max: Annotated[
        dict[str, Annotated[float, Meta(gt=0)]],
        Meta(description="substance = largest detection limit in kg that still allows a clear"),
    ] = field(default_factory=dict)
    anomaly_false_alarms_per_hour: Annotated[
        float, Meta(gt=0, le=60, description="false alarms of one magnetometer in the lane, per hour")
    ] = 0.1


class ScanTable(Table):
    """When the NQR head scans."""

    trigger: Annotated[
        Literal["request", "continuous"], Meta(description="on request (spingate scan), or one after another")
    ] = "request"
    dwell_s: Annotated[float, Meta(ge=10, le=3600, description="length of one scan")] = 300.0


class InstrumentTable(Table):
    """One device on one port."""

    name: Annotated[Name, Meta(description="name of this instrument in every record")]
    driver: Annotated[str, Meta(min_length=1, description="which driver; `spingate hil --list` shows them")]
    port: Annotated[
        str, Meta(min_length=1, description="/dev/serial/by-id/... or by-path/..., or tcp://host:port")
    ]
    unit: Annotated[int, Meta(ge=1, le=247, description="Modbus unit id")] = 1
    poll_ms: Annotated[int, Meta(ge=5, le=3_600_000, description="time between two polls (Modbus)")] = 1000
    block_ms: Annotated[int, Meta(ge=10, le=60_000, description="length of one reading of a stream")] = 1000
    certificate: Annotated[str, Meta(description="calibration certificate; empty: readings are uncalibrated")] = ""


class Config(Table):
    """The whole file."""

    gateway: GatewayTable
    key: KeyTable = KeyTable()
    journal: JournalTable = JournalTable()
    detection: DetectionTable = DetectionTable()
    scan: ScanTable = ScanTable()
    publisher: PublisherSettings = PublisherSettings()
    instrument: Annotated[tuple[InstrumentTable, ...], Meta(max_length=64)] = ()


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


def load(path: Path) -> Loaded:
    """Read and check the configuration file. Raises `Refused` with what, where and the rule."""
    try:
        with path.open("rb") as stream:
            text = stream.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}; name the file with --config") from error
    if len(text) > CONFIG_BYTES_MAX:
        raise Refused(f"{path}: longer than {CONFIG_BYTES_MAX} bytes; this is not a gateway configuration")
    return Loaded(parse(text, str(path)), hashlib.sha256(text).digest(), text, path.resolve().parent)


def parse(text: bytes, where: str) -> Config:
    """Return the configuration in `text`; `where` names it in errors."""
    try:
        table = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{where}: not TOML: {error}") from error
    try:
        config = msgspec.convert(table, Config)
    except msgspec.ValidationError as error:
        raise Refused(f"{where}: {explain(str(error), table)}") from error
    check_names(config, where)
    return config


def check_names(config: Config, where: str) -> None:
    """Refuse what types cannot: two instruments of one name, or two on one place of one port."""
    names: set[str] = set()
    places: dict[tuple[str, int], str] = {}
    for number, instrument in enumerate(config.instrument):
        key = f"instrument[{number}]"
        if instrument.name in names:
            raise Refused(f"{where}: {key}.name = {instrument.name!r}: must be unique; it is already in use")
        names.add(instrument.name)
        other = places.setdefault((instrument.port, instrument.unit), instrument.name)
        if other != instrument.name:
            raise Refused(
                f"{where}: {key}.port = {instrument.port!r}: unit {instrument.unit} on it belongs to {other!r};"
                " give each device its own port or unit"
            )


def explain(problem: str, table: dict[str, Any]) -> str:
    """Turn msgspec's words into: key = value: rule."""
    rule, _, path = problem.partition(" - at `")
    keys = re.findall(r"[^.\[\]`$]+", path)
    dotted = "".join(f"[{key}]" if key.isdigit() else f".{key}" for key in keys).lstrip(".")
    unknown = re.search(r"unknown field `([^`]*)`", rule)
    if unknown:
        key = unknown.group(1)
        value = found_at(table, [*keys, key])
        return f"{dotted}{'.' if dotted else ''}{key} = {value!r}: unknown key; must be one of: {known(keys)}"
    missing = re.search(r"missing required field `([^`]*)`", rule)
    if missing:
        return f"{dotted}{'.' if dotted else ''}{missing.group(1)} is missing: must be given"
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
    for key in keys:
        if isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
        if isinstance(kind, msgspec.inspect.StructType) and not key.isdigit():
            kind = next(item.type for item in kind.fields if item.encode_name == key)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        kind = kind.item_type
    return ", ".join(item.encode_name for item in kind.fields) if isinstance(kind, msgspec.inspect.StructType) else ""

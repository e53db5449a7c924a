"""The tables of gateway.toml as types: every key with its limits, its default and its meaning.

No rule stands here that a type cannot carry; those are in config.py.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

from gateway.detection.verdict import LOOKS_MAX
from gateway.publisher.settings import PublisherSettings

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of gateway.toml; a key it does not know is refused."""


class GatewayTable(Table, frozen=True):
    """Who this gateway is and where it keeps what it must not lose."""

    id: Annotated[Name, Meta(description="name of this gateway in every record and topic")]
    state_dir: Annotated[Text, Meta(description="folder of the journal")] = "/var/lib/spingate"
    run_dir: Annotated[Text, Meta(description="folder of the sockets, gone at power-off")] = "/run/spingate"
    publisher_dir: Annotated[
        Text, Meta(description="folder where the publisher keeps how far it has come")
    ] = "/var/lib/spingate-publish"


class KeyTable(Table, frozen=True):
    """Where the signing key is: a systemd credential in service, a 0400 file in development."""

    credential: Annotated[str, Meta(description="name of the systemd credential that holds it")] = "gateway.key"
    file: Annotated[str, Meta(description="private key file, PEM, mode 0400 or 0600; used without systemd")] = ""


class JournalTable(Table, frozen=True):
    """How records are kept."""

    group_readable: Annotated[bool, Meta(description="the group, so the publisher, may read the journal")] = True
    queue_records_max: Annotated[
        int, Meta(ge=16, le=65_536, description="records that may wait for the disk before it counts as stuck")
    ] = 4096


class DetectionTable(Table, frozen=True):
    """What the gateway may call clear, and how often it may cry wolf."""

    model_dir: Annotated[str, Meta(description="folder of the classifier and its card; empty: as shipped")] = ""
    reflected_max: Annotated[
        float, Meta(gt=0, le=1, description="reflected over forward power from which a load counts as shielded")
    ] = 0.25
    limit_kg_max: Annotated[
        dict[str, Annotated[float, Meta(gt=0)]],
        Meta(description="by substance: the largest detection limit in kg that still allows a clear"),
    ] = field(default_factory=dict)
    empty_bay: Annotated[
        Literal["not inspectable", "clear"],
        Meta(description="what a scan is called where the range finder sees nothing within 0.5 m"),
    ] = "not inspectable"
    null_set: Annotated[
        str, Meta(description="signed null set of the bay (docs/null-set.md); empty: theory alone bounds false alarms")
    ] = ""
    null_set_keys: Annotated[
        tuple[Text, ...],
        Meta(max_length=16, description="public keys, PEM, that may have signed it beside the gateway's own"),
    ] = ()
    anomalies_per_hour: Annotated[
        float, Meta(gt=0, le=60, description="false alarms of each stream of a lane magnetometer per hour")
    ] = 0.1


class ClockTable(Table, frozen=True):
    """How far the wall clock must be trusted."""

    require_synchronised: Annotated[
        bool,
        Meta(description="no certificate counts as valid while nobody disciplines the clock; false: it is believed"),
    ] = True
    reference: Annotated[
        str, Meta(description="name of the atomic clock that vouches for this machine's when that has lost its source")
    ] = ""
    drift_ppm_max: Annotated[
        float, Meta(gt=0, le=1000, description="parts in a million by which an undisciplined clock strays at most")
    ] = 100.0
    holdover_s_max: Annotated[
        float, Meta(gt=0, le=60, description="estimated error from which the clock no longer counts as in holdover")
    ] = 1.0


class ScanTable(Table, frozen=True):
    """When the NQR head scans."""

    trigger: Annotated[
        Literal["request", "continuous", "plc"],
        Meta(description="on request (spingate scan start), one after another, or when the lane's PLC sees an object"),
    ] = "request"
    dwell_s: Annotated[float, Meta(ge=30, le=600, description="length of one scan in seconds")] = 300.0
    looks_max: Annotated[
        int,
        Meta(ge=1, le=LOOKS_MAX, description="scan a load until it is decided, at most so many times; 1: one scan of"
             " `dwell_s`"),
    ] = 1
    look_dwell_s: Annotated[
        float, Meta(ge=30, le=600, description="length in seconds of each scan of a load that is scanned until decided")
    ] = 60.0
    plc: Annotated[str, Meta(description="name of the instrument that is the lane's PLC, for the trigger plc")] = ""
    present: Annotated[Name, Meta(description="its channel that is set while an object stands in the bay")] = (
        "object_present"
    )
    wanted: Annotated[
        tuple[Name, ...], Meta(max_length=16, description="its channels that must be set while a scan runs")
    ] = ()
    barred: Annotated[
        tuple[Name, ...], Meta(max_length=16, description="its channels that must be clear while a scan runs")
    ] = ()


class LineTable(Table, frozen=True):
    """How the serial line is set, where that differs from the instrument's usual setting."""

    baud: Annotated[Annotated[int, Meta(ge=50, le=4_000_000)] | None, Meta(description="bit rate")] = None
    bits: Annotated[Literal[7, 8] | None, Meta(description="data bits")] = None
    parity: Annotated[Literal["N", "E", "O"] | None, Meta(description="none, even or odd")] = None
    stop_bits: Annotated[Literal[1, 2] | None, Meta(description="stop bits")] = None
    rs485: Annotated[
        bool, Meta(description="let the kernel switch an RS-485 transceiver by RTS; not for adapters that do it alone")
    ] = False
    rts_on_send: Annotated[bool, Meta(description="RS-485: level of RTS while sending")] = True
    rts_after_send: Annotated[bool, Meta(description="RS-485: level of RTS otherwise")] = False
    hears_itself: Annotated[bool, Meta(description="RS-485: keep the receiver on while sending")] = False
    delay_before_send_ms: Annotated[
        int, Meta(ge=0, le=100, description="RS-485: from RTS to the first bit")
    ] = 0
    delay_after_send_ms: Annotated[
        int, Meta(ge=0, le=100, description="RS-485: from the last bit to RTS")
    ] = 0


class InstrumentTable(Table, frozen=True):
    """One device on one port."""

    name: Annotated[Name, Meta(description="name of this instrument in every record")]
    driver: Annotated[Text, Meta(description="which driver: spingate hil --list shows them")]
    port: Annotated[
        Text,
        Meta(
            description="/dev/serial/by-id/..., tcp://HOST:PORT, a serial server's rfc2217://HOST:PORT or"
            " socket://HOST:PORT, or a recording: file:PATH[?loop&fast]"
        ),
    ]
    unit: Annotated[int, Meta(ge=1, le=247, description="Modbus unit id")] = 1
    serial: Annotated[
        str, Meta(max_length=64, description="serial number, for a device that cannot tell its own")
    ] = ""
    poll_ms: Annotated[
        int,
        Meta(
            ge=0, le=3_600_000,
            description="time between two polls of a device that is asked; 0: a Modbus device as fast as it answers and"
            " the disk keeps up, others at least 5",
        ),
    ] = 1000
    block_ms: Annotated[int, Meta(ge=10, le=60_000, description="length of one reading of a stream")] = 1000
    certificate: Annotated[str, Meta(description="calibration certificate; empty: its readings are uncalibrated")] = ""
    map: Annotated[
        str, Meta(max_length=4096, description="register map, for a driver that needs one: a shipped name or a file")
    ] = ""
    line: LineTable = LineTable()
    settings: Annotated[
        dict[str, str | int | float | bool],
        Meta(description="what only this driver knows, in a table [instrument.settings]; listed below"),
    ] = field(default_factory=dict)


class Config(Table, frozen=True):
    """The whole file."""

    gateway: GatewayTable
    key: KeyTable = KeyTable()
    journal: JournalTable = JournalTable()
    detection: DetectionTable = DetectionTable()
    clock: ClockTable = ClockTable()
    scan: ScanTable = ScanTable()
    publisher: PublisherSettings = PublisherSettings()
    instrument: Annotated[tuple[InstrumentTable, ...], Meta(max_length=64)] = ()

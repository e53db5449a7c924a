"""The two shapes of a driver: one that speaks bytes, one that speaks Modbus registers. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drivers.sample import Event, Nanoseconds


class StreamDriver(Protocol):
    """Turns bytes into samples. Never opens a port, never reads a clock."""

    def opened(self, now: Nanoseconds) -> None:
        """Take note that the line was opened anew: half a packet is void, another device may answer."""
        ...

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the bytes that are due to be sent to the device now; empty if none are."""
        ...

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Take bytes as they came from the line and return what they completed. Never raises.

        An empty chunk says that nothing came: a driver that waits for an answer may find that it waited too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadRegisters:
    """Read `count` (1-125) registers from `address`; function 3 (holding) or 4 (input).

    Functions 1 (coils) and 2 (discrete inputs) read `count` (1-2000) bits; each is a register of 0 or 1.
    """

    address: int
    count: int
    function: Literal[1, 2, 3, 4] = 3


@dataclass(frozen=True, slots=True)
class WriteRegisters:
    """Write `values` (1-123 of 16 bit) from `address`; function 16, or 6 for a single one."""

    address: int
    values: tuple[int, ...]


Request: TypeAlias = ReadRegisters | WriteRegisters


class RegisterDriver(Protocol):
    """Turns register answers into samples. The Modbus framing and its time-outs belong to the port.

    The port calls `ask`; where that gives a request, exactly one of `answer` or `refuse` follows it.
    Where it gives None, the port asks again after the driver's `idle_s_max`, as it stands then, or sooner.
    """

    idle_s_max: float

    def ask(self, now: Nanoseconds) -> Request | None:
        """Return the next request that is due, or None."""
        ...

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Take the registers of the last read (empty after a write) and return what they completed."""
        ...

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Take a failure of the last request: a device exception, an odd answer, a time-out or a lost connection.

        `exception_code` and `is_odd` tell which from the words.
        """
        ...


@runtime_checkable
class WantsQuiet(Protocol):
    """A register driver whose device needs more silence on a serial line than Modbus itself asks for."""

    quiet_s: float


def exception_words(code: int, meaning: str) -> str:
    """Return how a port tells a register driver of a device exception."""
    return f"exception {code} ({meaning})"


def exception_code(why: str) -> int | None:
    """Return the code of the device exception that a port tells of, None where it tells of something else."""
    found = re.match(r"exception (\d+) \(", why)
    return int(found.group(1)) if found else None


ODD = "odd answer: "


def is_odd(why: str) -> bool:
    """Tell whether a port tells of an answer that cannot belong to the request: the device is there."""
    return why.startswith(ODD)


@dataclass(frozen=True, slots=True)
class Rs485:
    """How the kernel switches an RS-485 transceiver by RTS (linux/serial.h, struct serial_rs485).

    The levels are those of RTS while sending and otherwise; `hears_itself` keeps the receiver on meanwhile.
    """

    rts_on_send: bool = True
    rts_after_send: bool = False
    hears_itself: bool = False
    delay_before_send_ms: int = 0
    delay_after_send_ms: int = 0


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the device's serial line is set; `rs485` where the kernel is to switch the direction by RTS."""

    baud: int
    bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    rs485: Rs485 | None = None

    def __str__(self) -> str:
        return f"{self.baud} {self.bits}{self.parity}{self.stop_bits}"


Setting: TypeAlias = str | int | float | bool


class SettingRefused(ValueError):
    """A driver's own setting cannot be used; the message says key, value and rule."""


@dataclass(frozen=True, slots=True)
class DriverOptions:
    """What a driver may be told when it is made.

    `poll_s` is the wanted time between two polls (ignored by devices that stream by themselves);
    `packets` is true where the port delivers whole packets over TCP instead of a framed serial line;
    `settings` are what only this driver knows, by the names in its `Instrument` row; `map_text` is the register
    map, for a driver that needs one.
    """

    poll_s: float = 1.0
    packets: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)
    map_text: str = ""


@dataclass(frozen=True, slots=True)
class Instrument:
    """One line of the `DRIVERS` table: what a technician, the acquisition and `spingate probe` need of a driver.

    `make` raises SettingRefused; `settings` says in one line what each of the driver's own settings means.
    `uncertainty` is what the source says of the device's accuracy, in words; a certificate says it in numbers.
    `speaks` is true where the device talks by itself, so that it can be told by listening alone;
    `silent_s_max` is how long it may give no sample before its line is opened anew (polled devices: at least
    three polls). `needs_map` is true for a driver that reads its registers from a map.
    """

    name: str
    title: str
    quantity: str
    unit: str
    line: LineSettings
    source: str
    make: Callable[[DriverOptions], StreamDriver | RegisterDriver]
    kind: Literal["stream", "registers"]
    uncertainty: str
    settings: Mapping[str, str] = field(default_factory=dict)
    speaks: bool = False
    silent_s_max: float = 5.0
    needs_map: bool = False

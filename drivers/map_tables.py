"""The tables of a register map as types: every key with its limits, its default and its meaning. Pure.

No rule stands here that a type cannot carry; those are in map_text.py. docs/register-map.md is the page for people.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# A record holds 256 channels, and a block of readings 16 streams (gateway/evidence/layout.py, gateway/block.py).
CHANNELS_MAX = 256
GROUPS_MAX = 16

# The longest names, so that a record of 256 channels stays below its 64 KiB.
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Word = Annotated[str, Meta(max_length=64)]
Unit = Annotated[str, Meta(max_length=16)]
Address = Annotated[int, Meta(ge=0, le=0xFFFF)]
Function = Literal[1, 2, 3, 4]
Order = Literal["big", "little"]
Positive = Annotated[float, Meta(ge=0)]

REGISTERS = {"u16": 1, "i16": 1, "u32": 2, "i32": 2, "f32": 2, "u64": 4, "i64": 4, "f64": 4}
Kind = Literal["u16", "i16", "u32", "i32", "f32", "u64", "i64", "f64", "bool", "text"]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a register map; a key it does not know is refused."""


class IdentityTable(Table, frozen=True):
    """Who made the device; what it tells of itself is in registers that fill the rest."""

    make: Annotated[Word, Meta(description="maker, as it stands in every record")]
    model: Annotated[Word, Meta(description="model, as it stands in every record")]


class DeviceTable(Table, frozen=True):
    """What the device can bear."""

    registers_max: Annotated[int, Meta(ge=1, le=125, description="most registers in one read")] = 125
    bits_max: Annotated[int, Meta(ge=1, le=2000, description="most coils or discrete inputs in one read")] = 2000
    gap_max: Annotated[
        int, Meta(ge=0, le=1999, description="how many registers in a row that nobody wants may be read along")
    ] = 0
    quiet_ms: Annotated[
        float, Meta(ge=0, le=250, description="least silence on a serial line before each request")
    ] = 0.0
    word_order: Annotated[Order, Meta(description="big: the first register holds the most significant word")] = "big"
    byte_order: Annotated[Order, Meta(description="big: the first byte of a register is the most significant")] = "big"
    write_protect: Annotated[bool, Meta(description="nothing is written; the only value there is so far: true")] = True


class UnreadableTable(Table, frozen=True):
    """Registers that must never be touched, not even as a gap between two others."""

    first: Annotated[Address, Meta(description="the first of them")]
    last: Annotated[Address, Meta(description="the last of them")]
    function: Annotated[Function, Meta(description="of which table")] = 3


class RegisterTable(Table, frozen=True):
    """One value, or `count` of them one after the other."""

    name: Annotated[Name, Meta(description="of its channel; a range adds 0, 1, 2 ... to it")]
    address: Annotated[Address, Meta(description="of its first register, as it goes over the line: counted from 0")]
    function: Annotated[
        Function, Meta(description="1 coils, 2 discrete inputs, 3 holding registers, 4 input registers")
    ] = 3
    type: Annotated[Kind, Meta(description="what the registers hold; bool for coils and discrete inputs")] = "u16"
    count: Annotated[int, Meta(ge=1, le=CHANNELS_MAX, description="how many, one after the other")] = 1
    registers: Annotated[int, Meta(ge=1, le=32, description="length of a text")] | None = None
    bit: Annotated[
        int, Meta(ge=0, le=63, description="lowest bit of a bit field; 0 is the least significant")
    ] | None = None
    bits: Annotated[int, Meta(ge=1, le=53, description="width of a bit field")] = 1
    word_order: Annotated[Order, Meta(description="where it differs from the device's")] | None = None
    byte_order: Annotated[Order, Meta(description="where it differs from the device's")] | None = None
    scale: Annotated[float, Meta(description="value = number x scale + offset")] = 1.0
    offset: Annotated[float, Meta(description="in the unit of the value")] = 0.0
    quantity: Annotated[Word, Meta(description="what it measures; must be given, but for a text")] = ""
    unit: Annotated[Unit, Meta(description="of the value; must be given, but for a text; 1 where it has none")] = ""
    u: Annotated[Positive, Meta(description="standard uncertainty (k = 1) in the unit of the value")] | None = None
    u_relative: Annotated[Positive, Meta(description="standard uncertainty as a share of the value")] | None = None
    fills: Annotated[
        Literal["make", "model", "serial", "firmware"], Meta(description="which part of the identity a text is")
    ] | None = None


class GroupTable(Table, frozen=True):
    """What is read together: one stream, one sample each poll."""

    name: Annotated[Name, Meta(description="of the stream")]
    register: Annotated[tuple[RegisterTable, ...], Meta(min_length=1, max_length=CHANNELS_MAX)]
    poll_ms: Annotated[
        int, Meta(ge=0, le=3_600_000, description="time between two polls; 0: as fast as it answers")
    ] | None = None


class RegisterMap(Table, frozen=True):
    """The whole file."""

    format: Annotated[Literal[1], Meta(description="of this file")]
    title: Annotated[Word, Meta(description="what the device is")]
    source: Annotated[Annotated[str, Meta(max_length=256)], Meta(description="the document the map was made from")]
    identity: IdentityTable
    group: Annotated[tuple[GroupTable, ...], Meta(min_length=1, max_length=GROUPS_MAX)]
    device: DeviceTable = DeviceTable()
    unreadable: Annotated[tuple[UnreadableTable, ...], Meta(max_length=64)] = ()

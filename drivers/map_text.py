"""Read a register map. An unknown key, a wrong type or a value that cannot be is refused.

The refusal names the key, the value and the rule. No file is opened here: the text is passed in.
"""

from __future__ import annotations

import math
import tomllib
from typing import TYPE_CHECKING

import msgspec

from drivers.map_reads import Bounds, Span, touches
from drivers.map_tables import CHANNELS_MAX, REGISTERS, RegisterMap
from drivers.toml_words import explain, syntax_hint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.map_tables import DeviceTable, GroupTable, RegisterTable

BITS_OF = {"u16": 16, "u32": 32, "u64": 64}
ADDRESSES = 0x10000


class MapRefused(ValueError):
    """The register map cannot be used; the message names the key, the value and the rule."""


def read_map(text: str) -> RegisterMap:
    """Return the register map in `text`. Raises MapRefused."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MapRefused(f"not TOML: {error}{syntax_hint(str(error))}") from error
    try:
        found = msgspec.convert(table, RegisterMap)
    except msgspec.ValidationError as error:
        raise MapRefused(explain(str(error), table, RegisterMap)) from error
    for problem in objections(found):
        raise MapRefused(problem)
    return found


def bounds(found: RegisterMap, function: int) -> Bounds:
    """Return what one read with this function may be."""
    length_max = found.device.bits_max if function in {1, 2} else found.device.registers_max
    bad = tuple(Span(one.first, one.last + 1) for one in found.unreadable if one.function == function)
    return Bounds(length_max, found.device.gap_max, bad)


def width(register: RegisterTable) -> int:
    """Return how many registers, or bits, one value takes."""
    return register.registers or 1 if register.type == "text" else REGISTERS.get(register.type, 1)


def channel_names(register: RegisterTable) -> tuple[str, ...]:
    """Return the names of the channels that a line of the map makes; none for a text."""
    if register.type == "text":
        return ()
    if register.count == 1:
        return (register.name,)
    return tuple(f"{register.name}{number}" for number in range(register.count))


def objections(found: RegisterMap) -> Iterator[str]:
    """Say what no type can, as key = value: rule."""
    yield from _of_device(found.device)
    for number, bad in enumerate(found.unreadable):
        if bad.last < bad.first:
            yield f"unreadable[{number}].last = {bad.last}: must be first = {bad.first} or more"
    streams: set[str] = set()
    for number, group in enumerate(found.group):
        if group.name in streams:
            yield f"group[{number}].name = {group.name!r}: must be unique; it is in use above"
        streams.add(group.name)
        for problem in _of_group(found, group):
            yield f"group[{number}].{problem}"
    registers = [register for group in found.group for register in group.register]
    if all(register.type == "text" for register in registers):
        yield "group: no numbers: a map of texts alone gives no sample"
    fills = [register.fills for register in registers if register.fills]
    for part in {part for part in fills if fills.count(part) > 1}:
        yield f"fills = {part!r}: two texts cannot fill the same part of the identity"


def _of_device(device: DeviceTable) -> Iterator[str]:
    if not device.write_protect:
        yield "device.write_protect = False: must be true; nothing of this gateway writes to a mapped device"


def _of_group(found: RegisterMap, group: GroupTable) -> Iterator[str]:
    taken: set[str] = set()
    for number, register in enumerate(group.register):
        for problem in (*_of_register(register), *_of_place(found, register)):
            yield f"register[{number}].{problem}"
        double = taken.intersection(channel_names(register))
        if double:
            yield f"register[{number}].name = {register.name!r}: {min(double)} is in use above"
        taken.update(channel_names(register))
    if len(taken) > CHANNELS_MAX:
        yield f"register: {len(taken)} values: one sample holds {CHANNELS_MAX}; make a second group"


def _of_register(register: RegisterTable) -> Iterator[str]:
    text, bit = register.type == "text", register.function in {1, 2}
    if bit is not (register.type == "bool"):
        rule = "coils and discrete inputs (function 1, 2) are bool, and only they"
        yield f"type = {register.type!r}: {rule}"
    if text is not (register.fills is not None):
        yield f"fills = {register.fills!r}: a text fills a part of the identity, and only a text does"
    if text is not (register.registers is not None):
        yield f"registers = {register.registers!r}: the length of a text must be given, and only of a text"
    if text and register.count != 1:
        yield f"count = {register.count}: must be 1 for a text"
    if not text and not (register.quantity and register.unit):
        key = "unit" if register.quantity else "quantity"
        yield f"{key} = '': must be given; a unit of 1 says that there is none"
    yield from _of_number(register)


def _of_number(register: RegisterTable) -> Iterator[str]:
    for key in ("scale", "offset", "u", "u_relative"):
        value = getattr(register, key)
        if value is not None and not math.isfinite(value):
            yield f"{key} = {value!r}: must be a finite number"
    if register.scale == 0:
        yield "scale = 0.0: must not be 0"
    if register.bit is None:
        if register.bits != 1:
            yield f"bits = {register.bits}: needs bit, the lowest bit of the field"
    elif register.type not in BITS_OF:
        yield f"bit = {register.bit}: a bit field lies in one of: {', '.join(BITS_OF)}; not in {register.type}"
    elif register.bit + register.bits > BITS_OF[register.type]:
        yield f"bits = {register.bits}: bit {register.bit} and {register.bits} bits do not fit in {register.type}"


def _of_place(found: RegisterMap, register: RegisterTable) -> Iterator[str]:
    end = register.address + width(register) * register.count
    allowed = bounds(found, register.function)
    if end > ADDRESSES:
        yield f"address = {register.address}: its last register would be {end - 1}: must be {ADDRESSES - 1} or less"
    if width(register) > allowed.length_max:
        yield f"type = {register.type!r}: takes {width(register)} registers; one read holds {allowed.length_max}"
    if touches(Span(register.address, end), allowed.unreadable):
        yield f"address = {register.address}: lies in, or reaches into, what is marked unreadable"

"""A register map that cannot be is refused in words that name the key, the value and the rule."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from drivers.driver import DriverOptions, ReadRegisters, SettingRefused
from drivers.map_shipped import shipped_names, shipped_text
from drivers.map_tables import DeviceTable, GroupTable, IdentityTable, RegisterMap, RegisterTable, UnreadableTable
from drivers.map_text import MapRefused, read_map
from drivers.modbus_map import INSTRUMENT, ModbusMap
from gateway.config_reference import row

PAGE = (Path(__file__).parents[2] / "docs" / "register-map.md").read_text()

GOOD = """
format = 1
title = "thing"
source = "its manual, page 1"
identity = { make = "Example", model = "Thing" }

[device]
registers_max = 8

[[unreadable]]
first = 50
last = 59

[[group]]
name = "all"

[[group.register]]
name = "a"
address = 1
quantity = "temperature"
unit = "degC"
"""

LAST = """
[[group.register]]
name = "b"
address = 10
quantity = "count"
unit = "1"
"""


def test_a_good_map_is_taken() -> None:
    """What the refusals below change is good before."""
    assert read_map(GOOD + LAST).group[0].register[1].address == 10


@pytest.mark.parametrize(("before", "after", "words"), [
    ("format = 1", "format = 2", "format = 2: must be one of: 1"),
    ("format = 1", "", "format is missing: must be given"),
    ("registers_max = 8", "registers_max = 126", "device.registers_max = 126: must be a whole number <= 125"),
    ("registers_max = 8", "registers_max = 1\nquiet_ms = -1", "device.quiet_ms = -1: must be a number >= 0"),
    ("registers_max = 8", "regs = 8", "device.regs = 8: unknown key; must be one of: registers_max, bits_max, gap_max"),
    ("registers_max = 8", "write_protect = false", "device.write_protect = False: must be true; nothing"),
    ("last = 59", "last = 49", "unreadable[0].last = 49: must be first = 50 or more"),
    ('name = "b"', 'name = "a"', "group[0].register[1].name = 'a': a is in use above"),
    ('name = "b"', 'name = "a b"', "group[0].register[1].name = 'a b': must be a text in quotes matching regex"),
    ("address = 10", "address = 65536", "group[0].register[1].address = 65536: must be a whole number <= 65535"),
    ("address = 10", 'address = 65535\ntype = "u32"', "address = 65535: its last register would be 65536: must be"),
    ("address = 10", "address = 59", "address = 59: lies in, or reaches into, what is marked unreadable"),
    ("address = 10", "address = 45\ncount = 6", "address = 45: lies in, or reaches into, what is marked unreadable"),
    ("address = 10", 'address = 10\ntype = "u24"', "group[0].register[1].type = 'u24': must be one of: bool, f32"),
    ("address = 10", "address = 10\nfunction = 2", "type = 'u16': coils and discrete inputs (function 1, 2) are bool"),
    ("address = 10", 'address = 10\ntype = "bool"', "type = 'bool': coils and discrete inputs (function 1, 2) are"),
    ("address = 10", 'address = 10\ntype = "text"', "fills = None: a text fills a part of the identity"),
    ("address = 10", 'address = 10\nfills = "serial"', "fills = 'serial': a text fills a part of the identity"),
    ("address = 10", 'address = 10\ntype = "text"\nfills = "serial"', "registers = None: the length of a text must"),
    ("address = 10", 'address = 10\ntype = "text"\nfills = "serial"\nregisters = 9',
     "type = 'text': takes 9 registers; one read holds 8"),
    ("address = 10", 'address = 10\ntype = "text"\nfills = "serial"\nregisters = 2\ncount = 2',
     "count = 2: must be 1 for a text"),
    ("address = 10", "address = 10\nbit = 16", "bits = 1: bit 16 and 1 bits do not fit in u16"),
    ("address = 10", "address = 10\nbit = 15\nbits = 2", "bits = 2: bit 15 and 2 bits do not fit in u16"),
    ("address = 10", "address = 10\nbits = 2", "bits = 2: needs bit, the lowest bit of the field"),
    ("address = 10", 'address = 10\ntype = "f32"\nbit = 1', "bit = 1: a bit field lies in one of: u16, u32, u64; not"),
    ("address = 10", "address = 10\nscale = 0.0", "scale = 0.0: must not be 0"),
    ("address = 10", "address = 10\noffset = inf", "offset = inf: must be a finite number"),
    ("address = 10", "address = 10\nu = nan", "u = nan"),
    ("address = 10", "address = 10\nu_relative = -0.1", "u_relative = -0.1: must be a number >= 0"),
    ("address = 10", "address = 10\ncount = 257", "count = 257: must be a whole number <= 256"),
    ("address = 10", "address = 100\ncount = 256", "register: 257 values: one sample holds 256; make a second group"),
    ('quantity = "count"', "", "group[0].register[1].quantity = '': must be given"),
    ('unit = "1"', "", "group[0].register[1].unit = '': must be given; a unit of 1 says that there is none"),
    ('unit = "1"', 'unit = "1"\n[[group]]\nname = "all"\n[[group.register]]\nname = "c"\naddress = 1',
     "group[1].name = 'all': must be unique; it is in use above"),
    ('unit = "1"', 'unit = "1"\n[[group]]\nname = "none"\nregister = []',
     "group[1].register = []: must be a list in [ ]"),
    ('unit = "1"', 'unit = "1', "not TOML: "),
    ('unit = "1"', 'unit = "1"' + 2 * ('\n[[group.register]]\nname = "s"\naddress = 1\ntype = "text"\nregisters = 2\n'
                                       'fills = "serial"'),
     "fills = 'serial': two texts cannot fill the same part of the identity"),
])
def test_a_mistake_is_refused_with_key_value_and_rule(before: str, after: str, words: str) -> None:
    """Nobody has to guess which line is wrong, or how."""
    with pytest.raises(MapRefused, match=re.escape(words)):
        read_map((GOOD + LAST).replace(before, after, 1) if before not in LAST else GOOD + LAST.replace(before, after))


def test_a_map_of_texts_alone_is_refused() -> None:
    """It would never give a sample."""
    text = GOOD.replace('quantity = "temperature"\nunit = "degC"', 'type = "text"\nregisters = 2\nfills = "serial"')
    with pytest.raises(MapRefused, match="group: no numbers: a map of texts alone gives no sample"):
        read_map(text)


def test_the_driver_refuses_a_bad_map_as_a_setting() -> None:
    """The configuration's check tells of a map as of any other setting."""
    with pytest.raises(SettingRefused, match="map: format = 3: must be one of"):
        INSTRUMENT.make(DriverOptions(map_text=GOOD.replace("format = 1", "format = 3")))
    with pytest.raises(SettingRefused, match="map = '': must name a register map"):
        INSTRUMENT.make(DriverOptions())


@pytest.mark.parametrize("name", shipped_names())
def test_every_shipped_map_can_be_used(name: str) -> None:
    """A name that the refusal lists is one that works."""
    text = shipped_text(name)
    assert text is not None
    assert read_map(text).title


def test_the_examples_on_the_page_can_be_used() -> None:
    """Whoever copies the worked example has a map that is taken, and reads what the page says it reads."""
    (text,) = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "format = 1" in block]
    of = ModbusMap(read_map(text))
    asked = []
    while (request := of.ask(0)) is not None:
        asked.append(request)
        of.answer([0] * request.count, 0)
    assert asked == [ReadRegisters(200, 8), ReadRegisters(100, 5), ReadRegisters(20, 8, 4)]


def test_the_page_lists_every_key_with_its_limits() -> None:
    """The tables between the marks are what the types say."""
    told = PAGE.split("<!-- keys -->\n")[1].split("<!-- /keys -->")[0]
    assert told == key_tables()


def key_tables() -> str:
    """Return the tables of keys as Markdown."""
    from typing import get_type_hints

    parts = []
    tables: dict[str, type[msgspec.Struct]] = {
        "the file": RegisterMap, "`[identity]`": IdentityTable, "`[device]`": DeviceTable,
        "`[[unreadable]]`": UnreadableTable, "`[[group]]`": GroupTable, "`[[group.register]]`": RegisterTable}
    for title, table in tables.items():
        hints = get_type_hints(table, include_extras=True)
        # What may be left out of gateway.toml is the driver's own; of a map it is simply not there.
        rows = [row(field, hints[field.name]).replace("the driver's own", "none")
                for field in msgspec.structs.fields(table)
                if field.name not in {"identity", "group", "device", "unreadable", "register"}]
        parts.append(f"**{title}**: {(table.__doc__ or '').splitlines()[0]}\n\n"
                     "| key | type and limits | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)

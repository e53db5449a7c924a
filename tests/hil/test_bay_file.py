"""A bay file says who stands where; what it cannot mean is refused before anything is started."""

from __future__ import annotations

import asyncio
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway.acquisition import check_drivers
from gateway.config_tables import InstrumentTable
from hil.bay import configuration, standing_bay
from hil.bay_file import BayRefused, parse_bay
from hil.link import LinkTaken
from hil.table import EMULATED

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

BAYS = sorted((entry for entry in (files("hil") / "bays").iterdir()), key=lambda entry: entry.name)
ONE = '[[instrument]]\nname = "a"\nemulate = "twinleaf"\nlink = "a"\n'
OVEN = '[[instrument]]\nname = "b"\nemulate = "eurotherm-3200"\nlink = "bus"\n'


@pytest.mark.parametrize(("text", "words"), [
    ("", "instrument is missing"), ("instrument = 3", "must be a list"), ("[[instrument", "not TOML"),
    (ONE + "colour = 3\n", "colour"), (ONE.replace("twinleaf", "compass"), "must be one of: twinleaf"),
    (ONE + 'scene = "moon"\n', "scene = 'moon'"), (ONE + "tcp = 0\n", "link, tcp"),
    (ONE.replace('link = "a"', 'link = "../a"'), "no bay"), (ONE.replace('link = "a"', 'link = "/a"'), "no bay"),
    (ONE.replace('link = "a"', ""), "link, tcp"), (ONE + "serial_over_tcp = true\n", "only with tcp"),
    (ONE + ONE, "must be unique"), (ONE + 'faults = ["melt"]\n', "faults: fault 'melt'"),
    (ONE + OVEN.replace("bus", "a"), "only Modbus devices share"),
    (OVEN + OVEN.replace('"b"', '"c"'), "unit = 1: is taken"),
    (OVEN + OVEN.replace('"b"', '"c"') + 'unit = 2\npace = "fast"\n', "belong to the line, so to b"),
    (OVEN + OVEN.replace('"b"', '"c"').replace("eurotherm-3200", "nqr-head") + "unit = 2\n", "other line settings"),
])
def test_a_bay_that_cannot_be_is_refused_with_the_rule(text: str, words: str) -> None:
    """Nothing is started, and the reason names the key."""
    with pytest.raises(BayRefused) as refused:
        parse_bay(text)
    assert words in str(refused.value)


def links(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def ports_of(text: str, folder: Path) -> tuple[dict[str, str], str]:
    """Start a bay, look at its ports and its configuration, and stop it."""
    bay = parse_bay(text)
    with ThreadPoolExecutor(1) as worker:
        async with standing_bay(bay, folder, worker.submit, time.monotonic_ns) as ports:
            await asyncio.sleep(0.1)
            for seat in bay.instrument:
                assert not seat.link or seat.link in links(folder)
            return ports, configuration(bay, ports)


@pytest.mark.parametrize("entry", BAYS, ids=lambda entry: entry.name)
async def test_every_shipped_bay_stands_and_its_configuration_is_one(entry: Traversable, tmp_path: Path) -> None:
    """What it prints is taken by the gateway as it is, and its links are gone when it is."""
    text = entry.read_text()
    ports, printed = await ports_of(text, tmp_path)
    tables = msgspec.convert(tomllib.loads(printed)["instrument"], list[InstrumentTable])
    check_drivers(tables)
    assert [(one.name, one.port) for one in tables] == list(ports.items())
    assert links(tmp_path) == []


async def test_every_instrument_of_the_table_can_stand_in_a_bay(tmp_path: Path) -> None:
    """Each on a serial line, with a line that loses a byte in ten thousand."""
    tables = [f'[[instrument]]\nname = "{name}"\nemulate = "{name}"\nlink = "{name}"\nfaults = ["drop:1e-4"]\n'
              for name in EMULATED]
    ports, _printed = await ports_of("".join(tables), tmp_path)
    assert list(ports) == list(EMULATED)


async def test_a_serial_server_says_that_it_carries_a_serial_line(tmp_path: Path) -> None:
    """Over TCP with serial framing the port is another one than with packets."""
    text = "".join(
        f'[[instrument]]\nname = "{name}-{framed}"\nemulate = "{name}"\ntcp = 0\nserial_over_tcp = {framed}\n'
        for name in ("twinleaf", "eurotherm-3200") for framed in ("true", "false"))
    ports, _printed = await ports_of(text, tmp_path)
    assert [(name.endswith("true"), port.startswith("socket://")) for name, port in ports.items()] == [
        (True, True), (False, False)] * 2


async def test_a_place_that_is_taken_stops_the_whole_bay(tmp_path: Path) -> None:
    """Half a bay would be taken for a whole one."""
    (tmp_path / "a").write_text("mine")
    with pytest.raises(LinkTaken):
        await ports_of(OVEN + ONE, tmp_path)
    assert links(tmp_path) == ["a"]

"""`spingate hil` prints a table that the gateway takes as it is."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway.acquisition import check_drivers
from gateway.cli.hil import emulated, stand
from gateway.cli.main import parser
from gateway.config_tables import InstrumentTable
from gateway.maps import read_maps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["gmc", "modbus-map"])
async def test_the_table_of_one_instrument_is_a_configuration(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lane PLC has no driver of its own: without its register map nobody can read it."""
    link = tmp_path / "line"
    arguments = parser().parse_args(["hil", name, "--link", str(link), "--config"])
    with ThreadPoolExecutor(1) as worker:
        running = asyncio.create_task(stand(arguments, emulated(arguments, worker)))
        for _ in range(200):
            if (printed := capsys.readouterr().out) or running.done():
                break
            await asyncio.sleep(0.02)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    tables = msgspec.convert(tomllib.loads(printed)["instrument"], list[InstrumentTable])
    check_drivers(tables, read_maps(tables, tmp_path))
    assert [(one.driver, one.port) for one in tables] == [(name, str(link))]

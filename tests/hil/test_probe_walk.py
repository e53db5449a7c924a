"""`spingate probe` names every instrument that has an emulator, on a pty and over TCP, from the tables alone."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.address import parse_port
from drivers.probe_port import PortProbe
from drivers.table import DRIVERS
from gateway.acquisition import check_drivers
from gateway.cli.probe import everything
from gateway.config import parse
from gateway.maps import read_maps
from gateway.probe_words import blocks
from hil.emulated import Wish
from hil.stand import standing
from hil.table import EMULATED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from drivers.probe import Report

HEAD = '[gateway]\nid = "bay"\n\n'


@contextlib.asynccontextmanager
async def bay(folder: Path | None) -> AsyncIterator[dict[str, str]]:
    """Run every emulated instrument in its first scene, on a link in `folder` or on TCP; gives their ports."""
    with ThreadPoolExecutor(1) as worker:
        async with contextlib.AsyncExitStack() as running:
            ports = {}
            for row in EMULATED.values():
                wish = Wish(row.scenes[0], 1, time.monotonic_ns(), worker.submit, packets=folder is None)
                place = folder / row.name if folder else 0
                ports[row.name] = await running.enter_async_context(standing(row, wish, place, time.monotonic_ns))
            yield ports


async def probed(port: str) -> Report:
    """Search one port as the command does."""
    return await PortProbe(parse_port(port), everything(), [1], time.monotonic_ns, lambda _step: None).run()


@pytest.mark.parametrize("kind", ["pty", "tcp"])
async def test_every_emulated_instrument_is_named_and_its_block_is_a_configuration(kind: str, tmp_path: Path) -> None:
    """Driver, port and line settings are right, and what is printed is accepted as it stands."""
    async with bay(tmp_path if kind == "pty" else None) as ports:
        reports = dict(zip(ports, await asyncio.gather(*(probed(port) for port in ports.values())), strict=True))
    for name, report in reports.items():
        named = [(found.candidate.row.name, found.line) for found in report.found]
        assert named == [(name, DRIVERS[name].line)], report
        assert not report.trouble
        text = HEAD + "\n".join(blocks(report, set()))
        config = parse(text.encode(), "probe")
        check_drivers(config.instrument, read_maps(config.instrument, Path()))
        assert config.instrument[0].port == ports[name]


async def test_a_device_that_speaks_and_is_understood_is_sent_nothing(tmp_path: Path) -> None:
    """Listening comes first, and is enough for every one of them."""
    async with bay(tmp_path) as ports:
        speaking = [name for name in ports if DRIVERS[name].speaks and DRIVERS[name].silent_s_max < 60]
        reports = await asyncio.gather(*(probed(ports[name]) for name in speaking))
    assert {report.port: report.sent for report in reports} == {ports[name]: [] for name in speaking}

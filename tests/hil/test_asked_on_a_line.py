"""The instruments that are asked, on real ptys and through the gateway's own port: read, lost, found again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, cast

import pytest

from drivers.driver import DriverOptions
from drivers.port import parse_port, run_stream
from drivers.sample import Sample
from drivers.table import DRIVERS
from hil.table import EMULATED
from hil.wire import PtyEnd, Wire
from tests.drivers.conversation import faults, samples, wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from drivers.driver import StreamDriver
    from drivers.sample import Event

WAIT_S_MAX = 15.0


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the test fails where it takes too long."""
    end = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["csac", "mecom", "gmc", "bdbg-09"])
async def test_an_instrument_that_is_asked_is_read_on_a_line_and_again_after_it_was_unplugged(
    name: str, tmp_path: Path,
) -> None:
    """Samples on the slow line, a lost port that is said, and samples of the same device when the cable is back."""
    row, make = DRIVERS[name], EMULATED[name].make_bytes
    assert make is not None
    emulated = make(wish(EMULATED[name].scenes[0]))
    wire = Wire(emulated, PtyEnd(tmp_path / "line"), time.monotonic_ns, EMULATED[name].bytes_per_s)
    wire.replug()
    driver = cast("StreamDriver", row.make(DriverOptions(poll_s=0.2)))
    heard: list[Event] = []
    line = parse_port(str(tmp_path / "line"))
    tasks = [asyncio.ensure_future(wire.run()), asyncio.ensure_future(
        run_stream(line, row.line, driver, heard.append, time.monotonic_ns, lambda: None))]
    try:
        await until(lambda: len(samples(heard)) >= 2)
        assert set(faults(heard)) <= {"no answer"}  # emulator and port share one loop, which a busy machine holds up
        wire.unplug()
        await until(lambda: "port lost" in faults(heard))
        before = len(heard)
        wire.replug()
        await until(lambda: any(isinstance(event, Sample) for event in heard[before:]))
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    assert len({sample.device for sample in samples(heard)}) == 1

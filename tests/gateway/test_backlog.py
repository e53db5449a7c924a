"""An instrument that is asked as fast as it answers goes no faster than the disk; one with a rhythm keeps it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future

from drivers.address import TcpAddress
from drivers.map_text import read_map
from drivers.modbus_map import ModbusMap
from gateway.backlog import HeldBack
from gateway.block import Block
from gateway.pipeline import UNSYNCED_MAX, Lane
from hil.bench.peer import MAP
from hil.bench.stopwatch import Stopwatch
from hil.modbus_wire import TcpServer
from tests.modbus_bench import Heard, running, until

FIVE = read_map(MAP.format(registers=5))
SECOND = 1_000_000_000


def test_a_driver_that_never_pauses_asks_again_only_when_the_disk_has_caught_up() -> None:
    """The request that was held back is asked as it was, and once."""
    behind = False
    driver = HeldBack(ModbusMap(FIVE, 0.0), lambda: behind)
    first = driver.ask(0)
    assert first is not None
    assert driver.answer([0] * 5, 1)
    behind = True
    assert [driver.ask(now) for now in range(2, 10)] == [None] * 8
    assert driver.idle_s_max < 0.01
    behind = False
    assert driver.ask(10) == first
    assert len(driver.answer([0] * 5, 11)) == 1


def test_a_driver_with_a_rhythm_is_asked_on_its_beat_however_far_the_disk_is_behind() -> None:
    """A poll that is not made is lost; one that waits for the disk is not."""
    driver = HeldBack(ModbusMap(FIVE, 1.0), lambda: True)
    polls = 0
    for now in range(0, 10 * SECOND, SECOND // 10):
        if driver.ask(now) is not None:
            driver.answer([0] * 5, now)
            polls += 1
    assert polls == 10


def test_a_lane_is_behind_while_the_oldest_of_its_last_readings_is_not_on_disk() -> None:
    """Newer ones may wait: they go to the disk together."""
    lane = Lane("registers", Block(1.0), None, None)
    receipts: list[Future[int]] = [Future() for _ in range(UNSYNCED_MAX)]
    for receipt in receipts[:-1]:
        lane.receipts.append(receipt)
    assert not lane.behind
    lane.receipts.append(receipts[-1])
    assert lane.behind
    receipts[0].set_result(0)
    assert not lane.behind


async def test_a_device_asked_flat_out_is_left_alone_and_loses_nothing_while_the_disk_stalls() -> None:
    """Every answer that was asked for is delivered, and none is asked for that could not be kept."""
    server = TcpServer({1: Stopwatch()}, time.monotonic_ns)
    await server.start()
    heard, stalled = Heard(), asyncio.Event()
    driver = HeldBack(ModbusMap(read_map(MAP.format(registers=5).replace("address = 0", "address = 1")), 0.0),
                      stalled.is_set)
    async with running(TcpAddress("127.0.0.1", server.port), (1, driver, heard)):
        await until(lambda: len(heard.samples) > 50, 5.0)
        stalled.set()
        await asyncio.sleep(0.1)
        before = len(heard.samples)
        await asyncio.sleep(0.2)
        assert len(heard.samples) == before
        stalled.clear()
        await until(lambda: len(heard.samples) > before + 50, 5.0)
    await server.stop()
    assert [sample.first_row for sample in heard.samples] == list(range(len(heard.samples)))
    assert not heard.faults

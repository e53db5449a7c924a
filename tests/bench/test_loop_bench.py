"""The loop bench: what is the loop's own fault is told apart from a machine that gave it no core."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict

import numpy as np
import pytest

from hil.bench.lag import Turns, probe
from hil.bench.lag_figures import LoopFigures, lag_of, loop_lines
from hil.bench.loop import AHEAD, measure_loop


async def probed(hold: float) -> Turns:
    """Probe a loop for a tenth of a second in which something computes for so long."""
    turns = Turns()
    task = asyncio.create_task(probe(turns, lambda: True))
    await asyncio.sleep(0.03)
    began = time.thread_time()
    while time.thread_time() - began < hold:
        pass
    await asyncio.sleep(0.05)
    task.cancel()
    return turns


async def test_what_computes_in_the_loop_shows_as_its_own_work_and_as_delay() -> None:
    """20 ms of CPU in a callback: some turn was that late and used as much."""
    turns = await probed(0.02)
    assert max(turns.cpu_ms) >= 20.0
    assert max(turns.late_ms) >= 18.0
    assert max((await probed(0.0)).cpu_ms) < 20.0


def test_a_delay_is_split_into_own_work_a_missing_core_and_waiting() -> None:
    """Late by 10 ms: 2 of work, 5 without a core, so 3 of waiting, of which 1 another thread had no core."""
    turns = {name: np.array([value]) for name, value in
             (("late_ms", 10.0), ("cpu_ms", 2.0), ("no_core_ms", 5.0), ("others_ms", 1.0))}
    lag = lag_of(turns, np.array([True]))
    assert (lag.late.largest, lag.cpu.largest, lag.waited.largest, lag.held.largest) == (10.0, 2.0, 3.0, 2.0)
    assert (lag.late.above, lag.cpu.above) == (1, 0)
    assert lag_of(turns, np.array([False])).turns == 0


@pytest.mark.timeout(150)  # a gateway, a broker and a bay are started and stopped
def test_a_short_run_gives_every_figure_in_words_too() -> None:
    """An oven and a lane; how late a busy machine lets them be is nobody's promise here."""
    seats = [seat for seat in AHEAD if seat[0] in {"lane-1", "oven-1"}]
    found = measure_loop("embedded", 2.0, lambda _line: None, seats)
    assert isinstance(found, LoopFigures)
    assert found.otherwise.turns > 50 < found.control.turns
    assert json.loads(json.dumps(asdict(found)))["scans"] == 0
    words = "\n".join(loop_lines(found))
    for part in ("deciding", "otherwise", "idle process", "own work", "held"):
        assert part in words

"""How late an event loop wakes who asked for a millisecond, and what it was late for. Edge: reads the thread's clocks.

Rule: a machine that gave the thread no core is no fault of the loop, so that part is measured and kept apart.
"""

from __future__ import annotations

import asyncio
import threading
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ASLEEP_S = 1e-3
NS = 1e-6               # milliseconds in a nanosecond
# Half an hour of turns; four arrays of 8 bytes are 58 MB then, and whoever wants longer reads them earlier.
TURNS_MAX = 1_800_000
STAT_BYTES_MAX = 96


@dataclass(slots=True)
class Turns:
    """Of each turn of a probe, in ms: how late it was, the loop thread's own CPU, and how long it had no core.

    What is left of a delay is waiting for something else: Python's lock held by another thread, or a disk. `others_ms`
    is how long the process's other threads had no core in that turn: one of them may have held the lock meanwhile.
    """

    late_ms: array[float] = field(default_factory=lambda: array("d"))
    cpu_ms: array[float] = field(default_factory=lambda: array("d"))
    no_core_ms: array[float] = field(default_factory=lambda: array("d"))
    others_ms: array[float] = field(default_factory=lambda: array("d"))
    busy: array[int] = field(default_factory=lambda: array("b"))     # whether a scan was being decided


def idle() -> bool:
    """Tell that nothing is being decided, where nothing ever is."""
    return False


async def probe(turns: Turns, deciding: Callable[[], bool] = idle) -> None:
    """Sleep a millisecond again and again, until cancelled or full."""
    with Waits() as waits:
        cpu, waited, others = time.thread_time_ns(), waits.own_ns(), waits.all_ns()
        while len(turns.late_ms) < TURNS_MAX:
            due = time.monotonic_ns() + round(ASLEEP_S * 1e9)
            await asyncio.sleep(ASLEEP_S)
            late = time.monotonic_ns() - due
            before = cpu, waited, others
            cpu, waited, others = time.thread_time_ns(), waits.own_ns(), waits.all_ns()
            turns.late_ms.append(late * NS)
            turns.cpu_ms.append((cpu - before[0]) * NS)
            turns.no_core_ms.append((waited - before[1]) * NS)
            turns.others_ms.append(max(0, others - before[2] - (waited - before[1])) * NS)
            turns.busy.append(deciding())


class Waits:
    """How long threads were ready and had no core, in ns (proc(5): the second figure of schedstat)."""

    def __init__(self) -> None:
        self._own = threading.get_native_id()
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> Self:
        """Begin with the threads there are."""
        return self

    def __exit__(self, *_reason: object) -> None:
        """Let go of the files."""
        for file in self._files.values():
            file.close()

    def own_ns(self) -> int:
        """Return that of this thread."""
        return self._waited_ns(self._own)

    def all_ns(self) -> int:
        """Return the sum over all threads that Python knows; one that has ended keeps its last figure out of it."""
        return sum(self._waited_ns(one.native_id) for one in threading.enumerate() if one.native_id)

    def _waited_ns(self, thread: int) -> int:
        if thread not in self._files:
            path = Path(f"/proc/self/task/{thread}/schedstat")
            self._files[thread] = path.open("rb", buffering=0)
        file = self._files[thread]
        file.seek(0)
        return int(file.read(STAT_BYTES_MAX).split()[1])

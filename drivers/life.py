"""Give proof of life while something bounded is awaited. Edge: the event loop's tasks.

Rule: what is awaited is over before anybody goes on, whether it answered, failed or was cancelled.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Result = TypeVar("Result")

BEAT_S = 0.25   # twice as often as the shortest sign of life that is asked for


async def alive(work: Coroutine[object, object, Result], turn: Callable[[], None]) -> Result:
    """Await `work`, calling `turn` at its beginning and every `BEAT_S`; return or raise what it does.

    In a task of its own: pymodbus turns a cancellation into an error, and wait_for of Python 3.11 loses one
    that comes together with the answer; either way a port that is polled fast would not end.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            turn()
            await asyncio.wait({task}, timeout=BEAT_S)
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})   # it ends before a line is closed under it

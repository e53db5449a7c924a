"""The demo's own broker, run on a loop in a thread so that a test can drive a publisher against it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from hil.broker.server import Broker


class EmbeddedBroker:
    """Listens inside the `with`; `port` is where."""

    def __init__(self, broker: Broker) -> None:
        self.broker, self.port = broker, 0
        self.ready, self.loop = threading.Event(), asyncio.new_event_loop()
        self.end = asyncio.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.ready.wait(5)
        self.port = self.broker.port
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.end.set)
        self.thread.join(5)

    def _run(self) -> None:
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        async with self.broker:
            self.ready.set()
            await self.end.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

"""Emulated instruments on real ports, in a thread of their own, for tests of the whole gateway."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from drivers.sample import Identity
from hil.certificates import magnetometer_certificate, oven_certificate
from hil.emulated import Wish
from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.instruments.twinleaf_packets import Nameplate
from hil.stand import standing
from hil.table import EMULATED

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from calibration.certificate import Statement

Result = TypeVar("Result")

OVEN_SERIAL = "3216-EMULATED"
START_S_MAX = 20.0


class Bench:
    """Puts instruments on ports while the test runs. A context manager; switches everything off at the end."""

    def __enter__(self) -> Self:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="bench")
        self.thread.start()
        self.worker = ThreadPoolExecutor(1)
        self.stack = AsyncExitStack()
        return self

    def __exit__(self, *_reason: object) -> None:
        self.call(self.stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
        self.worker.shutdown()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the bench's loop and return what it gives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(START_S_MAX)

    def enter(self, context: AbstractAsyncContextManager[Result]) -> Result:
        """Enter something that lasts as long as the bench."""
        return self.call(self.stack.enter_async_context(context))

    def stand(self, name: str, place: Path | int = 0, scene: str = "") -> str:
        """Put an instrument of the table on a link or a TCP port, and return the port as a configuration says it."""
        wish = Wish(scene or EMULATED[name].scenes[0], 1, time.monotonic_ns(), self.worker.submit,
                    packets=isinstance(place, int), ahead=True)
        emulated = replace(EMULATED[name], make_bytes=quiet_magnetometer) if name == "twinleaf" else EMULATED[name]
        return self.enter(standing(emulated, wish, place, time.monotonic_ns))


def quiet_magnetometer(wish: Wish) -> TwinleafDevice:
    """Return a magnetometer in a steady field: cheap, and never an anomaly by itself."""
    return TwinleafDevice(steady_field(np.random.default_rng(wish.seed)), bare=wish.packets)


def magnetometer_statement(wall_s: float) -> Statement:
    """Return a certificate of the emulated magnetometer, issued at `wall_s`."""
    name = Nameplate()
    device = Identity(name.vendor, name.model, name.serial, name.firmware)
    return magnetometer_certificate(device, ("vector.x", "vector.y", "vector.z"), wall_s)


def oven_statement(wall_s: float, serial: str = OVEN_SERIAL) -> Statement:
    """Return a certificate of the emulated oven controller, issued at `wall_s`."""
    return oven_certificate(Identity("Eurotherm", "3200", serial, ""), "process_value", wall_s)

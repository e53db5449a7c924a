"""The emulated screening bay: head, lane magnetometer and cell oven, in a thread of their own. Edge.

The bay knows nothing of the gateway; it only gives the ports on which its instruments can be read.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from drivers.sample import Identity
from hil.certificates import head_certificate, magnetometer_certificate, oven_certificate
from hil.emulated import Wish
from hil.instruments.nqr_head import NqrHead, Plate, channel_gains
from hil.instruments.twinleaf import TwinleafDevice
from hil.instruments.twinleaf_packets import Nameplate
from hil.instruments.twinleaf_scenes import TROLLEY
from hil.scene.head import Belt
from hil.scene.lane import Lane, Pass, Sensor, vector_source
from hil.scene.scenario import scenario
from hil.stand import standing
from hil.table import EMULATED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from calibration.certificate import Statement

# What lies in the bay, scan after scan.
OBJECTS = tuple(scenario(name) for name in ("empty", "benign", "nitrate", "shielded"))
# By then the lane's detector has learnt its background, 300 readings of 50 ms; on a slow machine the next one is seen.
TROLLEYS_AT_S = (22.0, 44.0, 66.0)
OVEN_SERIAL = "3216-EMULATED"
START_S_MAX = 20.0


class Bay:
    """Three emulated instruments on their ports, from entry to exit. `ports` maps instrument to port."""

    def __init__(self, folder: Path, seed: int, clock: Callable[[], int]) -> None:
        """Prepare links in `folder`; `seed` fixes every sample that the instruments will deliver."""
        self.folder, self.seed, self.clock = folder, seed, clock
        self.ports: dict[str, str] = {}
        self._up = threading.Event()
        self._down = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="bay")

    def __enter__(self) -> Self:
        """Switch the instruments on."""
        self._thread.start()
        if not self._up.wait(START_S_MAX):
            raise TimeoutError("the emulated bay did not start")
        return self

    def __exit__(self, *_reason: object) -> None:
        """Switch them off."""
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            worker = stack.enter_context(ThreadPoolExecutor(1))
            wish = Wish("", self.seed, self.clock(), worker.submit, ahead=True)
            head = replace(EMULATED["nqr-head"], make_registers=self._head)
            lane = replace(EMULATED["twinleaf"], make_bytes=self._magnetometer)
            oven = EMULATED["eurotherm-3200"]
            for name, emulated, place in (("head", head, 0), ("lane", lane, self.folder / "lane"),
                                          ("oven", oven, self.folder / "oven")):
                self.ports[name] = await stack.enter_async_context(standing(emulated, wish, place, self.clock))
            self._up.set()
            await self._down.wait()

    def _head(self, wish: Wish) -> NqrHead:
        return NqrHead(Belt(OBJECTS, self.seed), wish.worker, self.seed, ahead=True)

    def _magnetometer(self, wish: Wish) -> TwinleafDevice:
        passes = tuple(Pass(TROLLEY, at_s, closest_m=0.8) for at_s in TROLLEYS_AT_S)
        lane = Lane(passes=passes, seed=wish.seed)
        return TwinleafDevice(vector_source(lane, Sensor()))

    def certificates(self, wall_s: float) -> dict[str, Statement]:
        """Return a certificate for each instrument, true to what its emulator does."""
        plate, name = Plate(), Nameplate()
        head = Identity(plate.make, plate.model, plate.serial, plate.firmware)
        lane = Identity(name.vendor, name.model, name.serial, name.firmware)
        oven = Identity("Eurotherm", "3200", OVEN_SERIAL, "")
        return {
            "head": head_certificate(head, channel_gains(self.seed), wall_s),
            "lane": magnetometer_certificate(lane, ("vector.x", "vector.y", "vector.z"), wall_s),
            "oven": oven_certificate(oven, "process_value", wall_s),
        }

"""Faults of single Modbus requests by chance: seeded, one throw for each request. Pure.

Rule: same seed, same requests, same faults.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hil.faults import REQUESTS
from hil.modbus_wire import Trouble
from hil.troubles import Schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.sample import Nanoseconds
    from hil.faults import LineFault

# On Modbus TCP, where bytes do not break, these act on whole answers.
WHOLE = ("silence", "delay")


class RequestTroubles:
    """What happens to the next request. `whole` takes silence and delay as faults of answers too (Modbus TCP)."""

    def __init__(self, faults: Sequence[LineFault], seed: int, begin: Nanoseconds, *, whole: bool) -> None:
        kinds = (*REQUESTS, *WHOLE) if whole else REQUESTS
        self._faults = [
            (fault, random.Random(f"{seed}/request/{place}"), Schedule(fault.when, f"{seed}/request/{place}", begin))
            for place, fault in enumerate(faults) if fault.kind in kinds]

    def next(self, now: Nanoseconds) -> Trouble | None:
        """Return the trouble of this request: the first of the faults whose chance comes true."""
        struck = [fault for fault, rng, schedule in self._faults
                  if rng.random() < fault.chance and schedule.open(now)]
        return _trouble(struck[0]) if struck else None


def _trouble(fault: LineFault) -> Trouble:
    if fault.kind == "exception":
        return Trouble("exception", code=fault.code)
    if fault.kind in {"late", "delay"}:
        return Trouble("delay", delay_s=fault.pause_s)
    return Trouble("short" if fault.kind == "short" else "silence")

"""What an emulated instrument is to those who run one: its scenes, how it is made, how fast its line is. Pure.

The row of each instrument stands in its own file under hil/instruments; hil/table.py lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.sample import Nanoseconds
    from hil.instruments.nqr_head import Worker
    from hil.registers import RegisterDevice
    from hil.wire import ByteDevice


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted of an emulated instrument; `now` is when it is switched on.

    `packets` is TCP without serial framing, `ahead` lets a scan end as soon as it is computed.
    """

    scene: str
    seed: int
    now: Nanoseconds
    worker: Worker
    packets: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Emulated:
    """One emulated instrument. `make_bytes` or `make_registers` builds it, whichever its line speaks.

    `map` is the shipped register map by which the generic driver reads it, empty for one with a driver of its own.
    """

    name: str
    title: str
    scenes: tuple[str, ...]
    make_bytes: Callable[[Wish], ByteDevice] | None = None
    make_registers: Callable[[Wish], RegisterDevice] | None = None
    baud: int = 115_200
    map: str = ""

    @property
    def bytes_per_s(self) -> float:
        """What its serial line carries: ten bits to a byte (8N1)."""
        return self.baud / 10

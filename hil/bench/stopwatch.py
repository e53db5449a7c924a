"""A register device that answers with the time: whoever sees its reading knows how old it is. No I/O.

It stands at the addresses of an oven controller, so that the oven controller's driver reads it like one.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hil.registers import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.sample import Nanoseconds

FIRST, COUNT = 1, 5          # the one block that the oven controller's driver reads
DECIMALS = 1                 # the driver's: a register of 1 is read as 0.1
MICROSECOND_NS = 1000


class Stopwatch:
    """Registers 1 to 5: microseconds of the monotonic clock when they were read, 16 bits in each but the third."""

    functions = frozenset({3, 4})

    def __init__(self) -> None:
        self.reads = 0

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return the time, most significant bits first."""
        if address < FIRST or address + count > FIRST + COUNT:
            return Refusal.ADDRESS
        self.reads += 1
        high, low = divmod(now // MICROSECOND_NS, 1 << 32)
        parts = [high >> 16, high & 0xFFFF, 0, low >> 16, low & 0xFFFF]
        return struct.pack(f">{count}H", *parts[address - FIRST : address - FIRST + count])

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Refuse: a stopwatch has nothing to set."""
        del address, values, now
        return Refusal.FUNCTION


def time_in(registers: Sequence[int]) -> Nanoseconds:
    """Return the time that the five registers tell."""
    high, middle, _, low, lowest = registers
    return (high << 48 | middle << 32 | low << 16 | lowest) * MICROSECOND_NS


def time_of_channels(values: Sequence[float]) -> Nanoseconds:
    """Return the time that the four channels of the driver's sample tell: signed, in tenths."""
    high, middle, low, lowest = (round(value * 10**DECIMALS) & 0xFFFF for value in values)
    return time_in((high, middle, 0, low, lowest))

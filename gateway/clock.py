"""Read the clocks. The only file of the gateway that does; everything else is told the time.

Wall time labels records and never orders them: sequence and boot id do.
"""

from __future__ import annotations

import ctypes
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_ERROR = 5          # ntp_adjtime(3): the clock is not synchronised
NANOSECONDS_PER_MICROSECOND = 1000

ClockState = Literal["synchronised", "unsynchronised", "unknown", "holdover"]


@dataclass(frozen=True, slots=True)
class Now:
    """One look at the clocks. `error_ns` is the kernel's estimated error, None where it knows none."""

    monotonic_ns: int
    wall_ns: int
    state: ClockState
    error_ns: int | None


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read here; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


LIBC = ctypes.CDLL(None, use_errno=True)


def boot_id() -> bytes:
    """Return the 16 bytes with which the kernel names this boot."""
    return uuid.UUID(BOOT_ID.read_text().strip()).bytes


def monotonic_ns() -> int:
    """Return CLOCK_MONOTONIC: it never steps, and all processes of one boot share it."""
    return time.monotonic_ns()


def now() -> Now:
    """Look at both clocks, and ask the kernel how far the wall clock may be trusted.

    The kernel counts a clock as unsynchronised when nobody disciplined it for long enough (adjtimex(2)).
    Reading it needs no privilege; where a sandbox refuses the call the state is "unknown".
    """
    timex = Timex()
    answer = LIBC.ntp_adjtime(ctypes.byref(timex))
    monotonic, wall = time.monotonic_ns(), time.time_ns()
    if answer < 0:
        return Now(monotonic, wall, "unknown", None)
    if answer == TIME_ERROR:
        return Now(monotonic, wall, "unsynchronised", None)
    return Now(monotonic, wall, "synchronised", timex.esterror * NANOSECONDS_PER_MICROSECOND)


def wall_ns() -> int:
    """Return nanoseconds since 1970, for a label and never for order."""
    return time.time_ns()

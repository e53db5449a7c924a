"""Set the sample rate of a Twinleaf device: read it, write it where it differs, believe the answer. Pure.

Rule: a device that already has the rate is left alone, for every write begins a new segment.

Source: the call `data.rate` (f32, Hz) of twinleaf/twinleaf-rust; firmware of the first generation has it since 2019,
older one only decimations of each source, which are not touched here.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from drivers.sample import Event, Fault
from drivers.tio_payload import Refusal, Request

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

READ_CALL = 7858
WRITE_CALL = 7859
CALL = "data.rate"

RETRY_NS = 3_000_000_000    # the vendor's host waits as long for an answer; a repeated write is a new segment again

NEAR = 1e-3                 # a device takes the nearest fraction of its own clock; a thousandth is no other rate


class RateWish:
    """The rate wanted of one device, 0 for none. Fault kinds: "rate refused", "rate differs"."""

    def __init__(self, wanted_hz: float) -> None:
        self._wanted_hz = wanted_hz
        self.begin()

    def begin(self) -> None:
        """Begin anew: the line was opened, or the device booted with a rate of its own."""
        self._call: int | None = READ_CALL if self._wanted_hz else None
        self._due: Nanoseconds = 0

    def calls(self, now: Nanoseconds) -> list[Request]:
        """Return the call that is due."""
        if self._call is None or now < self._due:
            return []
        self._due = now + RETRY_NS
        return [Request(self._call, CALL, struct.pack("<f", self._wanted_hz) if self._call == WRITE_CALL else b"")]

    def reply(self, number: int, value: bytes, now: Nanoseconds) -> list[Event]:
        """Take the answer to one of the calls."""
        if number != self._call:
            return []   # of a call made before the device booted
        (rate_hz,) = struct.unpack("<f", value) if len(value) == 4 else (math.nan,)
        near = math.isclose(rate_hz, self._wanted_hz, rel_tol=NEAR)
        if number == READ_CALL and not near:
            self._call, self._due = WRITE_CALL, now
            return []
        self._call = None
        if near or not value:
            return []   # an empty answer says only that it was done
        words = f"{CALL}: {self._wanted_hz:g} Hz wanted, the device took {rate_hz:g}"
        return [Fault("rate differs", words, now)]

    def refused(self, refusal: Refusal, now: Nanoseconds) -> list[Event]:
        """Take a refusal of one of the calls: it is not asked again before the next opening or boot."""
        if refusal.number != self._call:
            return []
        self._call = None
        words = f"{CALL} = {self._wanted_hz:g} Hz: {refusal.meaning} {refusal.text}".rstrip()
        return [Fault("rate refused", words, now)]

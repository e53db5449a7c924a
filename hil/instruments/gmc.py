"""An emulated GQ GMC Geiger counter, with 32-bit or 16-bit counts. No I/O; bytes in, bytes out.

Rule: written from GQ-RFC1801 and GQ-RFC1201, with nothing of the driver's: replies have no end, unknown words none.

Revision 0.00 and the serial number "EMULATE" (45 4d 55 4c 41 54 45) say that it is emulated. Count rates are
assumptions; counts are Poisson, the counts per minute are those of the last sixty seconds.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from hil.emulated import Emulated

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from hil.emulated import Wish

SERIAL = b"EMULATE"
NS = 1_000_000_000

MINUTE_S = 60
CATCH_UP_S_MAX = 3600       # a counter nobody asked for an hour has forgotten it anyway

COMMAND = re.compile(rb"<([A-Z]+[01]?)>>")
HELD_BYTES_MAX = 64

# Scene -> (version, bits of a count, counts per second, heartbeat on). 0.5/s is a natural background in such a tube.
SCENES = {
    "background": (b"GMC-500+Re 0.00", 32, 0.5, False),
    "source": (b"GMC-500+Re 0.00", 32, 400.0, False),
    "heartbeat": (b"GMC-500+Re 0.00", 32, 0.5, True),
    "gmc-320": (b"GMC-320Re 0.00", 16, 0.5, False),
}


class GeigerCounter:
    """One counter that has been on for a minute at `start`."""

    def __init__(self, start: Nanoseconds, seed: int = 1, scene: str = "background") -> None:
        self._version, self._bits, self._per_s, self._heartbeat = SCENES[scene]
        self._chance = np.random.default_rng(seed)
        self._counts = deque((int(n) for n in self._chance.poisson(self._per_s, MINUTE_S)), maxlen=MINUTE_S)
        self._second = start // NS
        self._held = b""

    def opened(self, now: Nanoseconds) -> bytes:
        """Do nothing: a serial line has no connection."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Take the host's bytes and return the answers; what is no command is passed over."""
        said = self.poll(now)
        self._held += chunk
        answers = b""
        while (found := COMMAND.search(self._held)) is not None:
            self._held = self._held[found.end():]
            answers += self._run(found[1])
        self._held = self._held[-HELD_BYTES_MAX:]
        return said + answers

    def poll(self, now: Nanoseconds) -> bytes:
        """Count the seconds that have passed; return the heartbeat of each, where it is on."""
        passed = min(now // NS - self._second, CATCH_UP_S_MAX)
        self._second = now // NS
        said = b""
        for _ in range(passed):
            self._counts.append(int(self._chance.poisson(self._per_s)))
            said += self._word(self._counts[-1]) if self._heartbeat else b""
        return said

    def _run(self, command: bytes) -> bytes:
        if command in {b"HEARTBEAT0", b"HEARTBEAT1"}:
            self._heartbeat = command.endswith(b"1")
            return b""
        answers = {
            b"GETVER": self._version, b"GETSERIAL": SERIAL, b"GETCPM": self._word(sum(self._counts)),
            b"GETCPS": self._word(self._counts[-1]),
        }
        return answers.get(command, b"")

    def _word(self, count: int) -> bytes:
        return min(count, (1 << self._bits) - 1).to_bytes(self._bits // 8, "big")


def _make(wish: Wish) -> GeigerCounter:
    return GeigerCounter(wish.now, wish.seed, wish.scene)


ROW = Emulated("gmc", "Geiger counter", tuple(SCENES), make_bytes=_make)

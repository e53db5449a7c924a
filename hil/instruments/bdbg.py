"""An emulated Ecotest BDBG-09 gamma head on its RS-485 line. No I/O; bytes in, bytes out.

Rule: written from the manual's page, with nothing of the driver's; it answers within 5 to 15 ms and never at once.

Source: Ecotest BDBG-09 operating manual, page 29. The protocol has no identity, so it cannot say that it is emulated.
Dose rates and how the statistical error shrinks are assumptions.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.emulated import Emulated

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from hil.emulated import Wish

ADDRESS = 1
BROADCAST = 0xF
NS = 1_000_000_000
MS = 1_000_000

REPLY_MS_MIN, REPLY_MS_MAX = 5, 15
# Half a query is forgotten after this; the manual has 1 ms between bytes, a pty and a turn of the wire make it longer.
GRACE_NS = 20 * MS

COARSE_FROM_CENTI = 10_000_000  # an assumption: from 0.1 Sv/h the head counts in 0.1 uSv/h

# An assumed sensitivity: so many pulses a second for each uSv/h; 100 seconds are averaged.
PULSES_PER_USV_H, AVERAGED_S_MAX = 20.0, 100.0
ERROR_PERCENT_MAX = 99


@dataclass(frozen=True, slots=True)
class Scene:
    """What the head sees, and what of it is broken."""

    usv_h: float
    flags: int = 0
    echo: bool = False      # the adapter gives back what the host sends


SCENES = {
    "background": Scene(0.12),
    "source": Scene(35.0),
    "strong": Scene(2.5e5),
    "detector-failure": Scene(0.12, flags=0b101),
    "echo": Scene(0.12, echo=True),
}


class GammaHead:
    """One head at `address`, switched on at `start`."""

    def __init__(
        self, start: Nanoseconds, seed: int = 1, scene: str = "background", address: int = ADDRESS,
    ) -> None:
        self._start = start
        self._scene = SCENES[scene]
        self._address = address
        self._chance = random.Random(seed)
        self._held = b""
        self._heard = start
        self._answers: list[tuple[Nanoseconds, bytes]] = []

    def opened(self, now: Nanoseconds) -> bytes:
        """Do nothing: a bus has no connection."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Take the host's bytes; the answer comes with `poll`, some milliseconds later."""
        if now - self._heard > GRACE_NS:
            self._held = b""
        self._heard = now
        self._held += chunk
        while len(self._held) >= 4:
            if self._held[:2] != b"\x55\xaa":
                self._held = self._held[1:]
                continue
            self._hear(self._held[:4], now)
            self._held = self._held[4:]
        return chunk if self._scene.echo else b""

    def poll(self, now: Nanoseconds) -> bytes:
        """Return the answer whose time has come."""
        ready = b"".join(text for due, text in self._answers if due <= now)
        self._answers = [(due, text) for due, text in self._answers if due > now]
        return ready

    def _hear(self, query: bytes, now: Nanoseconds) -> None:
        if query[2] not in {self._address, BROADCAST} or _sum(query[:3]) != query[3] % 255:
            return
        delay_ns = round(self._chance.uniform(REPLY_MS_MIN, REPLY_MS_MAX) * MS)
        self._answers.append((now + delay_ns, self._reply(now)))

    def _reply(self, now: Nanoseconds) -> bytes:
        averaged_s = min(max((now - self._start) / NS, 1.0), AVERAGED_S_MAX)
        relative = 1.0 / math.sqrt(self._scene.usv_h * PULSES_PER_USV_H * averaged_s)
        centi = max(0, round(self._scene.usv_h * 100 * self._chance.gauss(1.0, relative)))
        flags = self._scene.flags
        if centi >= COARSE_FROM_CENTI:
            centi, flags = centi // 10, flags | 0x80
        error = min(math.ceil(200 * relative), ERROR_PERCENT_MAX)   # two standard deviations, an assumption
        text = bytes((0x55, 0xAA, 0x10 | self._address)) + centi.to_bytes(4, "little") + bytes((error, flags))
        return text + bytes((_sum(text),))


def _sum(text: bytes) -> int:
    """Add with end-around carry, byte by byte; 255 counts as 0."""
    total = 0
    for byte in text:
        total += byte
        total = (total & 0xFF) + (total >> 8)
    return 0 if total == 0xFF else total


def _make(wish: Wish) -> GammaHead:
    return GammaHead(wish.now, wish.seed, wish.scene)


ROW = Emulated("bdbg-09", "gamma detection head", tuple(SCENES), make_bytes=_make, baud=19_200)

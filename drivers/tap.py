"""Listen to what passes between a port and its driver, for a recording. Pure.

Rule: a tap changes nothing: the driver is asked and told exactly what it would be without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.capture import Chunk
from drivers.driver import WantsQuiet
from drivers.pdu import answer_pdu, refusal_pdu, request_pdu

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.driver import RegisterDriver, Request, StreamDriver
    from drivers.sample import Event, Nanoseconds


class StreamTap:
    """A stream driver that tells `keep` of every chunk, both ways; times are those the port gives."""

    def __init__(self, driver: StreamDriver, keep: Callable[[Chunk], None]) -> None:
        self._driver = driver
        self._keep = keep

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)  # what a port may also ask of this driver

    def opened(self, now: Nanoseconds) -> None:
        """Pass on."""
        self._driver.opened(now)

    def ask(self, now: Nanoseconds) -> bytes:
        """Pass on, and keep what is sent."""
        asked = self._driver.ask(now)
        if asked:
            self._keep(Chunk(now, False, asked))
        return asked

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Keep what came, and pass on."""
        if chunk:
            self._keep(Chunk(now, True, chunk))
        return self._driver.feed(chunk, now)


class RegisterTap:
    """A register driver that tells `keep` of every exchange, as unit id and PDU.

    A request without a usable answer leaves a question without an answer, as it was.
    """

    def __init__(self, driver: RegisterDriver, unit: int, keep: Callable[[Chunk], None]) -> None:
        self._driver = driver
        self._unit = bytes((unit,))
        self._keep = keep
        self._asked: Request | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._driver, name)  # what a port may also ask of this driver

    @property
    def quiet_s(self) -> float:
        """As the driver says; 0 where it wants none. From Python 3.12 on a protocol does not ask `__getattr__`."""
        return self._driver.quiet_s if isinstance(self._driver, WantsQuiet) else 0.0

    @property
    def idle_s_max(self) -> float:
        """As the driver says."""
        return self._driver.idle_s_max

    @idle_s_max.setter
    def idle_s_max(self, idle_s: float) -> None:
        self._driver.idle_s_max = idle_s

    def ask(self, now: Nanoseconds) -> Request | None:
        """Pass on, and keep the request."""
        self._asked = self._driver.ask(now)
        if self._asked is not None:
            self._keep(Chunk(now, False, self._unit + request_pdu(self._asked)))
        return self._asked

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Keep the answer, and pass on."""
        if self._asked is not None:
            self._keep(Chunk(now, True, self._unit + answer_pdu(self._asked, registers)))
        return self._driver.answer(registers, now)

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Keep a device's refusal, and pass on."""
        refusal = refusal_pdu(self._asked, why) if self._asked is not None else b""
        if refusal:
            self._keep(Chunk(now, True, self._unit + refusal))
        return self._driver.refuse(why, now)

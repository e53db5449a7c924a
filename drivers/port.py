"""Keep one byte stream open, a serial line or a TCP connection, and carry bytes between it and a driver.

Rule: nothing a device does or leaves undone holds up the loop, and every loss is said and mended.

An edge file: how long to wait is in `backoff`, what a line is in `line`, what bytes mean in the driver.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from drivers.address import PortAddress, PortTextRefused, parse_port
from drivers.backoff import reconnect_delay_s
from drivers.fold import FaultFold
from drivers.life import alive
from drivers.line import LINE_ERRORS, Line, refusal
from drivers.sample import Event, Fault
from drivers.telnet_line import TelnetLine, open_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import LineSettings, StreamDriver
    from drivers.sample import Nanoseconds


__all__ = ["PortAddress", "PortTextRefused", "parse_port", "run_stream"]

TURN_S = 0.025              # a heartbeat every 100 ms must not be late by more than a part of it


# What a device that does not read may leave unsent: 0.36 s at 115200 baud. More would be stale.
UNSENT_BYTES_MAX = 4096

OPEN_S_MAX = 0.8            # a connection on one site takes milliseconds; see backoff.CEILING_S

# No sample for so long, and the device is silent and its line opened anew; an instrument may allow itself longer.
SILENT_S = 5.0


class FellSilent(OSError):
    """No sample came for too long; the line is opened anew, for a TCP peer may be gone without a word."""


async def run_stream(  # noqa: PLR0913, PLR0917  # where, how, who, out, time, proof of life: the doors of an edge
    address: PortAddress,
    line: LineSettings,
    driver: StreamDriver,
    deliver: Callable[[Event], None],
    now: Callable[[], Nanoseconds],
    beat: Callable[[], None],
    silent_s: float = SILENT_S,
) -> None:
    """Run until cancelled: open, read, feed, deliver, write what the driver asks, open again after a loss.

    Without a sample for `silent_s` the line is opened anew. `beat` is called at least every 0.25 s, whether the
    device is there or not. Faults of one kind are folded to one a second. Fault kinds: "port missing",
    "port busy", "port refused", "port lost", "port back", "silent", "speaks again", "write dropped", and the driver's.
    """
    port = _Port(address, driver, deliver, now, beat, silent_s)
    while True:
        try:
            await port.open(line)
            await port.carry()
        except LINE_ERRORS as wrong:
            port.lose(wrong)
        finally:
            port.close()
        await port.wait()


class _Port:
    """One port over its openings and losses."""

    def __init__(  # noqa: PLR0913, PLR0917  # the doors of `run_stream`
        self,
        address: PortAddress,
        driver: StreamDriver,
        deliver: Callable[[Event], None],
        now: Callable[[], Nanoseconds],
        beat: Callable[[], None],
        silent_s: float,
    ) -> None:
        self._address = address
        self._silent_s = silent_s
        self._driver = driver
        self._deliver = deliver
        self._now = now
        self._beat = beat
        self._fold = FaultFold()
        self._line: Line | TelnetLine | None = None
        self._unsent = b""
        self._dropping = False
        self._failures = 0              # losses and refusals since bytes last came
        self._trouble = ""              # the kind of fault last said of the port; empty while it is open
        self._silent = False
        self._heard_bytes = 0           # since the last sample
        self._sample_at: Nanoseconds = 0

    async def open(self, settings: LineSettings) -> None:
        """Open the line and tell the driver; raises one of LINE_ERRORS."""
        self._line = await alive(asyncio.wait_for(open_port(self._address, settings), OPEN_S_MAX), self._turn)
        if self._trouble:
            self._say("port back", f"{self._address} is open again")
        self._trouble, self._unsent, self._dropping = "", b"", False
        self._sample_at, self._heard_bytes = self._now(), 0
        self._driver.opened(self._sample_at)

    async def carry(self) -> NoReturn:
        """Carry bytes both ways until the line is lost; raises one of LINE_ERRORS."""
        line = self._line
        if line is None:
            raise RuntimeError("carry before open")
        while True:
            self._turn()
            line.follow()
            self._send(line, self._driver.ask(self._now()))
            self._receive(line.read() if await line.readable(TURN_S) else b"")
            self._listen()

    def lose(self, wrong: Exception) -> None:
        """Say what is wrong, once for each kind until the port is open again."""
        self._failures += 1
        if isinstance(wrong, FellSilent):
            return
        kind, hint = refusal(wrong) if self._line is None else ("port lost", "")
        self._silent = False
        if kind != self._trouble:
            self._trouble = kind
            words = str(wrong) or "no answer"
            self._say(kind, f"{self._address}: {words}{'; ' if hint else ''}{hint}")

    def close(self) -> None:
        """Close the line, if it is open; after a hang-up that may fail, and there is nothing left to save."""
        line, self._line = self._line, None
        if line is None:
            return
        try:
            line.close()
        except LINE_ERRORS as wrong:
            self._say("port lost", f"{self._address}: on closing: {wrong}")

    async def wait(self) -> None:
        """Wait as long as `backoff` says, alive."""
        await alive(asyncio.sleep(reconnect_delay_s(self._failures - 1)), self._turn)

    def _turn(self) -> None:
        self._beat()
        for event in self._fold.due(self._now()):
            self._deliver(event)

    def _send(self, line: Line | TelnetLine, asked: bytes) -> None:
        if len(self._unsent) + len(asked) <= UNSENT_BYTES_MAX:
            self._unsent += asked
        elif not self._dropping:
            self._dropping = True
            self._say("write dropped", f"{self._address}: {len(self._unsent)} bytes unsent, it does not read")
        if self._unsent:
            self._unsent = self._unsent[line.write(self._unsent):]
            self._dropping = self._dropping and bool(self._unsent)

    def _receive(self, chunk: bytes) -> None:
        at = self._now()
        if chunk:
            self._failures = 0
        self._heard_bytes += len(chunk)
        events = self._driver.feed(chunk, at)
        if any(not isinstance(event, Fault) for event in events):
            self._sample_at, self._heard_bytes = at, 0
            if self._silent:
                self._silent = False
                self._say("speaks again", f"{self._address}: a sample came")
        self._pass(events)

    def _listen(self) -> None:
        if self._now() - self._sample_at < self._silent_s * 1e9:
            return
        if not self._silent:
            self._silent = True
            self._say("silent", f"{self._address}: {self._heard_bytes} bytes in {self._silent_s:g} s, no sample")
        raise FellSilent

    def _say(self, kind: str, detail: str) -> None:
        self._pass([Fault(kind, detail, self._now())])

    def _pass(self, events: list[Event]) -> None:
        for event in self._fold.take(events, self._now()):
            self._deliver(event)

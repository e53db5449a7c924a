"""Let the Modbus client speak over our own lines: a serial port, or one behind a serial server. Edge: asyncio.

Rule: bytes pass as they are, and a lost line ends the transport once, with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol, TypeAlias

from drivers.line import LINE_ERRORS, HungUp
from drivers.telnet_line import TelnetLine, open_port

if TYPE_CHECKING:
    from drivers.address import PortAddress
    from drivers.driver import LineSettings
    from drivers.line import Line

    AnyLine: TypeAlias = Line | TelnetLine

# A request of 256 bytes that a line does not take at once is tried again after this long, in all so often: 0.5 s,
# what a frame takes at 9600 baud and twice that.
AGAIN_S = 0.005
TRIES_MAX = 100


class Client(Protocol):
    """What asyncio's protocols have, and the client's own class without being one of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        ...

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of the loss."""
        ...


async def serial_transport(
    address: PortAddress, settings: LineSettings, protocol: Client, opened: AnyLine | None = None
) -> tuple[LineTransport, Client]:
    """Open a line, or take one that is open, and carry its bytes to and from `protocol`; raises one of LINE_ERRORS."""
    transport = LineTransport(opened or await open_port(address, settings), protocol)
    return transport, protocol


class LineTransport(asyncio.Transport):
    """What the client takes for its connection."""

    def __init__(self, line: AnyLine, protocol: Client) -> None:
        """Watch an opened line from now on, and say that it is connected."""
        super().__init__()
        self._line: AnyLine | None = line
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._loop.add_reader(line.descriptor, self._readable)
        protocol.connection_made(self)

    def follow(self) -> None:
        """Raise `HungUp` where the line's path leads to another device by now."""
        if self._line is not None:
            self._line.follow()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, at once where the line takes it."""
        waiting = bool(self._unsent)
        self._unsent += bytes(data)
        if not waiting:
            self._send(TRIES_MAX)

    def close(self) -> None:
        """Close without waiting; what was not sent is lost."""
        line, self._line, self._unsent = self._line, None, b""
        if line is not None:
            self._loop.remove_reader(line.descriptor)
            line.close()

    def abort(self) -> None:
        """Close."""
        self.close()

    def is_closing(self) -> bool:
        """Tell whether it is closed."""
        return self._line is None

    def _send(self, tries: int) -> None:
        if self._line is None:
            return
        try:
            self._unsent = self._unsent[self._line.write(self._unsent):]
        except LINE_ERRORS as wrong:
            self._lose(wrong)
            return
        if self._unsent and tries:
            self._loop.call_later(AGAIN_S, self._send, tries - 1)
        elif self._unsent:
            self._lose(HungUp("the other side does not read"))

    def _readable(self) -> None:
        if self._line is None:
            return
        try:
            chunk = self._line.read()
        except LINE_ERRORS as wrong:
            self._lose(wrong)
            return
        if chunk:
            self._protocol.data_received(chunk)

    def _lose(self, wrong: Exception) -> None:
        """End once; the client learns why."""
        if self._line is not None:
            with contextlib.suppress(*LINE_ERRORS):     # it is lost already
                self.close()
            self._protocol.connection_lost(wrong)

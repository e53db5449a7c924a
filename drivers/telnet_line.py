"""A line behind an RFC 2217 serial server: telnet on the way, the line's own bytes on both ends.

Rule: it is opened only when the server has confirmed the line settings, and it never waits while it is open.
Edge: the event loop's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from drivers.address import PortAddress, ServerAddress
from drivers.line import HungUp, Line, LineRefused, open_line
from drivers.rfc2217 import Rfc2217

if TYPE_CHECKING:
    from drivers.driver import LineSettings

# The server must have set the line within this time of the connection: two round trips and its own opening of the
# port. Below port.OPEN_S_MAX, so that what is wrong can still be said.
NEGOTIATE_S_MAX = 0.7

# Escaped, one write of a port is at most twice 4096; a server that takes nothing for longer is gone.
UNSENT_BYTES_MAX = 16_384


async def open_port(address: PortAddress, settings: LineSettings) -> Line | TelnetLine:
    """Return the opened line of any address, set as asked; raises one of LINE_ERRORS."""
    line = await open_line(address, settings)
    if not isinstance(address, ServerAddress) or address.protocol == "socket":
        return line
    telnet = TelnetLine(line, settings)
    with contextlib.ExitStack() as undo:    # also when cancelled: most servers have one connection to give
        undo.callback(telnet.close)
        await telnet.negotiate()
        undo.pop_all()
    return telnet


class TelnetLine:
    """An open line like `Line`, with the same calls and errors."""

    def __init__(self, line: Line, settings: LineSettings) -> None:
        self._line = line
        self._telnet = Rfc2217(settings)
        self._unsent = self._telnet.opening()

    @property
    def descriptor(self) -> int:
        """What the event loop watches."""
        return self._line.descriptor

    async def negotiate(self) -> None:
        """Wait until the line is set as asked; raises `LineRefused` where the server will not."""
        seen = b""
        loop = asyncio.get_running_loop()
        until = loop.time() + NEGOTIATE_S_MAX
        while not self._telnet.ready:
            if self._telnet.refused:
                raise LineRefused(f"the serial server refuses: {self._telnet.refused}")
            try:
                self._flush()
                if not await self._line.readable(until - loop.time()):
                    raise LineRefused(f"no word of telnet (RFC 2217) that sets the line within {NEGOTIATE_S_MAX} s")
                chunk = self._line.read()
                seen = (seen + chunk)[-UNSENT_BYTES_MAX:]
                self._take(chunk)
            except (HungUp, ConnectionError) as end:
                raise LineRefused(_turned_away(seen), "port busy") from end

    async def readable(self, wait_s: float) -> bool:
        """Return whether bytes (or the end) wait to be read, at the latest after `wait_s`."""
        self._flush()
        return await self._line.readable(wait_s)

    def read(self) -> bytes:
        """Return the line's bytes that are there, empty if none are; raises `HungUp` at the end."""
        return self._take(self._line.read())

    def write(self, data: bytes) -> int:
        """Return how many of the bytes were taken, 0 while the server takes none."""
        self._flush()
        if self._unsent or self._telnet.suspended:
            return 0
        self._unsent = self._telnet.escape(data)
        self._flush()
        return len(data)

    def follow(self) -> None:
        """Do nothing: a connection stays with its peer."""

    async def retune(self, settings: LineSettings) -> None:
        """Set the line anew and wait for the server's word; raises one of LINE_ERRORS."""
        self._unsent += self._telnet.retune(settings)
        await self.negotiate()

    def close(self) -> None:
        """Close without waiting for unsent bytes."""
        self._line.close()

    def _take(self, chunk: bytes) -> bytes:
        data = self._telnet.feed(chunk)
        self._unsent += self._telnet.replies()
        if len(self._unsent) > UNSENT_BYTES_MAX:
            raise HungUp("the serial server takes nothing")
        self._flush()
        return data

    def _flush(self) -> None:
        if self._unsent:
            self._unsent = self._unsent[self._line.write(self._unsent):]


def _turned_away(seen: bytes) -> str:
    """Return what a server's hanging up means; many say why in plain text."""
    words = "".join(chr(byte) for byte in seen if 32 <= byte < 127).strip()
    said = f" and said {words[:80]!r}" if words else ""
    return f"the serial server hung up{said}: another program may hold the port, or it does not speak telnet"

"""The line of a search: opened once, set anew for each attempt, lent to the Modbus client. Edge: lines.

Rule: a serial port is kept from the first attempt to the last, so that no other program comes between and no adapter
resets its device twice. Over TCP another protocol begins with another connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias, cast

from drivers.address import SerialAddress, ServerAddress, TcpAddress, is_serial
from drivers.driver import WantsQuiet
from drivers.modbus_link import Link, gap_seconds
from drivers.telnet_line import TelnetLine, open_port

if TYPE_CHECKING:
    from drivers.address import PortAddress
    from drivers.driver import LineSettings, RegisterDriver
    from drivers.line import Line

    AnyLine: TypeAlias = Line | TelnetLine

OPEN_S_MAX = 1.5

# Many a TCP device has one connection to give, and takes a moment to see that the last one is over.
BETWEEN_S = 0.2


class ProbeLine:
    """One port's line. Its calls raise one of LINE_ERRORS."""

    def __init__(self, address: PortAddress) -> None:
        """Take note; nothing is opened yet."""
        self._address = address
        self._line: AnyLine | None = None
        self.packets = isinstance(address, TcpAddress)

    @property
    def settable(self) -> bool:
        """Tell whether its bit rate and parity can be set from here."""
        address = self._address
        return isinstance(address, SerialAddress) or (
            isinstance(address, ServerAddress) and address.protocol == "rfc2217")

    def gap_s(self, settings: LineSettings, driver: RegisterDriver) -> float:
        """Return the silence that a Modbus device at this line needs before a request, as the port keeps it."""
        wish_s = driver.quiet_s if is_serial(self._address) and isinstance(driver, WantsQuiet) else 0.0
        return max(gap_seconds(self._address, settings), wish_s)

    async def opened(self, settings: LineSettings) -> AnyLine:
        """Return the line at these settings: the one that is open, or where that is impossible a new one."""
        if self._line is not None and self.packets:
            self.close()       # over TCP another protocol begins with another connection
        if self._line is None:
            await asyncio.sleep(BETWEEN_S if self.packets else 0)
            self._line = await asyncio.wait_for(open_port(self._address, settings), OPEN_S_MAX)
        elif self.settable:
            await self._line.retune(settings)
        return self._line

    async def linked(self, settings: LineSettings) -> Link:
        """Return an opened Modbus link over the line; closing it leaves a serial line open."""
        held = None if self.packets else _Kept(await self.opened(settings))
        if self.packets:
            self.close()
            await asyncio.sleep(BETWEEN_S)
        link = Link(self._address, settings, _no_turn, cast("AnyLine | None", held))
        await asyncio.wait_for(link.open(), OPEN_S_MAX)
        return link

    def close(self) -> None:
        """Let go of the port."""
        line, self._line = self._line, None
        if line is not None:
            line.close()


def _no_turn() -> None:
    """Do nothing: nobody watches a search."""


class _Kept:
    """An open line that stays open when its user closes it."""

    def __init__(self, line: AnyLine) -> None:
        self._line = line
        self.descriptor, self.read, self.write = line.descriptor, line.read, line.write
        self.readable, self.follow, self.retune = line.readable, line.follow, line.retune

    def close(self) -> None:
        """Keep it."""

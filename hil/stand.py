"""Put one emulated instrument on a pty or a TCP port and run it. Edge: sockets, ptys, one worker thread.

A serial line carries as many bytes a second as its baud rate allows; TCP carries what it can.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hil.modbus_wire import PtyServer, TcpServer
from hil.wire import PtyEnd, TcpEnd, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.sample import Nanoseconds
    from hil.emulated import Emulated, Wish

UNIT = 1  # the Modbus unit id of every emulated device


@asynccontextmanager
async def standing(
    emulated: Emulated, wish: Wish, place: Path | int, clock: Callable[[], Nanoseconds]
) -> AsyncIterator[str]:
    """Run an instrument on a link (a path) or on a TCP port of loopback (0: a free one).

    Gives the port as the configuration writes it; the instrument is switched off on the way out.
    """
    if emulated.make_bytes is not None:
        end = PtyEnd(place) if isinstance(place, Path) else TcpEnd(place)
        wire = Wire(emulated.make_bytes(wish), end, clock, emulated.bytes_per_s if isinstance(place, Path) else None)
        wire.replug()
        running = asyncio.create_task(wire.run())
        try:
            yield str(place) if isinstance(end, PtyEnd) else f"tcp://127.0.0.1:{end.port}"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    elif emulated.make_registers is not None:
        devices = {UNIT: emulated.make_registers(wish)}
        server: PtyServer | TcpServer
        if isinstance(place, Path):
            server = PtyServer(devices, clock, place, emulated.baud)
        else:
            server = TcpServer(devices, clock, place)
        await server.start()
        try:
            yield str(place) if isinstance(server, PtyServer) else f"tcp://127.0.0.1:{server.port}"
        finally:
            await server.stop()

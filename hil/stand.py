"""Put emulated instruments on a pty or a TCP port and run them. Edge: sockets, ptys, one worker thread.

Rule: a serial line carries as many bytes a second as its baud rate allows, unless told to be fast; TCP what it can.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hil.faults import BYTES, FaultRefused, LineFault
from hil.modbus_wire import PtyServer, TcpServer
from hil.request_troubles import WHOLE, RequestTroubles
from hil.rtu_bus import RtuBus
from hil.troubles import Cable, TroubledDevice
from hil.wire import PtyEnd, TcpEnd, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from drivers.sample import Nanoseconds
    from hil.emulated import Emulated, Wish
    from hil.registers import RegisterDevice
    from hil.wire import ByteDevice

UNIT = 1  # the Modbus unit id of an emulated device that stands alone

AWAY_TURN_S = 0.02  # how exactly a Modbus TCP device is unplugged


@dataclass(frozen=True, slots=True)
class Manner:
    """How an instrument stands: `fast` without the line's pace, `serial_tcp` with serial framing over TCP.

    A serial server (device server) carries a line's bytes over TCP, at the line's pace.
    """

    fast: bool = False
    serial_tcp: bool = False
    faults: tuple[LineFault, ...] = ()
    fault_seed: int = 1


PLAIN = Manner()


@asynccontextmanager
async def standing(
    emulated: Emulated, wish: Wish, place: Path | int, clock: Callable[[], Nanoseconds], how: Manner = PLAIN,
) -> AsyncIterator[str]:
    """Run an instrument on a link (a path) or on a TCP port of loopback (0: a free one).

    Gives the port as the configuration writes it; the instrument is switched off on the way out.
    """
    if emulated.make_bytes is not None:
        line = standing_bytes(emulated.make_bytes(wish), emulated.bytes_per_s, place, clock, how)
    elif emulated.make_registers is not None:
        line = standing_units({UNIT: emulated.make_registers(wish)}, emulated.baud, place, clock, how)
    else:
        raise RuntimeError(f"{emulated.name}: its row makes nothing")
    async with line as port:
        yield port


@asynccontextmanager
async def standing_bytes(
    device: ByteDevice, bytes_per_s: float, place: Path | int, clock: Callable[[], Nanoseconds], how: Manner,
) -> AsyncIterator[str]:
    """Run a device that speaks bytes; its faults of requests are its own business."""
    end = PtyEnd(place) if isinstance(place, Path) else TcpEnd(place)
    begin = clock()
    troubled = TroubledDevice(device, how.faults, how.fault_seed, begin) if how.faults else device
    paced = not how.fast and (how.serial_tcp or isinstance(place, Path))
    away = Cable(how.faults, how.fault_seed, begin).away
    wire = Wire(troubled, end, clock, bytes_per_s if paced else None, away)
    wire.replug()
    running = asyncio.create_task(wire.run())
    try:
        scheme = "socket" if how.serial_tcp else "tcp"
        yield str(place) if isinstance(end, PtyEnd) else f"{scheme}://127.0.0.1:{end.port}"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def standing_units(
    devices: Mapping[int, RegisterDevice], baud: int, place: Path | int, clock: Callable[[], Nanoseconds], how: Manner,
) -> AsyncIterator[str]:
    """Run Modbus units on one bus, or at one TCP address. Raises FaultRefused for a fault that cannot happen there."""
    if how.serial_tcp or (how.faults and isinstance(place, Path)):
        bus = RtuBus(devices, clock, None if how.fast else baud)
        bus.chance = RequestTroubles(how.faults, how.fault_seed, clock(), whole=False).next
        async with standing_bytes(bus, baud / 10, place, clock, how) as port:
            yield port
        return
    server: PtyServer | TcpServer
    if isinstance(place, Path):
        server = PtyServer(devices, clock, place, None if how.fast else baud)
    else:
        server = TcpServer(devices, clock, place)
        server.chance = network_troubles(how, clock()).next
    await server.start()
    pulling = asyncio.create_task(_pull(server, how, clock))
    try:
        yield str(place) if isinstance(server, PtyServer) else f"tcp://127.0.0.1:{server.port}"
    finally:
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)
        await server.stop()


def network_troubles(how: Manner, begin: Nanoseconds) -> RequestTroubles:
    """Return the faults of a Modbus TCP device; raises FaultRefused where TCP would have caught the fault."""
    for fault in how.faults:
        if fault.kind in BYTES and fault.kind not in WHOLE:
            raise FaultRefused(f"fault {fault.kind!r}: does not happen to Modbus TCP, which carries bytes whole; "
                               "use a serial line, or a serial server over TCP")
    return RequestTroubles(how.faults, how.fault_seed, begin, whole=True)


async def _pull(server: PtyServer | TcpServer, how: Manner, clock: Callable[[], Nanoseconds]) -> NoReturn:
    """Unplug a Modbus server and put it back, as its faults say."""
    cable = Cable(how.faults, how.fault_seed, clock())
    out = False
    while True:
        if cable.away(clock()) != out:
            out = not out
            await (server.stop() if out else server.start())
        await asyncio.sleep(AWAY_TURN_S)

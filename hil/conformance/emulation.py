"""An emulated instrument whose line a check can spoil: noise, silence, a pulled cable. Edge: ptys and sockets.

Rule: what is done to the line is undone by the same hand; a real device is never sent noise.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hil.modbus_wire import PtyServer, TcpServer, Trouble
from hil.stand import UNIT
from hil.table import EMULATED
from hil.wire import PtyEnd, TcpEnd, Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from drivers.sample import Nanoseconds
    from hil.conformance.target import Target
    from hil.emulated import Emulated, Wish
    from hil.wire import ByteDevice

# So many requests meet a trouble; nobody asks more often in the few seconds of a check.
FOR_EVER = 1_000_000


class Emulation(Protocol):
    """What can be done to a line."""

    async def unplug(self) -> None:
        """Pull the cable."""
        ...

    async def replug(self) -> None:
        """Put it back."""
        ...

    async def babble(self, noise: bytes) -> None:
        """Put bytes on the line that mean nothing; returns when they have passed."""
        ...

    def hush(self, *, silent: bool) -> None:
        """Let the device be silent, or speak again."""
        ...


class RealDevice:
    """A device that nothing is done to; its cable is in a person's hand."""

    async def unplug(self) -> None:
        """A person does it."""

    async def replug(self) -> None:
        """A person does it."""

    async def babble(self, noise: bytes) -> None:
        """Refuse: a real device is never sent noise."""
        raise RuntimeError(f"{len(noise)} bytes of noise for a real device")

    def hush(self, *, silent: bool) -> None:
        """Refuse: a real device cannot be told."""
        raise RuntimeError(f"silent = {silent}: a real device cannot be told to be silent")


class Spoiled:
    """A byte device whose words can be drowned in noise or swallowed."""

    def __init__(self, device: ByteDevice) -> None:
        self._device = device
        self.noise = b""
        self.silent = False

    def opened(self, now: int) -> bytes:
        """Pass it on."""
        return self._said(self._device.opened(now))

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Pass it on."""
        return self._said(self._device.feed(chunk, now))

    def poll(self, now: int) -> bytes:
        """Pass it on, the noise before it."""
        noise, self.noise = self.noise, b""
        return noise + self._said(self._device.poll(now))

    def _said(self, words: bytes) -> bytes:
        return b"" if self.silent else words


class ByteEmulation:
    """A byte device on its wire."""

    def __init__(self, wire: Wire, device: Spoiled, bytes_per_s: float) -> None:
        self._wire = wire
        self._device = device
        self._bytes_per_s = bytes_per_s

    async def unplug(self) -> None:
        """Pull the cable."""
        self._wire.unplug()

    async def replug(self) -> None:
        """Put it back."""
        self._wire.replug()

    async def babble(self, noise: bytes) -> None:
        """Send the noise as fast as the line carries it."""
        self._device.noise = noise
        await asyncio.sleep(len(noise) / self._bytes_per_s)

    def hush(self, *, silent: bool) -> None:
        """Swallow what it says, or let it through."""
        self._device.silent = silent


class RegisterEmulation:
    """A register device on its server."""

    def __init__(self, server: PtyServer | TcpServer) -> None:
        self._server = server

    async def unplug(self) -> None:
        """Hang up."""
        await self._server.stop()

    async def replug(self) -> None:
        """Be there again."""
        await self._server.start()

    async def babble(self, noise: bytes) -> None:
        """Answer the next requests with noise; on a serial line put it there unasked as well."""
        self._server.order(Trouble("garbage", times=2, noise=noise[:256]))
        if isinstance(self._server, PtyServer):
            self._server.babble(noise)
        await asyncio.sleep(0.5)
        self._server.relieve()

    def hush(self, *, silent: bool) -> None:
        """Answer nothing, or answer again."""
        self._server.relieve()
        if silent:
            self._server.order(Trouble("silence", times=FOR_EVER))


@contextlib.asynccontextmanager
async def switched_on(
    target: Target, wish: Wish | None, place: Path | int, clock: Callable[[], Nanoseconds]
) -> AsyncIterator[tuple[Emulation, str]]:
    """Run the emulator of a target and give its port; of a real device, give the port that was named."""
    if not target.emulated or wish is None:
        yield RealDevice(), target.port
        return
    emulated = EMULATED[target.instrument]
    running = bytes_on(emulated, wish, place, clock) if emulated.make_bytes else \
        registers_on(emulated, wish, place, clock, target.unit)
    async with running as standing:
        yield standing


@contextlib.asynccontextmanager
async def bytes_on(
    emulated: Emulated, wish: Wish, place: Path | int, clock: Callable[[], Nanoseconds]
) -> AsyncIterator[tuple[Emulation, str]]:
    """Run a byte device."""
    if emulated.make_bytes is None:
        raise TypeError(f"{emulated.name}: speaks registers")
    serial = isinstance(place, Path)
    end = PtyEnd(place) if isinstance(place, Path) else TcpEnd(place)
    device = Spoiled(emulated.make_bytes(wish))
    wire = Wire(device, end, clock, emulated.bytes_per_s if serial else None)
    wire.replug()
    running = asyncio.create_task(wire.run())
    try:
        port = str(place) if isinstance(end, PtyEnd) else f"tcp://127.0.0.1:{end.port}"
        yield ByteEmulation(wire, device, emulated.bytes_per_s), port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@contextlib.asynccontextmanager
async def registers_on(
    emulated: Emulated, wish: Wish, place: Path | int, clock: Callable[[], Nanoseconds], unit: int = UNIT
) -> AsyncIterator[tuple[Emulation, str]]:
    """Run a register device."""
    if emulated.make_registers is None:
        raise TypeError(f"{emulated.name}: speaks bytes")
    devices = {unit: emulated.make_registers(wish)}
    server: PtyServer | TcpServer
    if isinstance(place, Path):
        server = PtyServer(devices, clock, place, emulated.baud)
    else:
        server = TcpServer(devices, clock, place)
    await server.start()
    try:
        yield RegisterEmulation(server), str(place) if isinstance(server, PtyServer) else f"tcp://127.0.0.1:{server.port}"
    finally:
        await server.stop()

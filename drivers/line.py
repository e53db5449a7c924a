"""One opened byte line, serial or TCP, as a non-blocking descriptor that the event loop watches.

Rule: no call here waits for the device, and an opened line is set as it was asked for or refused.

An edge file. Both kinds of line are read and written by descriptor: 57 us for a round trip on a pty, 129 us
with a reading thread (measured), one code path, and no thread to get stuck in a device that hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import serial
import serial.rs485

from drivers.address import PortAddress, SerialAddress, ServerAddress, TcpAddress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.driver import LineSettings, Rs485

CHUNK_BYTES_MAX = 4096      # one read; 0.36 s of a line at 115200 baud

# A peer that acknowledges nothing for so long is gone; heartbeats give it something to acknowledge.
UNACKNOWLEDGED_MS = 3000

# How often a link is followed again while the line is open; a repointed one is open again well within 2 s.
FOLLOW_S = 0.5

# Family, kind, protocol and the socket's own form of an address.
Place: TypeAlias = "tuple[int, int, int, tuple[Any, ...]]"

# A lost line: the kernel's errors, and the one that termios raises on its own (it is no OSError).
LINE_ERRORS = (OSError, termios.error)

_BUSY = ("port busy", "another program holds it: stop that one (fuser -v names it), or give this one another port")
_REFUSED = ("port refused", "may this user open it (group dialout)?")
_NO_LINE = ("port refused", "is it a serial line?")
_MISSING = ("port missing", "is the device plugged in, powered and at this address?")

REFUSALS = {
    errno.EAGAIN: _BUSY,        # the lock (flock) is taken
    errno.EBUSY: _BUSY,
    errno.EACCES: _REFUSED,
    errno.EPERM: _REFUSED,
    errno.EISDIR: _NO_LINE,
}


class HungUp(OSError):
    """The other side ended the line: a read gave nothing although the line was readable."""


class LineRefused(OSError):
    """The line is there, but cannot be used as it was asked for; says which kind of fault that is."""

    def __init__(self, why: str, kind: str = "port refused") -> None:
        super().__init__(why)
        self.kind = kind


class Line:
    """An open line. Every call may raise one of LINE_ERRORS, after which it is only good for closing."""

    def __init__(self, held: serial.Serial | socket.socket, path: str = "") -> None:
        """Take an opened line; `path` is where a serial one was found."""
        self._held = held
        self._descriptor: int = held.fileno()
        self._path = path
        self._follow_due = 0.0

    @property
    def descriptor(self) -> int:
        """What the event loop watches."""
        return self._descriptor

    def follow(self) -> None:
        """Raise `HungUp` where the path leads to another device by now, as a link does after a re-enumeration.

        A device that is gone hangs up by itself; a link that udev has not made yet is waited for.
        """
        now = asyncio.get_running_loop().time()
        if not self._path or now < self._follow_due:
            return
        self._follow_due = now + FOLLOW_S
        try:
            there = Path(self._path).stat().st_rdev
        except OSError:
            return
        if there != os.fstat(self._descriptor).st_rdev:
            raise HungUp("the path leads to another device now")

    async def retune(self, settings: LineSettings) -> None:
        """Set an open line anew, without letting go of it; raises one of LINE_ERRORS."""
        if isinstance(self._held, serial.Serial):
            with _settings_refused(settings):
                self._held.apply_settings({
                    "baudrate": settings.baud, "bytesize": settings.bits, "parity": settings.parity,
                    "stopbits": settings.stop_bits})
            self._held.reset_input_buffer()

    async def readable(self, wait_s: float) -> bool:
        """Return whether bytes (or the end) wait to be read, at the latest after `wait_s`."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bool] = loop.create_future()

        def settle(*, ready: bool) -> None:
            if not waiting.done():
                waiting.set_result(ready)

        # Watched for one wait only: a hung-up descriptor stays readable, and would spin the loop.
        loop.add_reader(self._descriptor, lambda: settle(ready=True))
        late = loop.call_later(wait_s, lambda: settle(ready=False))
        try:
            return await waiting
        finally:
            late.cancel()
            loop.remove_reader(self._descriptor)

    def read(self) -> bytes:
        """Return what is there, empty if nothing is; raises `HungUp` at the end."""
        try:
            chunk = os.read(self._descriptor, CHUNK_BYTES_MAX)
        except BlockingIOError:
            return b""
        if not chunk:
            raise HungUp("hung up by the other side")
        return chunk

    def write(self, data: bytes) -> int:
        """Return how many of the bytes were taken, 0 if the other side does not read."""
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Close without waiting for unsent bytes: the kernel would wait up to 30 s for a hung device."""
        if isinstance(self._held, serial.Serial):
            with contextlib.suppress(termios.error):    # after a hang-up nothing is left to discard
                self._held.reset_output_buffer()
        self._held.close()


async def open_line(address: PortAddress, settings: LineSettings) -> Line:
    """Return the opened line, a symlink followed afresh; raises one of LINE_ERRORS.

    A serial line is locked (flock): a second program that asks for the lock is refused.
    """
    if isinstance(address, SerialAddress):
        return _open_serial(address.path, settings)
    return Line(await _connect(address))


def _open_serial(path: str, settings: LineSettings) -> Line:
    with contextlib.ExitStack() as undo:
        with _settings_refused(settings):
            held = undo.enter_context(serial.Serial(
                path, settings.baud, settings.bits, settings.parity, settings.stop_bits,
                timeout=0, write_timeout=0, exclusive=True))
        if settings.rs485 is not None:
            _switch_direction(held, settings.rs485)
        undo.pop_all()
    return Line(held, path)


@contextlib.contextmanager
def _settings_refused(settings: LineSettings) -> Iterator[None]:
    """Turn the errors for settings that the device does not do into a refusal: pyserial's own, and the C library's."""
    try:
        yield
    except (ValueError, OverflowError, termios.error) as wrong:
        if isinstance(wrong, termios.error) and wrong.args[0] != errno.EINVAL:
            raise
        why = f"it cannot be set to {settings}: {wrong}; give [instrument.line] what it can do"
        raise LineRefused(why) from wrong


def _switch_direction(held: serial.Serial, wanted: Rs485) -> None:
    """Let the kernel switch the transceiver by RTS; a pty and most USB adapters cannot."""
    mode = serial.rs485.RS485Settings(
        wanted.rts_on_send, wanted.rts_after_send, wanted.hears_itself,
        wanted.delay_before_send_ms / 1000, wanted.delay_after_send_ms / 1000)
    try:
        held.rs485_mode = mode
    except ValueError as wrong:
        raise LineRefused(
            "the kernel cannot switch the direction of this line by RTS (TIOCSRS485); with an adapter that switches "
            "by itself, as most on USB do, leave rs485 out of [instrument.line]") from wrong


async def _connect(address: TcpAddress | ServerAddress) -> socket.socket:
    loop = asyncio.get_running_loop()
    family, kind, protocol, where = numeric(address) or await _found(address)
    with contextlib.ExitStack() as undo:    # an attempt that fails or is cancelled leaves no socket behind
        connection = undo.enter_context(socket.socket(family, kind, protocol))
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        await loop.sock_connect(connection, where)
        undo.pop_all()
    return connection


def numeric(address: TcpAddress | ServerAddress) -> Place | None:
    """Return the place of a numeric address, None for a name.

    It is not looked up: look-ups share a few threads, and a name server that hangs holds them for seconds each.
    """
    try:
        version = ipaddress.ip_address(address.host).version
    except ValueError:
        return None
    if version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, 0, (address.host, address.port)
    return socket.AF_INET6, socket.SOCK_STREAM, 0, (address.host, address.port, 0, 0)


async def _found(address: TcpAddress | ServerAddress) -> Place:
    loop = asyncio.get_running_loop()
    family, kind, protocol, _name, where = (
        await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))[0]
    return family, kind, protocol, where


def refusal(wrong: Exception) -> tuple[str, str]:
    """Return the kind of fault and a hint for a line that could not be opened."""
    if isinstance(wrong, LineRefused):
        return wrong.kind, ""
    if isinstance(wrong, OSError):
        if wrong.errno in REFUSALS:
            return REFUSALS[wrong.errno]
        if isinstance(wrong, serial.SerialException) and wrong.errno is None:
            return _NO_LINE     # it opened, but takes no line settings
    return _MISSING

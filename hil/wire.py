"""Put an emulated device on a real line: a pty under a name of its own, or a TCP listener on loopback.

Rule: the wire is as slow as the real one, and loses bytes as the real one does when nobody reads them.

An edge file. A pty has no baud rate, so the wire counts the bytes out itself; bit rates, parity and the gaps
between bytes are not exercised. A wire serves one host at a time, as a cable does.
"""

from __future__ import annotations

import asyncio
import os
import pty
import socket
import tty
from collections import deque
from typing import TYPE_CHECKING, NoReturn, Protocol

from hil.link import point, take_away

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TURN_S = 0.005              # 58 bytes at 115200 baud: a packet or two

READ_BYTES_MAX = 4096

# What waits to be sent: 0.7 s at 115200 baud, about an adapter's buffers. What comes then is lost whole.
UNSENT_BYTES_MAX = 8192

NS = 1_000_000_000


class ByteDevice(Protocol):
    """An emulated device that speaks bytes. `now` is monotonic, in nanoseconds."""

    def opened(self, now: int) -> bytes:
        """Take note that a host connected, or that the cable was put in; return what is sent at once."""
        ...

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes and return the answer."""
        ...

    def poll(self, now: int) -> bytes:
        """Return what the device sends by itself."""
        ...


class End(Protocol):
    """The device's end of a line. `read` and `write` never wait."""

    def plug(self) -> None:
        """Make the line available to a host."""
        ...

    def unplug(self) -> None:
        """Take it away, as a pulled cable does."""
        ...

    def opened(self) -> bool:
        """Return true once for each new host."""
        ...

    def read(self) -> bytes:
        """Return what the host sent."""
        ...

    def write(self, data: bytes) -> int:
        """Return how many bytes were taken."""
        ...


class PtyEnd:
    """A pty in raw mode; `link` is a symlink to it, repointed by rename as /dev/serial/by-id does."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._ends: tuple[int, int] | None = None
        self._fresh = False

    def plug(self) -> None:
        """Make a new pty and point the link at it."""
        if self._ends is not None:
            return
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        # The slave stays open here: without any open slave the master reads EIO when the first host closes.
        self._ends, self._fresh = (master, slave), True
        point(self._link, os.ttyname(slave))

    def unplug(self) -> None:
        """Hang up and take the link away."""
        if self._ends is None:
            return
        take_away(self._link, os.ttyname(self._ends[1]))
        for end in self._ends:
            os.close(end)
        self._ends = None

    def opened(self) -> bool:
        """Return true once after each `plug`; a pty does not tell who opens it."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def read(self) -> bytes:
        """Return what the host wrote."""
        if self._ends is None:
            return b""
        try:
            return os.read(self._ends[0], READ_BYTES_MAX)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> int:
        """Return how many bytes the kernel took; the rest is lost on a line that nobody reads."""
        if self._ends is None:
            return len(data)
        try:
            return os.write(self._ends[0], data)
        except BlockingIOError:
            return len(data)


class TcpEnd:
    """A listener on loopback; port 0 lets the kernel choose, and the choice is kept over a replug."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.port = port
        self._host = host
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None

    def plug(self) -> None:
        """Listen."""
        if self._listener is None:
            self._listener = socket.create_server((self._host, self.port), backlog=4)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]

    def unplug(self) -> None:
        """Stop listening and drop the host."""
        self._drop()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def opened(self) -> bool:
        """Return true when a host has connected; a second one is turned away."""
        if self._listener is None:
            return False
        try:
            client, _address = self._listener.accept()
        except BlockingIOError:
            return False
        if self._client is not None:
            client.close()
            return False
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        return True

    def read(self) -> bytes:
        """Return what the host sent; drop it when it has gone."""
        if self._client is None:
            return b""
        try:
            chunk = self._client.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return b""
        except ConnectionError:
            chunk = b""
        if not chunk:
            self._drop()
        return chunk

    def write(self, data: bytes) -> int:
        """Return how many bytes were taken; with no host connected they go nowhere."""
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except ConnectionError:
            self._drop()
            return len(data)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class Wire:
    """Carries bytes between a device and its end of the line. `run` pulls the cable while `away` says so.

    `bytes_per_s` is what the line carries (11520 for 115200 8N1), None for as fast as it goes. `lost_bytes`
    counts what the device said while the line was full or away.
    """

    def __init__(
        self, device: ByteDevice, end: End, now: Callable[[], int], bytes_per_s: float | None = None,
        away: Callable[[int], bool] | None = None,
    ) -> None:
        self._device = device
        self._end = end
        self._now = now
        self._bytes_per_s = bytes_per_s
        self._away = away
        self._unsent: deque[bytes] = deque()    # whole outputs of the device, so that a loss never splits one
        self._unsent_bytes = 0
        self._plugged = False
        self._paced_at = 0
        self.lost_bytes = 0

    def replug(self) -> None:
        """Put the cable in. Does nothing when it is."""
        if not self._plugged:
            self._end.plug()
            self._plugged = True
            self._paced_at = self._now()

    def unplug(self) -> None:
        """Pull the cable. The device lives on and talks to nobody."""
        if self._plugged:
            self._end.unplug()
            self._plugged = False
            self._clear()

    async def run(self) -> NoReturn:
        """Serve until cancelled; plugs the cable in, and out at the end."""
        self.replug()
        try:
            while True:
                if self._away is not None:
                    (self.unplug if self._away(self._now()) else self.replug)()
                self.turn()
                await asyncio.sleep(TURN_S)
        finally:
            self.unplug()

    def turn(self) -> None:
        """Move what is due now, both ways. Never waits."""
        now = self._now()
        if not self._plugged:
            self.lost_bytes += len(self._device.poll(now))
            return
        if self._end.opened():
            self._clear()
            self._queue(self._device.opened(now))
        chunk = self._end.read()
        if chunk:
            self._queue(self._device.feed(chunk, now))
        self._queue(self._device.poll(now))
        self._send(now)

    def _queue(self, said: bytes) -> None:
        if self._unsent_bytes + len(said) > UNSENT_BYTES_MAX:
            self.lost_bytes += len(said)
        elif said:
            self._unsent.append(said)
            self._unsent_bytes += len(said)

    def _clear(self) -> None:
        self.lost_bytes += self._unsent_bytes
        self._unsent.clear()
        self._unsent_bytes = 0

    def _send(self, now: int) -> None:
        room = self._room(now)
        while self._unsent and room > 0:
            said = self._unsent.popleft()
            taken = self._end.write(said[:room])
            self._unsent_bytes -= taken
            room -= taken
            if taken < len(said):
                self._unsent.appendleft(said[taken:])
            if not taken:
                break
        if not self._unsent:
            self._paced_at = now    # an idle line saves nothing up

    def _room(self, now: int) -> int:
        """Return how many bytes the line has had time for, and count the time as used."""
        if self._bytes_per_s is None:
            return UNSENT_BYTES_MAX
        room = int((now - self._paced_at) * self._bytes_per_s / NS)
        self._paced_at += int(room * NS / self._bytes_per_s)
        return room

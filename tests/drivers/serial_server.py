"""A serial server on loopback, of pyserial's own making: telnet with COM-port control, or bytes alone.

It serves one connection after the other from a real pty; its side of RFC 2217 was written by other people.
"""

from __future__ import annotations

import contextlib
import select
import socket
import termios
import threading
from typing import TYPE_CHECKING, Any, Literal, cast

import serial
from serial.rfc2217 import PortManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TURN_S = 0.02


class ServedPort(serial.Serial):
    """A pty has no modem lines, bits and parity; the server asks for them all the same, and believes it has them."""

    cts = dsr = ri = cd = True

    def _reconfigure_port(self, force_update: bool = False) -> None:  # noqa: FBT001, FBT002  pyserial's own words
        with contextlib.suppress(termios.error):
            super()._reconfigure_port(force_update)  # type: ignore[misc]  # not in its published types


class Connection:
    """What the server writes to."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client

    def write(self, data: bytes) -> None:
        """Send."""
        self._client.sendall(data)


class SerialServer:
    """The server. `port` is its TCP port, `served` the line's settings as the last client left them."""

    def __init__(self, path: Path, protocol: Literal["socket", "rfc2217"], number: int = 0) -> None:
        self.path, self.protocol = path, protocol
        self._telnet = protocol == "rfc2217"
        self.served = ""
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", number))
        self._listener.settimeout(TURN_S)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    @property
    def address(self) -> str:
        """The port as the configuration writes it."""
        return f"{self.protocol}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen and serve."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up and stop listening."""
        self._stop.set()
        self._thread.join(5)
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                with client, contextlib.suppress(OSError):
                    self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(True)
        with ServedPort(str(self.path), 9600, timeout=0) as port:
            # Its published types ask for two of pyserial's telnet clients, which it never was meant for.
            telnet = PortManager(cast("Any", port), cast("Any", Connection(client))) if self._telnet else None
            while not self._stop.is_set():
                ready, _, _ = select.select([client.fileno(), port.fileno()], [], [], TURN_S)
                if client.fileno() in ready:
                    chunk = client.recv(4096)
                    if not chunk:
                        return
                    port.write(b"".join(telnet.filter(chunk)) if telnet else chunk)
                    self.served = f"{port.baudrate} {port.bytesize}{port.parity}{port.stopbits}"
                if port.fileno() in ready:
                    said = port.read(4096)
                    client.sendall(b"".join(telnet.escape(said)) if telnet else said)


@contextlib.contextmanager
def serving(path: Path, protocol: Literal["socket", "rfc2217"]) -> Iterator[SerialServer]:
    """Run a server for the length of a test."""
    server = SerialServer(path, protocol)
    server.start()
    try:
        yield server
    finally:
        server.stop()

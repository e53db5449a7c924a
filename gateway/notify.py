"""Short words to other processes: systemd's notify socket, and the publisher's wake-up. Edge.

Nobody listening is no error: a gateway on a bench has no systemd, and a publisher may be restarting.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Systemd:
    """Speaks sd_notify(3). Outside of systemd it says nothing."""

    def __init__(self, address: str | None = None) -> None:
        """Take the socket's address; None looks where systemd puts it."""
        self.address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address

    def say(self, *lines: str) -> None:
        """Send lines such as READY=1 or STATUS=... in one datagram."""
        if self.address:
            place = "\0" + self.address[1:] if self.address.startswith("@") else self.address
            send(place, "\n".join(lines).encode())


class Ringer:
    """Rings the publisher's doorbell; one socket for all rings, for making one takes longer than the ring."""

    def __init__(self, path: Path) -> None:
        """Take the doorbell's place; nobody need be there yet."""
        self._path = str(path)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def ring(self) -> None:
        """Tell the publisher that records were committed."""
        with suppress(OSError):  # a missing, full or closed socket is nobody listening
            self._line.sendto(b"\n", self._path)

    def close(self) -> None:
        """Let go of the socket."""
        self._line.close()


def send(place: str, words: bytes) -> None:
    """Send one datagram without waiting; a missing, full or closed socket is nobody listening."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
        try:
            line.sendto(words, place)
        except OSError:
            return

"""The Unix datagram socket on which the core says that records were committed. Edge.

What is said does not matter, only that somebody rang: whoever may write to it can do no more than wake us.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o660          # the core rings through the group that both services share
RINGS_MAX = 4096      # bounds one turn's emptying; more rings only find it already awake


class DoorbellTaken(Exception):
    """Something that is no stale socket stands where the doorbell belongs."""


class Doorbell:
    """Binds the socket and empties it when asked."""

    def __init__(self, path: Path) -> None:
        """Bind. A dead socket in the way is replaced; a live one or another kind of file is not."""
        self.path = path
        clear_stale(path)
        with ExitStack() as failed:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            failed.callback(self.socket.close)
            before = os.umask(0o777 & ~MODE)  # from the first moment on: no gap between bind and chmod
            try:
                self.socket.bind(str(path))
            finally:
                os.umask(before)
            self.inode = path.stat().st_ino
            failed.pop_all()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self.socket.fileno()

    def rung(self) -> bool:
        """Empty the socket; say whether anybody had rung."""
        for count in range(RINGS_MAX):
            try:
                self.socket.recv(64)
            except BlockingIOError:
                return count > 0
        return True

    def close(self) -> None:
        """Take the doorbell down, unless somebody put up another in its place."""
        self.socket.close()
        try:
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
        except FileNotFoundError:
            return


def clear_stale(path: Path) -> None:
    """Remove a socket that nobody reads. Raises `DoorbellTaken`."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise DoorbellTaken(f"{path}: is no socket; move it away, the publisher's doorbell belongs there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise DoorbellTaken(f"{path}: another publisher is running; stop it first, two would publish all twice")

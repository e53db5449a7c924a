"""A TCP proxy before the broker that can pull the plug: bytes are swallowed and nothing is closed."""

from __future__ import annotations

import select
import socket
import threading
from typing import Self


class Proxy:
    """Joins each client to the broker; `unplugged` swallows in both directions and lets nobody new through."""

    def __init__(self, target: int) -> None:
        self.target, self.unplugged, self.swallowed = target, False, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.pairs: dict[socket.socket, socket.socket] = {}
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(5)
        for line in [self.listener, *self.pairs]:
            line.close()

    def _run(self) -> None:
        while not self.stop.is_set():
            for ready in select.select([self.listener, *self.pairs], [], [], 0.05)[0]:
                if ready is self.listener:
                    self._accept()
                elif ready in self.pairs:
                    self._carry(ready)

    def _accept(self) -> None:
        near = self.listener.accept()[0]
        if self.unplugged:
            self.pairs[near] = near  # accepted by the kernel, heard by nobody
            return
        far = socket.create_connection(("127.0.0.1", self.target))
        for line in (near, far):
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pairs[near], self.pairs[far] = far, near

    def _carry(self, ready: socket.socket) -> None:
        try:
            data = ready.recv(65536)
        except ConnectionError:
            data = b""
        if data and self.unplugged:
            self.swallowed += len(data)
        elif data and self.pairs[ready] is not ready:
            self.pairs[ready].sendall(data)
        elif not data:
            other = self.pairs.pop(ready)
            ready.close()
            if other is not ready and self.pairs.pop(other, None) is not None:
                other.close()

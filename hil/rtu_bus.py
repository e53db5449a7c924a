"""A Modbus RTU bus as a byte device, so that it fits any wire and any fault of one. No I/O.

Rule: the framing is written from the Modbus specifications and shares nothing with the client library.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from hil.modbus_wire import STALE_S, RegisterServer, rtu_wire
from hil.rtu import SILENCE_S, crc16, frame_seconds, request_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drivers.sample import Nanoseconds
    from hil.registers import RegisterDevice

# Answers that wait for their time; a host asks one question after the other.
WAITING_MAX = 64


class RtuBus(RegisterServer):
    """Several units on one bus. With `baud` an answer comes after the time that the request took on the line."""

    def __init__(self, devices: Mapping[int, RegisterDevice], clock: Callable[[], Nanoseconds],
                 baud: int | None = None) -> None:
        super().__init__(devices, clock)
        self._baud = baud
        self._buffer = b""
        self._last: Nanoseconds = 0
        self._waiting: deque[tuple[Nanoseconds, bytes]] = deque(maxlen=WAITING_MAX)

    def opened(self, now: Nanoseconds) -> bytes:
        """Forget half a request."""
        self._buffer, self._last = b"", now
        self._waiting.clear()
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Take requests; their answers come with `poll` when their time has come, or now."""
        if now - self._last > STALE_S * 1e9:
            self._buffer = b""
        self._last = now
        self._buffer += chunk
        while len(self._buffer) >= 8:
            size = request_size(self._buffer)
            if size is not None and len(self._buffer) < size:
                break
            if size is None or crc16(self._buffer[:size - 2]) != self._buffer[size - 2:size]:
                self._buffer = b""  # a device waits for silence after a frame it cannot read
                break
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            self._serve(frame, now)
        return self.poll(now)

    def poll(self, now: Nanoseconds) -> bytes:
        """Return the answers whose time has come."""
        said = b""
        while self._waiting and self._waiting[0][0] <= now:
            said += self._waiting.popleft()[1]
        return said

    def _serve(self, frame: bytes, now: Nanoseconds) -> None:
        if frame[0] not in self.devices:
            return
        answer, late_s = self._reply(frame[0], frame[1:-2], frame, rtu_wire)
        if answer is None:
            return
        if self._baud is not None:
            late_s += frame_seconds(len(frame), self._baud) + 2 * SILENCE_S
        self._waiting.append((now + round(late_s * 1e9), answer))

"""Serve emulated register devices over Modbus TCP on loopback and Modbus RTU on a pty, with faults on order.

Edge: sockets, ptys and the loop's timers. The framing is written from the Modbus specifications and shares
nothing with the client library, so a mistake in one is not hidden by the same mistake in the other.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

from hil.link import point, take_away
from hil.registers import Refusal, answer_pdu, refusal_pdu
from hil.rtu import SILENCE_S, crc16, frame_seconds, request_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from drivers.sample import Nanoseconds
    from hil.registers import RegisterDevice

# Frames kept for a test to look at; a whole scan is about 4000 requests.
FRAMES_KEPT_MAX = 8192

# A frame of the TCP form is at most 260 bytes; a sender that announces more is not speaking Modbus.
TCP_LENGTH_MAX = 254

# On a pty a request comes in one piece. What is older than this is the rest of something broken.
STALE_S = 0.05

# The last bytes a "short" answer loses: two registers.
SHORT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault for the next `times` requests (to `unit`, where given; that begin in `addresses`, where given).

    `silence` answers nothing, `delay` answers after `delay_s`, `exception` refuses with `code`, `wrong_crc`
    breaks the checksum (on TCP the length), `short` leaves out the last registers in a valid frame, `flip` turns
    the last bit of the answer over in a valid frame, `garbage` sends `noise` instead of the answer.
    """

    kind: Literal["silence", "delay", "exception", "wrong_crc", "short", "flip", "garbage"]
    times: int = 1
    unit: int | None = None
    addresses: range | None = None
    delay_s: float = 0.0
    code: int = Refusal.FAILURE
    noise: bytes = b"\xff\x00\x55\xaa\x01\x03"


@dataclass(frozen=True, slots=True)
class Frame:
    """One request as received and what was sent for it; None where nothing was."""

    request: bytes
    answer: bytes | None
    at: Nanoseconds


class _Wire(Protocol):
    """How a unit id and a PDU become bytes on one kind of line."""

    def __call__(self, unit: int, pdu: bytes, *, spoiled: bool) -> bytes: ...


class RegisterServer:
    """What both lines have in common: the devices, the faults on order and the frames seen."""

    def __init__(self, devices: Mapping[int, RegisterDevice], clock: Callable[[], Nanoseconds]) -> None:
        self.devices = dict(devices)
        self.frames: deque[Frame] = deque(maxlen=FRAMES_KEPT_MAX)
        self._clock = clock
        self._troubles: list[Trouble] = []
        self.chance: Callable[[Nanoseconds], Trouble | None] | None = None  # further faults, as they fall

    def order(self, trouble: Trouble) -> None:
        """Let `trouble` happen to the next requests that it fits."""
        self._troubles.append(trouble)

    def relieve(self) -> None:
        """Forget every fault on order."""
        self._troubles.clear()

    def _trouble_for(self, unit: int, address: int) -> Trouble | None:
        for place, trouble in enumerate(self._troubles):
            here = trouble.addresses is None or address in trouble.addresses
            if here and trouble.unit in {None, unit}:
                if trouble.times > 1:
                    self._troubles[place] = replace(trouble, times=trouble.times - 1)
                else:
                    del self._troubles[place]
                return trouble
        return self.chance(self._clock()) if self.chance is not None else None

    def _reply(self, unit: int, pdu: bytes, request: bytes, wire: _Wire) -> tuple[bytes | None, float]:
        """Return what to send for a request, and how many seconds late."""
        device = self.devices.get(unit)
        trouble = self._trouble_for(unit, int.from_bytes(pdu[1:3], "big"))
        answer = None
        if device is not None and (trouble is None or trouble.kind != "silence"):
            answer = self._spoil(trouble, device, unit, pdu, wire)
        self.frames.append(Frame(request, answer, self._clock()))
        return answer, trouble.delay_s if trouble is not None else 0.0

    def _spoil(self, trouble: Trouble | None, device: RegisterDevice, unit: int, pdu: bytes, wire: _Wire) -> bytes:
        kind = trouble.kind if trouble is not None else ""
        if trouble is not None and kind == "garbage":
            return trouble.noise
        if trouble is not None and kind == "exception":
            return wire(unit, refusal_pdu(pdu[0], trouble.code), spoiled=False)
        answer = answer_pdu(device, pdu, self._clock())
        if kind == "short" and len(answer) > 2 + SHORT_BYTES:
            answer = bytes((answer[0], answer[1] - SHORT_BYTES)) + answer[2:-SHORT_BYTES]
        if kind == "flip":
            answer = answer[:-1] + bytes((answer[-1] ^ 1,))
        return wire(unit, answer, spoiled=kind == "wrong_crc")


class TcpServer(RegisterServer):
    """Modbus TCP on 127.0.0.1. `port` 0 takes a free one; after `start` it holds the real one."""

    def __init__(self, devices: Mapping[int, RegisterDevice], clock: Callable[[], Nanoseconds], port: int = 0) -> None:
        super().__init__(devices, clock)
        self.port = port
        self._server: asyncio.Server | None = None
        self.connections: set[asyncio.Transport] = set()

    async def start(self) -> None:
        """Listen; again on the same port after a `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _TcpLine(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection, as a device that loses power does."""
        if self._server is not None:
            self._server.close()
            for connection in list(self.connections):
                connection.abort()
            await self._server.wait_closed()
            self._server = None

    def reply(self, frame: bytes) -> tuple[bytes | None, float]:
        """Return what to send for one frame, and how many seconds late."""
        unit, pdu = frame[6], frame[7:]

        def wire(unit: int, pdu: bytes, *, spoiled: bool) -> bytes:
            return frame[:4] + (len(pdu) + 1 + 100 * spoiled).to_bytes(2, "big") + bytes((unit,)) + pdu

        if unit not in self.devices:
            return wire(unit, refusal_pdu(pdu[0], Refusal.NO_TARGET), spoiled=False), 0.0
        return self._reply(unit, pdu, frame, wire)


class _TcpLine(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: TcpServer) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a stream transport is needed, not {transport!r}")
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 8:
            length = int.from_bytes(self._buffer[4:6], "big")
            if self._buffer[2:4] != b"\0\0" or not 2 <= length <= TCP_LENGTH_MAX:
                self._transport.abort()
                return
            if len(self._buffer) < 6 + length:
                return
            frame, self._buffer = self._buffer[:6 + length], self._buffer[6 + length:]
            self._send(*self._server.reply(frame))

    def _send(self, answer: bytes | None, late_s: float) -> None:
        if answer is not None and late_s:
            asyncio.get_running_loop().call_later(late_s, self._transport.write, answer)
        elif answer is not None:
            self._transport.write(answer)


class PtyServer(RegisterServer):
    """Modbus RTU on a pty, reached through the symbolic link `link`.

    A pty has no bit rate; with `baud` every answer comes as late as both frames and two silences take on a
    line (10 bits a character), otherwise at once. Parity and the silences themselves are not emulated.
    """

    def __init__(self, devices: Mapping[int, RegisterDevice], clock: Callable[[], Nanoseconds], link: Path,
                 baud: int | None = None) -> None:
        super().__init__(devices, clock)
        self.link = link
        self._baud = baud
        self._master = self._slave = -1
        self._buffer = b""
        self._last: Nanoseconds = 0

    async def start(self) -> None:
        """Open a pty and let the link point to it: in one step, as udev does for a plugged cable."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        point(self.link, os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._readable)

    async def stop(self) -> None:
        """Unplug: the link goes, and an open port is hung up."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        take_away(self.link, os.ttyname(self._slave))
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1
        self._buffer = b""

    def babble(self, noise: bytes) -> None:
        """Put bytes on the line that nobody asked for."""
        self._write(noise)

    def _readable(self) -> None:
        now = self._clock()
        if now - self._last > STALE_S * 1e9:
            self._buffer = b""
        self._last = now
        self._buffer += os.read(self._master, 4096)
        while len(self._buffer) >= 8:
            size = request_size(self._buffer)
            if size is not None and len(self._buffer) < size:
                return
            if size is None or crc16(self._buffer[:size - 2]) != self._buffer[size - 2:size]:
                self._buffer = b""  # a device waits for silence after a frame it cannot read
                return
            frame, self._buffer = self._buffer[:size], self._buffer[size:]
            self._serve(frame)

    def _serve(self, frame: bytes) -> None:
        if frame[0] not in self.devices:
            self.frames.append(Frame(frame, None, self._clock()))
            return
        answer, late_s = self._reply(frame[0], frame[1:-2], frame, rtu_wire)
        if answer is None:
            return
        if self._baud is not None:
            late_s += frame_seconds(len(frame) + len(answer), self._baud) + 2 * SILENCE_S
        if late_s:
            asyncio.get_running_loop().call_later(late_s, self._write, answer)
        else:
            self._write(answer)

    def _write(self, data: bytes) -> None:
        if self._master < 0:
            return
        try:
            os.write(self._master, data)
        except BlockingIOError:
            return  # nobody reads: the bytes are lost, as on a line with no one at the other end


def rtu_wire(unit: int, pdu: bytes, *, spoiled: bool) -> bytes:
    """Return a frame with its checksum, or with a broken one."""
    body = bytes((unit,)) + pdu
    crc = crc16(body)
    return body + (bytes((crc[0] ^ 0x5A, crc[1])) if spoiled else crc)

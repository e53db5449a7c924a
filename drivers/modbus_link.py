"""One Modbus line, serial or TCP, over pymodbus's async client: one request, one checked answer.

Edge: the only file that imports pymodbus. It decides what counts as an answer, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from drivers.address import PortAddress, TcpAddress, is_serial
from drivers.driver import ODD, ReadRegisters, Request, WriteRegisters, exception_words
from drivers.life import answered
from drivers.line import HungUp
from drivers.modbus_line import LineTransport, serial_transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pymodbus.pdu import ModbusPDU

    from drivers.driver import LineSettings
    from drivers.modbus_line import AnyLine

# It reports on every lost answer; here they are faults, and told once.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)

# An answer must begin within this time. The NQR head begins within 0.1 s (its profile, section 1), controllers
# on RS-485 within some 20 ms, a USB adapter adds 16 ms; a busy gateway is late itself.
ANSWER_S_MAX = 0.3

# The longest frames, request and answer together: 256 + 256 characters of 11 bits.
LONGEST_EXCHANGE_BITS = 2 * 256 * 11

# On TCP there is no bit rate, but a network; a late answer does no harm there, for it carries a number.
TCP_ANSWER_S_MAX = 0.5

# Silence between frames: 3.5 characters, and 1.75 ms above 19200 baud (MODBUS over Serial Line V1.02, 2.5.1.1).
GAP_CHARACTERS = 3.5
GAP_S_MIN = 0.00175

BITS = frozenset({1, 2})  # the functions whose answer is bits

EXCEPTIONS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure",
    5: "acknowledge", 6: "device busy", 8: "memory parity error", 10: "gateway path unavailable",
    11: "gateway target silent",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a usable answer. `silent`: nothing valid came in time; `doubtful`: what came was odd.

    After either, an RTU line may still bring an answer that belongs to no request.
    """

    why: str
    silent: bool = False
    doubtful: bool = False


Outcome: TypeAlias = "tuple[int, ...] | Failure"


class LineLost(OSError):
    """The line was closed under the request."""


class _HoldingRegisters(ReadHoldingRegistersResponse):
    """An answer of registers, taken apart at once: the client's own way goes register by register.

    It also prints every answer for a log that nobody reads. For 100 registers both took 38 us, this 3.
    """

    def decode(self, data: bytes) -> None:
        """Take the octets behind the function code; another number than announced is refused in the client's terms."""
        if data[0] != len(data) - 1 or data[0] % 2:
            raise ModbusIOException(f"{data[0]} octets announced, {len(data) - 1} came", self.function_code)
        self.registers = struct.unpack_from(f">{data[0] // 2}H", data, 1)

    def __str__(self) -> str:
        """Return as much as the client's log needs."""
        return f"{len(self.registers)} registers"


class _InputRegisters(_HoldingRegisters):
    function_code = 4


def answer_seconds(address: PortAddress, line: LineSettings) -> float:
    """Return how long to wait for a whole answer."""
    if is_serial(address):
        return ANSWER_S_MAX + LONGEST_EXCHANGE_BITS / line.baud
    return TCP_ANSWER_S_MAX


def gap_seconds(address: PortAddress, line: LineSettings) -> float:
    """Return the silence to keep before a request."""
    if is_serial(address):
        return max(GAP_S_MIN, GAP_CHARACTERS * 11 / line.baud)
    return 0.0


class Link:
    """An opened line; `await Link.open(...)`. After `LineLost` it is only good for closing."""

    def __init__(
        self, address: PortAddress, line: LineSettings, turn: Callable[[], None], opened: AnyLine | None = None
    ) -> None:
        """Prepare; `turn` is called at least every 0.25 s while an answer is awaited, `opened` is a line to use."""
        self._opened = opened
        self._answer_s = answer_seconds(address, line)
        self._turn = turn
        self._asking = False
        self._bytes_seen = 0
        self._client = self._client_for(address, line)
        self._decode = self._client.ctx.callback_data
        self._client.ctx.callback_data = self._received  # type: ignore[method-assign]  # see _received
        for kind in (_HoldingRegisters, _InputRegisters):
            self._client.register(kind)
        self._client.ctx.execute = self._execute  # type: ignore[method-assign, assignment]  # see _execute

    def _client_for(self, address: PortAddress, line: LineSettings) -> AsyncModbusSerialClient | AsyncModbusTcpClient:
        """Return the client; its own retries and reconnections are off, they would hide what happens.

        A retry on RTU takes a late first answer for the second one's (measured, see docs of the port).
        """
        if not isinstance(address, TcpAddress):
            client = AsyncModbusSerialClient(
                str(address), framer=FramerType.RTU, reconnect_delay=0, timeout=self._answer_s, retries=0,
                trace_packet=self._trace_packet, trace_connect=self._trace_connect)
            # Its own serial transport knows neither RS-485 nor serial servers, nor where a link leads by now.
            client.ctx.call_create = lambda: serial_transport(address, line, client.ctx, self._opened)
            return client
        return AsyncModbusTcpClient(
            address.host, port=address.port, reconnect_delay=0, timeout=self._answer_s, retries=0,
            trace_packet=self._trace_packet, trace_connect=self._trace_connect)

    async def open(self) -> None:
        """Open the line; raises OSError or termios.error with the reason."""
        # The client's own connect() answers False and keeps the reason to itself.
        manager = self._client.ctx
        manager.transport, _ = await manager.call_create()

    def follow(self) -> None:
        """Raise `LineLost` where a serial line's path leads to another device by now."""
        transport = self._client.ctx.transport
        if isinstance(transport, LineTransport):
            try:
                transport.follow()
            except HungUp as elsewhere:
                raise LineLost(str(elsewhere)) from elsewhere

    def close(self) -> None:
        """Close the line; what was not sent is lost."""
        self._client.close()

    @property
    def bytes_seen(self) -> int:
        """How many bytes came since the last request; anything beyond the answer is noise or late."""
        return self._bytes_seen

    async def exchange(self, unit: int, request: Request) -> Outcome:
        """Send a request and return the registers read (none for a write), or why there are none."""
        if not self._client.connected:
            raise LineLost("the line is closed")
        self._bytes_seen = 0
        self._asking = True
        try:
            answer = await self._send(unit, request)
        except ConnectionException as lost:
            raise LineLost("hung up by the other side") from lost
        finally:
            self._asking = False
        if answer is None:
            return Failure(self._silence(), silent=True)
        return _checked(answer, unit, request)

    async def describe(self, unit: int) -> tuple[str, ...]:
        """Return what a unit says of itself (function 43/14: maker, product, version), empty where it says nothing."""
        if not self._client.connected:
            return ()
        answer = await self._client.read_device_information(read_code=1, object_id=0, device_id=unit)
        said = getattr(answer, "information", None) or {}
        return tuple(text.decode("ascii", "replace") for text in said.values() if isinstance(text, bytes))

    def _send(self, unit: int, request: Request) -> Awaitable[ModbusPDU | None]:
        client = self._client
        if isinstance(request, WriteRegisters):
            if len(request.values) == 1:
                return client.write_register(request.address, request.values[0], device_id=unit)
            return client.write_registers(request.address, list(request.values), device_id=unit)
        reads = {
            1: client.read_coils, 2: client.read_discrete_inputs,
            3: client.read_holding_registers, 4: client.read_input_registers,
        }
        return reads[request.function](request.address, count=request.count, device_id=unit)

    def _silence(self) -> str:
        within = f"within {self._answer_s:.2f} s"
        if self._bytes_seen:
            return f"no valid answer {within}: {self._bytes_seen} bytes came, none of them a frame with a good checksum"
        return f"no answer {within}"

    async def _execute(self, _no_response_expected: bool, request: ModbusPDU) -> ModbusPDU | None:  # noqa: FBT001  the client calls it so
        """Send a request and return what came of it, None where nothing did in time.

        The client's own way turns a cancellation into an error, takes a lock that nobody else wants, and takes
        twice as many turns of the event loop.
        """
        manager = self._client.ctx
        request.transaction_id = manager.getNextTID()
        manager.recv_buffer = b""
        manager.response_future = asyncio.get_running_loop().create_future()
        manager.pdu_send(request)
        return await answered(manager.response_future, self._answer_s, self._turn)

    def _received(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        """Decode, and throw away what no decoder knows: the client would raise that into the event loop."""
        try:
            return self._decode(data, addr)
        except ModbusIOException:
            return len(data)

    def _trace_packet(self, sending: bool, data: bytes) -> bytes:  # noqa: FBT001  the client calls it so
        if not sending:
            self._bytes_seen += len(data)
        return data

    def _trace_connect(self, connected: bool) -> None:  # noqa: FBT001  the client calls it so
        """End a request at once when the line is lost; the client would wait for its time-out."""
        waiting = self._client.ctx.response_future
        if not connected and self._asking and not waiting.done():
            waiting.set_exception(ConnectionException("line lost"))


def _checked(answer: ModbusPDU, unit: int, request: Request) -> Outcome:
    """Return the registers if this answer can only belong to this request, as far as Modbus lets one see."""
    wanted = _function(request)
    if answer.dev_id != unit:
        return Failure(f"{ODD}an answer of unit {answer.dev_id} instead of {unit}", doubtful=True)
    if answer.isError() and answer.function_code & 0x7F == wanted:
        code = answer.exception_code
        return Failure(exception_words(code, EXCEPTIONS.get(code, "unknown")))
    if answer.function_code != wanted:
        return Failure(f"{ODD}an answer to function {answer.function_code} instead of {wanted}", doubtful=True)
    odd = _read_oddity(answer, request) if isinstance(request, ReadRegisters) else _write_oddity(answer, request)
    if odd:
        return Failure(ODD + odd, doubtful=True)
    return _registers(answer, request) if isinstance(request, ReadRegisters) else ()


def _registers(answer: ModbusPDU, request: ReadRegisters) -> tuple[int, ...]:
    """Return what was read; bits come in whole octets, the last of them filled up."""
    if request.function in BITS:
        return tuple(map(int, answer.bits[:request.count]))
    return tuple(answer.registers)


def _read_oddity(answer: ModbusPDU, request: ReadRegisters) -> str:
    if request.function in BITS:
        wanted, got = -(-request.count // 8), len(answer.bits) // 8
        return "" if got == wanted else f"{got} octets of bits instead of {wanted}"
    got = len(answer.registers)
    return "" if got == request.count else f"{got} registers instead of {request.count}"


def _write_oddity(answer: ModbusPDU, request: WriteRegisters) -> str:
    one = len(request.values) == 1
    echoed = answer.registers == list(request.values) if one else answer.count == len(request.values)
    return "" if echoed and answer.address == request.address else "the answer to a write does not repeat it"


def _function(request: Request) -> int:
    if isinstance(request, ReadRegisters):
        return request.function
    return 6 if len(request.values) == 1 else 16

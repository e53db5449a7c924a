"""Register requests and answers as the PDUs that captures keep. Pure; written for recordings, not for the line.

Source: MODBUS Application Protocol V1.1b3, section 6; what goes over a line is made by the port's own client.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from drivers.driver import ReadRegisters, exception_code, exception_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.driver import Request

WRITE_ONE, WRITE_MANY, REFUSED = 6, 16, 0x80
BITS = frozenset({1, 2})    # the functions whose answer is bits, the first in the lowest place


def request_pdu(request: Request) -> bytes:
    """Return the PDU that asks for this."""
    if isinstance(request, ReadRegisters):
        return struct.pack(">BHH", request.function, request.address, request.count)
    if len(request.values) == 1:
        return struct.pack(">BHH", WRITE_ONE, request.address, request.values[0])
    count = len(request.values)
    return struct.pack(f">BHHB{count}H", WRITE_MANY, request.address, count, 2 * count, *request.values)


def answer_pdu(request: Request, registers: Sequence[int]) -> bytes:
    """Return the PDU of a good answer."""
    if isinstance(request, ReadRegisters) and request.function in BITS:
        bits = sum(bool(bit) << place for place, bit in enumerate(registers))
        octets = bits.to_bytes(-(-len(registers) // 8), "little")
        return bytes((request.function, len(octets))) + octets
    if isinstance(request, ReadRegisters):
        return struct.pack(f">BB{len(registers)}H", request.function, 2 * len(registers), *registers)
    return request_pdu(request)[:5]


def refusal_pdu(request: Request, why: str) -> bytes:
    """Return the PDU of a device's refusal as the port tells of it; empty where nothing came that can be kept."""
    code = exception_code(why)
    return b"" if code is None else bytes((request_pdu(request)[0] | REFUSED, code & 0xFF))


def alike(asked: bytes, recorded: bytes) -> bool:
    """Tell whether a recorded request is the one asked: the same read, or a write to the same place.

    Written values may differ: a scan has another number each time.
    """
    if asked[:1] in {b"\x06", b"\x10"}:
        return asked[:3] == recorded[:3] and len(asked) == len(recorded)
    return asked == recorded


def registers_in(answer: bytes, request: Request) -> tuple[int, ...] | str:
    """Return the registers of a recorded answer, none for a write, or why there are none."""
    function = request_pdu(request)[0]
    if len(answer) >= 2 and answer[0] == function | REFUSED:
        return exception_words(answer[1], "recorded")
    if not answer or answer[0] != function:
        return "no answer to this request in the recording"
    if not isinstance(request, ReadRegisters):
        return ()
    size = -(-request.count // 8) if request.function in BITS else 2 * request.count
    if len(answer) != 2 + size or answer[1] != size:
        return f"{len(answer)} bytes in the recorded answer to a read of {request.count} registers"
    if request.function in BITS:
        octets = int.from_bytes(answer[2:], "little")
        return tuple(octets >> place & 1 for place in range(request.count))
    return struct.unpack(f">{request.count}H", answer[2:])

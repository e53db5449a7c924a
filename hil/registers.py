"""Answer Modbus requests from a device's registers. No I/O and no clock; written from the Modbus specification.

Source: MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4, 6.6, 6.12 and 7. Shares no code with the client.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 1, 2, 3, 4, 6, 16
EXCEPTION_BIT = 0x80

# Limits of the specification: what fits a frame of 256 bytes.
READ_REGISTERS_MAX = 125
READ_BITS_MAX = 2000
WRITE_REGISTERS_MAX = 123


class Refusal(IntEnum):
    """An exception code of section 7."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3
    FAILURE = 4
    BUSY = 6
    NO_TARGET = 11


class RegisterDevice(Protocol):
    """An emulated device: registers in, registers out, and the time as an argument."""

    functions: frozenset[int]

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return `count` registers from `address`, big-endian, or the reason why not."""
        ...

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Take `values` from `address` on, all or nothing."""
        ...


@runtime_checkable
class TableDevice(RegisterDevice, Protocol):
    """An emulated device whose coils, discrete inputs, holding and input registers are tables of their own."""

    def read_table(self, function: int, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return registers big-endian; for functions 1 and 2 octets of bits, the lowest address in the lowest bit."""
        ...


def answer_pdu(device: RegisterDevice, pdu: bytes, now: Nanoseconds) -> bytes:
    """Return the answer to one request; both without address and checksum."""
    function = pdu[0]
    if function not in device.functions:
        return refusal_pdu(function, Refusal.FUNCTION)
    if function in {READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT}:
        answer = _read(device, pdu, now)
    elif function == WRITE_ONE:
        answer = _write_one(device, pdu, now)
    else:
        answer = _write_many(device, pdu, now)
    return refusal_pdu(function, answer) if isinstance(answer, Refusal) else answer


def refusal_pdu(function: int, why: int) -> bytes:
    """Return an exception answer."""
    return bytes((function & 0x7F | EXCEPTION_BIT, why))


def _read(device: RegisterDevice, pdu: bytes, now: Nanoseconds) -> bytes | Refusal:
    if len(pdu) != 5:
        return Refusal.VALUE
    address, count = struct.unpack(">HH", pdu[1:])
    if not 1 <= count <= (READ_BITS_MAX if pdu[0] in {READ_COILS, READ_DISCRETE} else READ_REGISTERS_MAX):
        return Refusal.VALUE
    if address + count > 0x10000:
        return Refusal.ADDRESS
    if isinstance(device, TableDevice):
        registers = device.read_table(pdu[0], address, count, now)
    else:
        registers = device.read(address, count, now)
    return registers if isinstance(registers, Refusal) else bytes((pdu[0], len(registers))) + registers


def _write_one(device: RegisterDevice, pdu: bytes, now: Nanoseconds) -> bytes | Refusal:
    if len(pdu) != 5:
        return Refusal.VALUE
    address, value = struct.unpack(">HH", pdu[1:])
    return device.write(address, (value,), now) or pdu


def _write_many(device: RegisterDevice, pdu: bytes, now: Nanoseconds) -> bytes | Refusal:
    if len(pdu) < 6:
        return Refusal.VALUE
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    if not 1 <= count <= WRITE_REGISTERS_MAX or size != 2 * count or len(pdu) != 6 + size:
        return Refusal.VALUE
    if address + count > 0x10000:
        return Refusal.ADDRESS
    return device.write(address, struct.unpack(f">{count}H", pdu[6:]), now) or pdu[:5]

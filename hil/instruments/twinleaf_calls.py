"""The remote calls of the emulated Twinleaf device: a table, its introspection, the protocol's error codes.

Rule: a call is answered or refused with the code the protocol has for it; it never raises towards the host.

Source: twinleaf/libtio include/tio/rpc.h, twinleaf/twinleaf-rust twinleaf-tools/src/tools/simulate.rs.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.instruments.twinleaf_packets import HAS_NAME, PAYLOAD_ROOM, packet

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_FOUND, MALFORMED, WRONG_SIZE, INVALID, READ_ONLY, NO_BUFFERS, OUT_OF_RANGE = 2, 3, 4, 5, 6, 16, 17

# The word that says what a call takes: type, size << 4, readable, writable, and 0x8000 for "is known".
RAW = 0x0000
TEXT_READ = 0x8103
U16_READ = 0x8120
U32_READ = 0x8140
U64_READ = 0x8180
U32_BOTH = 0x8340
F32_BOTH = 0x8342


class CallRefused(Exception):
    """The host asked for something that cannot be; `code` is the protocol's."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """One entry of the table: `run` takes the argument (empty: read) and returns the answer or raises."""

    name: str
    meta: int
    run: Callable[[bytes], bytes]


def reading(name: str, meta: int, read: Callable[[], bytes]) -> Call:
    """Return a call that may only be read."""
    def run(argument: bytes) -> bytes:
        if argument:
            raise CallRefused(READ_ONLY)
        return read()
    return Call(name, meta, run)


def setting_of(name: str, meta: int, read: Callable[[], bytes], write: Callable[[bytes], None]) -> Call:
    """Return a call that reads without an argument, writes with one of the right size, answers the value."""
    def run(argument: bytes) -> bytes:
        if argument:
            if len(argument) != (meta >> 4) & 0xF:
                raise CallRefused(WRONG_SIZE)
            write(argument)
        return read()
    return Call(name, meta, run)


class CallTable:
    """All calls of the device in order, with those that describe the table itself put in front."""

    def __init__(self, calls: list[Call]) -> None:
        itself = [
            Call("rpc.list", RAW, self._list),
            Call("rpc.listinfo", RAW, self._listinfo),
            Call("rpc.info", RAW, self._info),
            Call("rpc.name", RAW, self._name),
            Call("rpc.id", RAW, self._id),
            reading("rpc.hash", U32_READ, lambda: self.digest.to_bytes(4, "little")),
        ]
        self._calls = itself + calls

    @property
    def digest(self) -> int:
        """CRC-32 over name, flags, description and signature of every entry; the last two are empty here."""
        return zlib.crc32(b"".join(c.name.encode() + c.meta.to_bytes(4, "little") for c in self._calls))

    def answer(self, payload: bytes) -> bytes:
        """Return the reply or error packet to a request's payload; empty if it has not even a number."""
        if len(payload) < 4:
            return b""
        number = payload[:2]
        try:
            value = self._run(int.from_bytes(payload[2:4], "little"), payload[4:])
        except CallRefused as refused:
            return packet(4, number + refused.code.to_bytes(2, "little"))
        return packet(3, number + value)

    def _run(self, method: int, rest: bytes) -> bytes:
        if method & HAS_NAME:
            size = method ^ HAS_NAME
            if size > len(rest):
                raise CallRefused(MALFORMED)
            call, argument = self._named(rest[:size], NOT_FOUND), rest[size:]
        else:
            call, argument = self._at(method, NOT_FOUND), rest
        value = call.run(argument)
        if len(value) > PAYLOAD_ROOM - 2:
            raise CallRefused(NO_BUFFERS)
        return value

    def _named(self, name: bytes, code: int) -> Call:
        for call in self._calls:
            if call.name.encode() == name:
                return call
        raise CallRefused(code)

    def _at(self, index: int, code: int) -> Call:
        if index >= len(self._calls):
            raise CallRefused(code)
        return self._calls[index]

    def _indexed(self, argument: bytes) -> Call:
        if len(argument) != 2:
            raise CallRefused(WRONG_SIZE)
        return self._at(int.from_bytes(argument, "little"), INVALID)

    def _count(self) -> bytes:
        return len(self._calls).to_bytes(2, "little")

    def _list(self, argument: bytes) -> bytes:
        return self._indexed(argument).name.encode() if argument else self._count()

    def _listinfo(self, argument: bytes) -> bytes:
        if not argument:
            return self._count()
        call = self._indexed(argument)
        return call.meta.to_bytes(2, "little") + call.name.encode()

    def _info(self, argument: bytes) -> bytes:
        return self._named(argument, INVALID).meta.to_bytes(2, "little")

    def _name(self, argument: bytes) -> bytes:
        return self._indexed(argument).name.encode()

    def _id(self, argument: bytes) -> bytes:
        return self._calls.index(self._named(argument, INVALID)).to_bytes(2, "little")

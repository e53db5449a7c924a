"""What Twinleaf packets hold: remote calls, heartbeats, log lines, settings. No I/O and no clock.

Rule: a payload is read or refused as `Malformed`; what a later firmware adds behind it is left alone.

Source: twinleaf/libtio, include/tio/{rpc,log}.h; twinleaf/twinleaf-rust, twinleaf/src/tio/proto.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from drivers.tio import HEARTBEAT, LOG, RPC_ERROR, RPC_REPLY, RPC_REQUEST, SETTING, Malformed, Packet, text

METHOD_IS_NAME = 0x8000     # else the method is a number

RPC_ERRORS = (
    "none", "undefined", "not found", "malformed request", "wrong argument size", "invalid argument",
    "read-only", "write-only", "timeout", "busy", "wrong state", "load failed", "call after load failed",
    "save preparation failed", "save write failed", "internal error", "no buffers", "out of range",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A remote call by name. An empty argument reads a value or runs an action."""

    number: int
    method: str
    argument: bytes = b""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to the call of the same number."""

    number: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The device's error answer to a call; `code` 18 and above belong to the call itself."""

    number: int
    code: int
    text: str

    @property
    def meaning(self) -> str:
        """The protocol's words for the code."""
        return RPC_ERRORS[self.code] if self.code < len(RPC_ERRORS) else f"code {self.code} of this call"


@dataclass(frozen=True, slots=True)
class LogLine:
    """What the device prints about itself; level 0 critical, 1 error, 2 warning, 3 info, 4 debug."""

    data: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Setting:
    """A changed setting, announced by the device."""

    flags: int
    name: str
    value: bytes


def heartbeat(boot_id: int | None = None) -> Packet:
    """Return a heartbeat; a host sends it empty, a device puts its boot id in."""
    return Packet(HEARTBEAT, b"" if boot_id is None else boot_id.to_bytes(4, "little"))


def boot_id(payload: bytes) -> int | None:
    """Return the boot id of a heartbeat, None where it is empty."""
    if not payload:
        return None
    return _fields("<I", payload, "heartbeat")[0]


def encode_request(request: Request, route: bytes = b"") -> Packet:
    """Return the packet that makes the call."""
    name = request.method.encode()
    head = struct.pack("<HH", request.number, METHOD_IS_NAME | len(name))
    return Packet(RPC_REQUEST, head + name + request.argument, route)


def decode_request(payload: bytes) -> Request:
    """Return the call; one by number has the method "#number"."""
    number, method = _fields("<HH", payload, "remote call")
    if not method & METHOD_IS_NAME:
        return Request(number, f"#{method}", payload[4:])
    end = 4 + (method & ~METHOD_IS_NAME)
    if end > len(payload):
        raise Malformed(f"remote call: name ends at byte {end}, payload at {len(payload)}")
    return Request(number, text(payload[4:end]), payload[end:])


def encode_reply(reply: Reply) -> Packet:
    """Return the packet that answers."""
    return Packet(RPC_REPLY, struct.pack("<H", reply.number) + reply.value)


def decode_reply(payload: bytes) -> Reply:
    """Return the answer to a call."""
    return Reply(_fields("<H", payload, "reply")[0], payload[2:])


def encode_refusal(refusal: Refusal) -> Packet:
    """Return the packet that refuses."""
    return Packet(RPC_ERROR, struct.pack("<HH", refusal.number, refusal.code) + refusal.text.encode())


def decode_refusal(payload: bytes) -> Refusal:
    """Return the refusal of a call."""
    number, code = _fields("<HH", payload, "call error")
    return Refusal(number, code, text(payload[4:]))


def encode_log(line: LogLine) -> Packet:
    """Return the packet that carries a log line."""
    return Packet(LOG, struct.pack("<IB", line.data, line.level) + line.text.encode())


def decode_log(payload: bytes) -> LogLine:
    """Return the log line; a closing NUL, which the overview promises and the code does not, is dropped."""
    data, level = _fields("<IB", payload, "log")
    return LogLine(data, level, text(payload[5:].rstrip(b"\x00")))


def encode_setting(setting: Setting) -> Packet:
    """Return the packet that announces a setting."""
    name = setting.name.encode()
    return Packet(SETTING, bytes([len(name), setting.flags]) + name + setting.value)


def decode_setting(payload: bytes) -> Setting:
    """Return the announced setting."""
    size, flags = _fields("<BB", payload, "setting")
    if 2 + size > len(payload):
        raise Malformed(f"setting: name ends at byte {2 + size}, payload at {len(payload)}")
    return Setting(flags, text(payload[2:2 + size]), payload[2 + size:])


def _fields(layout: str, payload: bytes, what: str) -> tuple[int, ...]:
    if len(payload) < struct.calcsize(layout):
        raise Malformed(f"{what}: {len(payload)} bytes, must be {struct.calcsize(layout)} or more")
    return struct.unpack_from(layout, payload)

"""Where a device is found: a serial line, a serial server, or a TCP listener, as the configuration writes it. No I/O.

Rule: an address says what it carries, and one that could mean anything else is refused with the rule.

`tcp://` is a device (or its proxy) that speaks TCP itself: whole TIO packets, Modbus TCP. `socket://` and `rfc2217://`
are serial lines at the far end of a TCP connection: the same bytes as on a wire, SLIP and Modbus RTU with them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

RULE = (
    'must be an absolute path below /, "serial:/dev/serial/by-id/...", "tcp://HOST:PORT", or of a serial server '
    '"socket://HOST:PORT" (bytes alone) or "rfc2217://HOST:PORT" (with line settings)'
)

# A name, an IPv4 address, or an IPv6 address in brackets (RFC 3986, section 3.2.2); then the port.
TCP = re.compile(r"(tcp|socket|rfc2217)://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")


class PortTextRefused(ValueError):
    """The text names no port; the message says value and rule."""


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """A serial line by its path; /dev/serial/by-id and by-path outlive a replug, /dev/ttyUSB0 may not."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A listener elsewhere; `host` is a name or an IP address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp://{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A serial line behind a serial server: raw bytes (`socket`), or telnet with COM-port control (`rfc2217`)."""

    protocol: Literal["socket", "rfc2217"]
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}://{_bracketed(self.host)}:{self.port}"


PortAddress: TypeAlias = SerialAddress | ServerAddress | TcpAddress


def is_serial(address: PortAddress) -> bool:
    """Tell whether a serial line is at the end: framed bytes at a bit rate, a bus that several units may share."""
    return not isinstance(address, TcpAddress)


def parse_port(text: str) -> PortAddress:
    """Return the address that `text` names; raises `PortTextRefused`."""
    tcp = TCP.fullmatch(text)
    if tcp and 1 <= int(tcp[4]) <= 65535:
        return _connected(tcp[1], tcp[2] or tcp[3], int(tcp[4]))
    path = text.removeprefix("serial:")
    if path.startswith("/") and not path.endswith("/") and path.isprintable() and not path.startswith("//"):
        return SerialAddress(path)
    raise PortTextRefused(f"port = {text!r}: {RULE}")


def _connected(scheme: str, host: str, port: int) -> PortAddress:
    if scheme == "tcp":
        return TcpAddress(host, port)
    return ServerAddress("rfc2217" if scheme == "rfc2217" else "socket", host, port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

"""Where a byte stream is found: a serial line or a TCP connection, as written in the configuration. No I/O.

Rule: an address says which of the two it is, and one that could mean anything else is refused with the rule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

RULE = 'must be an absolute path below /, "serial:/dev/serial/by-id/...", or "tcp://HOST:PORT"'

# A name, an IPv4 address, or an IPv6 address in brackets (RFC 3986, section 3.2.2); then the port.
TCP = re.compile(r"tcp://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})")


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
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


PortAddress: TypeAlias = SerialAddress | TcpAddress


def parse_port(text: str) -> PortAddress:
    """Return the address that `text` names; raises `PortTextRefused`."""
    tcp = TCP.fullmatch(text)
    if tcp and 1 <= int(tcp[3]) <= 65535:
        return TcpAddress(tcp[1] or tcp[2], int(tcp[3]))
    path = text.removeprefix("serial:")
    if path.startswith("/") and not path.endswith("/") and path.isprintable() and not path.startswith("//"):
        return SerialAddress(path)
    raise PortTextRefused(f"port = {text!r}: {RULE}")

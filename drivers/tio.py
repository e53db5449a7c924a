"""Twinleaf I/O packets of the second generation, and how they follow each other over TCP. No I/O, no clock.

Rule: a packet is either wholly understood or refused as `Malformed`; nothing is guessed.

Source: twinleaf/libtio, doc/TIO Protocol Overview.md and include/tio/packet.h. All fields are
little-endian. `tio_payload`, `tio_metadata` and `tio_stream` say what packets hold; `slip` frames them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

LOG = 1
RPC_REQUEST = 2
RPC_REPLY = 3
RPC_ERROR = 4
HEARTBEAT = 5
METADATA = 11
SETTING = 12
STREAM_0 = 128      # stream N is 128 + N; stream 0 belongs to the first generation

# Kinds 0, 9, 10 and 13 are reserved, 14-62 and 66-127 not given out; 63 is made up by host libraries.
KINDS = frozenset({*range(1, 9), METADATA, SETTING, 64, 65, *range(STREAM_0, 256)})

HEADER_BYTES = 4
PAYLOAD_BYTES_MAX = 500
ROUTE_BYTES_MAX = 8
PACKET_BYTES_MAX = HEADER_BYTES + PAYLOAD_BYTES_MAX + ROUTE_BYTES_MAX


class Malformed(ValueError):
    """What a packet holds contradicts the protocol; the driver turns this into a `Fault`."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `route` holds the path through hubs, reversed; empty for the device itself."""

    kind: int
    payload: bytes
    route: bytes = b""


def pack(packet: Packet) -> bytes:
    """Return the packet's bytes, as they travel over TCP; a serial line wraps them with `slip.frame`."""
    if len(packet.payload) > PAYLOAD_BYTES_MAX or len(packet.route) > ROUTE_BYTES_MAX:
        raise ValueError(f"payload {len(packet.payload)}, route {len(packet.route)}: at most 500 and 8 bytes")
    header = struct.pack("<BBH", packet.kind, len(packet.route), len(packet.payload))
    return header + packet.payload + packet.route


def unpack(data: bytes) -> Packet:
    """Return the packet that `data` wholly is."""
    size = packet_bytes(data)
    if size is None:
        raise Malformed(f"header {data[:HEADER_BYTES].hex(' ')} is none of the protocol")
    if size != len(data):
        raise Malformed(f"kind {data[0]}: header says {size} bytes, {len(data)} came")
    route_start = size - (data[1] & 0x0F)
    return Packet(data[0], data[HEADER_BYTES:route_start], data[route_start:])


def packet_bytes(header: bytes | bytearray | memoryview) -> int | None:
    """Return the size of the packet that begins with these 4 bytes or more, None where no packet can."""
    if len(header) < HEADER_BYTES:
        return None
    route, payload = header[1] & 0x0F, header[2] | header[3] << 8
    if header[0] not in KINDS or route > ROUTE_BYTES_MAX or payload > PAYLOAD_BYTES_MAX:
        return None
    return HEADER_BYTES + payload + route


def text(data: bytes) -> str:
    """Return the device's words, safe to print: what is not printable becomes a question mark."""
    return "".join(c if c.isprintable() else "?" for c in data.decode("utf-8", "replace"))


class PacketReader:
    """Takes bytes of a TCP connection, where packets follow each other bare, and gives packets and faults.

    There is no delimiter and no checksum, so the step can only be guessed at once it is lost: an
    impossible header gives one Fault "lost step", and packets count again only where a possible header is
    followed, a packet later, by another (6 in a million bytes of noise look like that). Closing the
    connection is the sure cure; the port does so when no sample comes.
    """

    def __init__(self) -> None:
        self._part = bytearray()    # never above PACKET_BYTES_MAX + HEADER_BYTES between calls
        self._lost = False

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[bytes | Fault]:
        """Return what `chunk` completed, in order."""
        self._part += chunk
        found: list[bytes | Fault] = []
        while len(self._part) >= HEADER_BYTES:
            size = packet_bytes(self._part)
            if size is None:
                found += self._lose_step(now)
            elif len(self._part) < size + (HEADER_BYTES if self._lost else 0):
                break
            elif self._lost and packet_bytes(self._part[size:size + HEADER_BYTES]) is None:
                del self._part[0]
            else:
                self._lost = False
                found.append(bytes(self._part[:size]))
                del self._part[:size]
        return found

    def _lose_step(self, now: Nanoseconds) -> list[Fault]:
        header = self._part[:HEADER_BYTES].hex(" ")
        del self._part[0]
        if self._lost:
            return []
        self._lost = True
        return [Fault("lost step", f"{header} is no packet header: looking for two good ones in a row", now)]

"""The bytes a Twinleaf device of the second generation sends and takes, on a serial line or over TCP. No I/O.

Rule: written from the protocol's description, with nothing of the driver's; only the CRC is shared, zlib's.

Source: twinleaf/libtio, doc/TIO Protocol Overview.md, include/tio/{packet,rpc,data}.h.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

PAYLOAD_ROOM = 500
HOST_BUFFER_BYTES_MAX = 2048    # twice a packet with every byte escaped; more than that is rubbish

HAS_NAME = 1 << 15


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What stands on the device. The defaults are those of the protocol's golden frames."""

    vendor: str = "Twinleaf"
    name: str = "VMR"
    model: str = "VMR"
    serial: str = "VMR.R8.SIM"
    revision: int = 8
    firmware: str = "abc123"
    build: str = "2026-06-08/000001-SIM"

    @property
    def description(self) -> str:
        """The one line of `dev.desc`."""
        return f"{self.vendor} {self.name} R{self.revision} ({self.serial}) [{self.build}]"


@dataclass(frozen=True, slots=True)
class ColumnPlate:
    """One column as it is announced; all columns here are 32-bit floats."""

    name: str
    unit: str
    description: str


@dataclass(frozen=True, slots=True)
class SegmentState:
    """The current segment of the one stream: its number, when it began, and its rate as a fraction."""

    number: int
    start_unix_s: int
    sampling_hz: int
    decimation: int

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return self.sampling_hz / self.decimation


def packet(kind: int, payload: bytes) -> bytes:
    """Return a packet from the device itself: no route."""
    if len(payload) > PAYLOAD_ROOM:
        raise ValueError(f"payload of {len(payload)} bytes: must be {PAYLOAD_ROOM} or less")
    return bytes((kind, 0, len(payload) & 0xFF, len(payload) >> 8)) + payload


def on_serial_line(bare: bytes) -> bytes:
    """Return a packet as it travels over a serial line."""
    stuffed = bytearray((0xC0,))
    for byte in bare + struct.pack("<I", zlib.crc32(bare)):
        if byte == 0xC0:
            stuffed += b"\xdb\xdc"
        elif byte == 0xDB:
            stuffed += b"\xdb\xdd"
        else:
            stuffed.append(byte)
    stuffed.append(0xC0)
    return bytes(stuffed)


def heartbeat(boot_id: int) -> bytes:
    """Return the device's heartbeat."""
    return packet(5, struct.pack("<I", boot_id))


def setting(name: str, value: bytes) -> bytes:
    """Return the announcement of a setting."""
    return packet(12, struct.pack("BB", len(name), 0) + name.encode() + value)


def metadata(record: tuple[int, bytes], flags: int) -> bytes:
    """Return the announcement of a record; flags 1 periodic, 2 update, 4 last of a set."""
    kind, body = record
    return packet(11, bytes((kind, flags)) + body)


def device_record(plate: Nameplate, boot_id: int, streams: int) -> tuple[int, bytes]:
    """Return kind and bytes of the device's own record."""
    name, serial, firmware = plate.name.encode(), plate.serial.encode(), plate.firmware.encode()
    fixed = struct.pack("<BBIBBB", 9, len(name), boot_id, len(serial), len(firmware), streams)
    return 1, fixed + name + serial + firmware


def stream_record(stream: int, name: str, columns: int, sample_bytes: int) -> tuple[int, bytes]:
    """Return kind and bytes of a stream's record."""
    fixed = struct.pack("<BBBBHHB", 9, stream, columns, 1, sample_bytes, 100, len(name))
    return 2, fixed + name.encode()


def segment_record(stream: int, segment: SegmentState, serial: str, boot_id: int) -> tuple[int, bytes]:
    """Return kind and bytes of a segment's record: valid and active, unix epoch, no filter."""
    fixed = struct.pack(
        "<BBBBBBIIIIfB", 27, stream, segment.number, 3, 3, len(serial), boot_id,
        segment.start_unix_s, segment.sampling_hz, segment.decimation, 0.0, 0)
    return 3, fixed + serial.encode()


def column_record(stream: int, index: int, column: ColumnPlate) -> tuple[int, bytes]:
    """Return kind and bytes of a column's record."""
    name, unit, words = column.name.encode(), column.unit.encode(), column.description.encode()
    fixed = struct.pack("7B", 7, stream, index, 0x42, len(name), len(unit), len(words))
    return 4, fixed + name + unit + words


def samples(stream: int, first: int, segment: int, packed: bytes) -> bytes:
    """Return the packet that carries samples, already packed back to back."""
    return packet(128 + stream, struct.pack("<I", first | segment << 24) + packed)


class HostBytes:
    """Takes what a host sends and gives whole packets, checksums proved; the rest is counted and dropped."""

    def __init__(self, *, bare: bool) -> None:
        self._bare = bare
        self._held = b""
        self.dropped = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the packets that `chunk` completed."""
        self._held += chunk
        found = self._split_bare() if self._bare else self._split_serial()
        if len(self._held) > HOST_BUFFER_BYTES_MAX:
            self._held = b""
            self.dropped += 1
        return found

    def _split_bare(self) -> list[bytes]:
        found = []
        while len(self._held) >= 4:
            end = 4 + int.from_bytes(self._held[2:4], "little") + (self._held[1] & 15)
            if len(self._held) < end:
                break
            found.append(self._held[:end])
            self._held = self._held[end:]
        return found

    def _split_serial(self) -> list[bytes]:
        *ended, self._held = self._held.split(b"\xc0")
        found = []
        for stuffed in ended:
            bare = stuffed.replace(b"\xdb\xdc", b"\xc0").replace(b"\xdb\xdd", b"\xdb")
            if len(bare) >= 8 and zlib.crc32(bare[:-4]) == int.from_bytes(bare[-4:], "little"):
                found.append(bare[:-4])
            elif bare:
                self.dropped += 1
        return found

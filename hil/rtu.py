"""Modbus RTU frames as the emulator needs them: checksum, length of a request, time on the line. Pure.

Source: MODBUS over Serial Line V1.02, sections 2.5.1 and 6.2.2.
"""

from __future__ import annotations

# Above 19200 baud the silence between frames is fixed.
SILENCE_S = 0.00175

# Start bit, eight data bits, stop bit.
BITS_PER_CHARACTER = 10

_POLYNOMIAL = 0xA001


def _table() -> tuple[int, ...]:
    entries = []
    for start in range(256):
        value = start
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        entries.append(value)
    return tuple(entries)


_TABLE = _table()


def crc16(body: bytes) -> bytes:
    """Return the checksum in wire order, low byte first."""
    crc = 0xFFFF
    for byte in body:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def request_size(start: bytes) -> int | None:
    """Return the length of the request that begins with `start` (8 bytes or more), None if unknown."""
    if start[1] in {1, 2, 3, 4, 5, 6}:
        return 8
    return 9 + start[6] if start[1] in {15, 16} else None


def frame_seconds(characters: int, baud: int) -> float:
    """Return how long that many characters occupy the line."""
    return characters * BITS_PER_CHARACTER / baud

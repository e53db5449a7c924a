"""What a serial receiver reads when it is set to the wrong rate. Pure.

Rule: bits on the line, then samples at the receiver's own times; nothing is drawn by chance.

Eight bits, no parity, one stop bit. A receiver waits for a falling edge, looks at the middle of each of its own bit
times, and where the stop bit is not high the tty gives a zero (termios(3), without IGNPAR and PARMRK).
"""

from __future__ import annotations

FRAME_BITS = 10


def at_wrong_baud(data: bytes, ratio: float) -> bytes:
    """Return what is read of `data`, sent without pauses, at `ratio` times the sender's rate."""
    line = [bit for byte in data for bit in (0, *((byte >> place) & 1 for place in range(8)), 1)]
    bit_time = 1.0 / ratio
    heard = bytearray()
    start = _falling(line, 0)
    while start is not None:
        bits = [_level(line, start + (place + 0.5) * bit_time) for place in range(FRAME_BITS)]
        if bits[0] == 0:
            value = sum(bit << place for place, bit in enumerate(bits[1:9]))
            heard.append(value if bits[9] else 0)
            start = _falling(line, start + (FRAME_BITS - 0.5) * bit_time)
        else:
            start = _falling(line, start + 1)      # a spike shorter than half of the receiver's bit
    return bytes(heard)


def _level(line: list[int], at: float) -> int:
    return line[int(at)] if at < len(line) else 1


def _falling(line: list[int], at: float) -> int | None:
    """Return where the line next falls from high to low, None where it stays."""
    place = int(at) + (at > int(at))
    before = _level(line, place - 1) if place else 1
    while place < len(line):
        if before and not line[place]:
            return place
        before = line[place]
        place += 1
    return None

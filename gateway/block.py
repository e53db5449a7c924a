"""Gather the packets of a stream into readings of about one second. Pure.

A block never mixes two devices, two segments or two flags: what changed in between starts a new one.
"""

from __future__ import annotations

import numpy as np

from drivers.sample import Sample

BLOCK_VALUES_MAX = 6000  # 48 kB as float64: a signed record must stay below 64 KiB
STREAMS_MAX = 16         # sensors have two or three; a device that goes on inventing names fills no memory


class Block:
    """The packets of one instrument since the last reading, each stream for itself: they come interleaved."""

    def __init__(self, block_s: float) -> None:
        """Gather until the rows of a stream span `block_s` seconds."""
        self._block_s = block_s
        self._packets: dict[str, list[Sample]] = {}

    def add(self, packet: Sample) -> list[Sample]:
        """Take one packet and return the blocks it completed: none, one, or more where it started anew.

        A polled sample (no rate) is a reading of its own and passes through.
        """
        if packet.rate_hz is None:
            return [*self.flush(), packet]
        done = [] if packet.stream in self._packets or len(self._packets) < STREAMS_MAX else self.flush()
        held = self._packets.setdefault(packet.stream, [])
        if held and not continues(held[-1], packet):
            done.append(joined(held))
            held.clear()
        held.append(packet)
        rows = sum(len(one.values) for one in held)
        room = BLOCK_VALUES_MAX // len(packet.channels) - rows
        if rows >= self._block_s * packet.rate_hz or room < len(packet.values):
            done.append(joined(self._packets.pop(packet.stream)))
        return done

    def flush(self) -> list[Sample]:
        """Return what was gathered as one block for each stream; an empty list where there is nothing."""
        packets, self._packets = self._packets, {}
        return [joined(held) for held in packets.values()]


def continues(last: Sample, new: Sample) -> bool:
    """Tell whether `new` follows `last` without a gap and under the same description."""
    return (
        new.first_row == last.first_row + len(last.values)
        and (new.device, new.stream, new.channels, new.rate_hz, new.flags)
        == (last.device, last.stream, last.channels, last.rate_hz, last.flags)
    )


def joined(packets: list[Sample]) -> Sample:
    """Return one sample with the rows and the raw bytes of all, seen when its last byte arrived."""
    first, last = packets[0], packets[-1]
    return Sample(
        device=first.device,
        stream=first.stream,
        channels=first.channels,
        values=np.concatenate([packet.values for packet in packets]),
        rate_hz=first.rate_hz,
        first_row=first.first_row,
        seen_at=last.seen_at,
        raw=b"".join(packet.raw for packet in packets),
        flags=first.flags,
    )

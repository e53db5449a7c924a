"""Gather the packets of a stream into readings of about one second. Pure.

A block never mixes two devices, two segments or two flags: what changed in between starts a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivers.sample import Sample

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

BLOCK_VALUES_MAX = 6000  # 48 kB as float64: a signed record must stay below 64 KiB


class Block:
    """The packets of one stream since the last reading."""

    def __init__(self, block_s: float) -> None:
        """Gather until the rows span `block_s` seconds."""
        self._block_s = block_s
        self._packets: list[Sample] = []

    def add(self, packet: Sample) -> list[Sample]:
        """Take one packet and return the blocks it completed: none, one, or two where it started anew.

        A polled sample (no rate) is a reading of its own and passes through.
        """
        if packet.rate_hz is None:
            return [*self.flush(), packet]
        done = [] if not self._packets or continues(self._packets[-1], packet) else self.flush()
        self._packets.append(packet)
        rows = sum(len(held.values) for held in self._packets)
        room = BLOCK_VALUES_MAX // len(packet.channels) - rows
        if rows >= self._block_s * packet.rate_hz or room < len(packet.values):
            done += self.flush()
        return done

    def flush(self) -> list[Sample]:
        """Return what was gathered as one block; an empty list where there is nothing."""
        packets, self._packets = self._packets, []
        return [joined(packets)] if packets else []

    def waiting_since(self) -> Nanoseconds | None:
        """Return when the oldest packet held arrived, None where nothing is held."""
        return self._packets[0].seen_at if self._packets else None


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

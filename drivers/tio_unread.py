"""Count stream packets that came before their description, and say so where it matters. No I/O and no clock.

Rule: nothing is lost in silence, but the beginning of a stream is no loss: a device streams before anybody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.sample import Event, Fault

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

# A described line is read within 0.2 s at 115200 baud; a host that opens a line in use waits for its own backlog
# first (12 kB, a second). What is still unknown then is a fault.
GRACE_NS = 2_000_000_000


class Unread:
    """The packets of each stream that could not be read since the line was opened.

    Fault kind: "undescribed", at once when the grace is over, and with the number when a description came late.
    """

    def __init__(self, opened_at: Nanoseconds) -> None:
        self._due = opened_at + GRACE_NS
        self._packets: dict[int, int] = {}
        self._said: set[int] = set()

    def count(self, stream_id: int, now: Nanoseconds) -> list[Event]:
        """Take note of one packet; after the grace, the first of each stream is a fault."""
        self._packets[stream_id] = self._packets.get(stream_id, 0) + 1
        if now <= self._due or stream_id in self._said:
            return []
        self._said.add(stream_id)
        words = f"stream {stream_id}: packets come without their description and are not read"
        return [Fault("undescribed", words, now)]

    def described(self, stream_id: int, now: Nanoseconds) -> list[Event]:
        """Return what is to be said when a packet of this stream can be read; forget its count."""
        packets = self._packets.pop(stream_id, 0)
        self._said.discard(stream_id)
        if not packets or now <= self._due:
            return []
        words = f"stream {stream_id}: {packets} packets came before their description and were not read"
        return [Fault("undescribed", words, now)]

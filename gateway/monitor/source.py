"""Where the monitor looks: the journal, by cursor, the core's control socket, the publisher's status file. Edge.

Nothing it meets ends it: a gateway that is down is what a monitor is for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.control import Ask, ControlRefused, ask
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable
from gateway.evidence.reader import JournalReader
from gateway.evidence.record import Record, decode
from gateway.publisher.journal import payload_of
from gateway.publisher.status import read_status

if TYPE_CHECKING:
    from gateway.control import Status
    from gateway.places import Places
    from gateway.publisher.status import Status as PublisherStatus

BACK_MAX = 2000       # records looked at on starting: a minute of ten instruments and more
TURN_RECORDS_MAX = 200  # read in one turn, some 10 ms; the screen stays alive


class Source:
    """Reads what is new at each call."""

    def __init__(self, places: Places) -> None:
        """Begin a little before the journal's end."""
        self._places = places
        self._reader = JournalReader(places.journal)
        self._next: int | None = None
        self.trouble = ""

    def records(self) -> list[Record]:
        """Return the records that came since the last call, some of them where there are many."""
        try:
            size = self._reader.size()
            if self._next is None or self._next > size:  # a journal begun anew is shorter
                self._next = max(size - BACK_MAX, 0)
            stored = self._reader.records(self._next, TURN_RECORDS_MAX)
        except (JournalUnavailable, JournalCorrupt) as wrong:
            self.trouble = f"journal: {wrong}"
            return []
        self.trouble = ""
        self._next += len(stored)
        return [record for one in stored if (record := opened(one.message)) is not None]

    def raw(self, sha256: bytes) -> bytes | None:
        """Return raw data by their digest, None where they are gone."""
        try:
            found = self._reader.raw(sha256)
        except (JournalUnavailable, JournalCorrupt):
            return None
        return None if found is None else found.data

    def core(self) -> Status | None:
        """Return what the core says of itself, None where it does not answer."""
        try:
            return ask(self._places.control, Ask("status")).status
        except ControlRefused:
            return None

    def publisher(self) -> PublisherStatus | None:
        """Return what the publisher wrote last, None where it never did."""
        return read_status(self._places.publisher_state)

    def close(self) -> None:
        """Let go of the journal."""
        self._reader.close()


def opened(message: bytes) -> Record | None:
    """Return the record in a message without checking who signed it: this is a view, no proof."""
    try:
        return decode(payload_of(message))
    except RecordRefused:
        return None

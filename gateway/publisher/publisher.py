"""The loop of `spingate publish`: wait for the doorbell, the broker or the clock, then do what is due. Edge.

One thread and no queue: what is not acknowledged stays in the journal. Every wait in here has an end.
"""

from __future__ import annotations

import logging
import random
import select
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.clock import monotonic_ns
from gateway.publisher.backoff import wait_s
from gateway.publisher.courier import BrokerTooNarrow, Courier
from gateway.publisher.dialect import Dialect
from gateway.publisher.doorbell import Doorbell
from gateway.publisher.ledger import Ledger
from gateway.publisher.link import Answer, Link, Lost, Welcome
from gateway.publisher.message import checkpoint_message, status_message
from gateway.publisher.source import Away
from gateway.publisher.status import Status, write_status
from gateway.publisher.topics import Topics, level

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from gateway.publisher.link import LinkEvent
    from gateway.publisher.message import Alert
    from gateway.publisher.settings import PublisherSettings
    from gateway.publisher.source import Entry, Journal

LOG = logging.getLogger("spingate.publisher")

LEDGER_FILE = "publisher.db"
DOORBELL_FILE = "publisher.sock"
STATUS_S = 1.0          # how old the status file may be while anything changes
FAREWELL_S_MAX = 1.0    # a stop waits no longer for the last acknowledgements


@dataclass(frozen=True, slots=True)
class Reader:
    """How the journal is read: opening it, the number by which its file is known, and what an alert shows of it."""

    open: Callable[[], Journal | Away]
    inode: Callable[[], int | None]
    describe: Callable[[Entry], Alert | None]


def now_s() -> float:
    """Return seconds on the monotonic clock."""
    return monotonic_ns() / 1e9


class Publisher:
    """Everything that the second process does. `run` returns when it is told to stop."""

    def __init__(
        self,
        settings: PublisherSettings,
        gateway_id: str,
        reader: Reader,
        state_dir: Path,
        doorbell: Path | None = None,
        clock: Callable[[], float] = now_s,
        chance: random.Random | None = None,
    ) -> None:
        """Open the ledger and the doorbell. Raises `DoorbellTaken`, `BadTopicLevel`, `sqlite3.DatabaseError`."""
        self.settings, self.reader, self.state_dir, self.clock = settings, reader, state_dir, clock
        self.topics = Topics(settings.topic_prefix, level(gateway_id))
        self.chance = chance or random.Random()  # noqa: S311  # spreads reconnects, guards nothing
        self.ledger = Ledger(state_dir / LEDGER_FILE)
        self.courier = Courier(settings, self.topics, self.ledger, reader.describe, self.chance)
        self.doorbell = Doorbell(doorbell or state_dir / DOORBELL_FILE)
        self.dialect = Dialect(settings.protocol)
        self.journal: Journal | None = None
        self.journal_state = "not opened yet"
        self.journal_inode: int | None = None
        self.newest = -1
        self.link: Link | None = None
        self.link_since = self.connect_at = self.poll_at = self.status_at = 0.0
        self.failures = 0
        self.checkpoint_sent: bytes | None = None
        self.status_written: Status | None = None

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Publish until `stop` is set. `beat` is called after every turn; a turn is bounded by the waits above."""
        try:
            while not stop.is_set():
                self.turn()
                beat()
        finally:
            self._farewell()

    def turn(self) -> None:
        """Do once what is due, waiting at most `poll_ms` for something to be."""
        self._keep_link(self.clock())
        rung = self._wait()
        now = self.clock()
        self._hear(now)
        if rung or now >= self.poll_at:
            self._look(now)
        self._deliver(now)
        self._write_status(now)

    # --- waiting -----------------------------------------------------------------------------------------------

    def _wait(self) -> bool:
        """Wait for the doorbell, the broker or the next look; say whether it rang."""
        line = self.link.fileno() if self.link else None
        busy = self.link is not None and (self.link.has_more or (self.courier.hungry and self.journal is not None))
        wait = 0.0 if busy else min(max(self.poll_at - self.clock(), 0.0), self.settings.poll_ms / 1000)
        reads = [self.doorbell.fileno()] + ([] if line is None else [line])
        writes = [line] if line is not None and self.link is not None and self.link.wants_write else []
        readable, writable, _ = select.select(reads, writes, [], wait)
        if self.link is not None:
            more = self.link.has_more
            self._events(self.link.turn(readable=more or line in readable, writable=line in writable))
        return self.doorbell.fileno() in readable and self.doorbell.rung()

    # --- the broker --------------------------------------------------------------------------------------------

    def _keep_link(self, now: float) -> None:
        """Connect where it is time to."""
        if self.link is not None or now < self.connect_at:
            return
        client_id = self.settings.client_id or f"spingate-{self.topics.gateway}"
        will = status_message("offline", self.topics, "connection lost")
        try:
            self.link = Link(self.settings, client_id, self.dialect.version, will)
        except (OSError, ssl.SSLError, UnicodeDecodeError) as error:
            self._lose(Lost(f"TLS or password file: {error}"))
            return
        self.link_since = now
        self.link.connect()
        self._events(self.link.turn(readable=False, writable=False))

    def _events(self, events: list[LinkEvent]) -> None:
        now = self.clock()
        for event in events:
            if isinstance(event, Lost):
                self._lose(event)
                return
            if isinstance(event, Welcome):
                self._enter(event, now)
            elif self.courier.answer(event, now):
                self._control_answered(event)
            else:
                self.failures = 0

    def _enter(self, welcome: Welcome, now: float) -> None:
        assert_link = self.link
        if assert_link is None:
            return
        try:
            self.courier.attach(assert_link, welcome)
        except BrokerTooNarrow as error:
            self._lose(Lost(str(error)))
            return
        self.checkpoint_sent = None
        LOG.info("connected to %s:%d with MQTT %s", self.settings.broker, self.settings.port, assert_link.protocol)
        self.courier.look()
        if self.courier.may_send_control():
            self.courier.send_control(status_message("online", self.topics), now)

    def _control_answered(self, answer: Answer) -> None:
        if answer.refusal:
            self.courier.last_error = f"the broker refuses our status or checkpoint: {answer.refusal}"
            LOG.warning(self.courier.last_error)
        else:
            self.failures = 0

    def _hear(self, now: float) -> None:
        """Cut a connection that is silent: unwelcomed for too long, or unanswered for too long."""
        if self.link is None:
            return
        if not self.link.welcomed and now - self.link_since > 2 * self.settings.connect_s_max:
            self._lose(Lost("the broker did not answer our greeting"))
        elif self.courier.overdue(now):
            self._lose(Lost(f"no acknowledgement for {self.settings.ack_s_max:g} s: the link is dead"))

    def _lose(self, lost: Lost) -> None:
        """Close what is left of the connection and decide when to try again."""
        now = self.clock()
        welcomed = self.link is not None and self.link.welcomed
        if self.link is not None:
            self.link.drop()
        self.link = None
        self.courier.save()
        self.courier.detach(by_peer=lost.by_peer)
        at_once = self.dialect.lost(welcomed=welcomed, by_peer=lost.by_peer, unsupported=lost.unsupported_version)
        self.failures += not at_once
        wait = wait_s(
            self.failures, self.settings.reconnect_s_min, self.settings.reconnect_s_max, self.chance.random()
        )
        self.connect_at = now if at_once else now + wait
        self.courier.last_error = lost.reason
        LOG.warning("%s; connecting again in %.1f s", lost.reason, self.connect_at - now)

    # --- the journal -------------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        """Open the journal where it is not open, and see whether it grew or was replaced."""
        self.poll_at = now + self.settings.poll_ms / 1000
        if self.journal is not None and self.reader.inode() != self.journal_inode:
            self._away(Away("the file was replaced"))
        if self.journal is None:
            self._open()
        if self.journal is not None:
            newest = self.journal.last_index()
            if isinstance(newest, Away):
                self._away(newest)
            else:
                self.newest = newest
                self.courier.look()

    def _open(self) -> None:
        inode = self.reader.inode()
        journal = self.reader.open()
        if isinstance(journal, Away):
            self._away(journal)
            return
        self.journal, self.journal_inode = journal, inode
        away = self.courier.adopt(journal)
        if away is not None:
            self._away(away)
        else:
            LOG.info("reading the journal of %s behind record %d", self.courier.origin, self.courier.main.mark.index)
            self.journal_state = "readable"

    def _away(self, away: Away) -> None:
        """Let go of a journal that cannot be read now; the next look tries again."""
        if self.journal is not None:
            self.journal.close()
        self.journal = None
        if away.reason != self.journal_state:
            LOG.warning("the journal cannot be read: %s; waiting for the core", away.reason)
        self.journal_state = away.reason

    def _deliver(self, now: float) -> None:
        """Make the acknowledged durable, then send more."""
        self.courier.save()
        if self.journal is None or self.courier.link is None:
            return
        away = self.courier.fill(self.journal, now)
        if away is None:
            away = self._send_checkpoint(self.journal, now)
        if away is not None:
            self._away(away)

    def _send_checkpoint(self, journal: Journal, now: float) -> Away | None:
        """Publish a checkpoint newer than the last; what the journal shows is durable already."""
        note = journal.newest_checkpoint()
        if isinstance(note, Away):
            return note
        if note is not None and note != self.checkpoint_sent and self.courier.may_send_control():
            self.courier.send_control(checkpoint_message(note, self.topics), now)
            self.checkpoint_sent = note
        return None

    # --- reporting ---------------------------------------------------------------------------------------------

    def _write_status(self, now: float, *, stopped: bool = False) -> None:
        if now < self.status_at and not stopped:
            return
        self.status_at = now + STATUS_S
        status = self._status(stopped=stopped)
        if status != self.status_written:
            write_status(self.state_dir, status)
            self.status_written = status

    def _status(self, *, stopped: bool) -> Status:
        courier, connected = self.courier, self.courier.link is not None
        cursor = courier.main.mark.index
        return Status(
            state="stopped" if stopped else "connected" if connected else "connecting",
            broker=f"{self.settings.broker}:{self.settings.port}",
            protocol=self.link.protocol if self.link is not None and connected else "",
            journal=self.journal_state,
            cursor=cursor,
            newest=self.newest,
            backlog=max(self.newest - cursor, 0),
            in_flight=len(courier.expected),
            published=courier.published,
            refused=self.ledger.refused_count(),
            held={kind: lane.reason for kind, lane in courier.held.items()},
            last_error=courier.last_error,
            incidents=tuple(self.ledger.incidents()),
        )

    def _farewell(self) -> None:
        """Hear the last acknowledgements, say that we go, and put everything down."""
        link = self.link
        if link is not None and self.courier.link is not None:
            self.courier.send_control(status_message("offline", self.topics, "stopped"), self.clock())
            end = self.clock() + FAREWELL_S_MAX
            while self.link is not None and self.courier.expected and self.clock() < end:
                self.poll_at = end
                self._wait()
        self.courier.save()
        if self.link is not None:
            self.link.close()
            self.link = None
        if self.journal is not None:
            self.journal.close()
        self._write_status(self.clock(), stopped=True)
        self.doorbell.close()
        self.ledger.close()

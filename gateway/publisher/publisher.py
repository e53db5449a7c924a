"""The loop of `spingate publish`: wait for the doorbell, the broker or the clock, then do what is due. Edge.

One thread and no queue: what is not acknowledged stays in the journal. Every wait in here has an end.
"""

from __future__ import annotations

import logging
import random
import select
import ssl
from typing import TYPE_CHECKING

from gateway.clock import monotonic_ns
from gateway.publisher.alert import alert_of
from gateway.publisher.backoff import wait_s
from gateway.publisher.courier import Courier
from gateway.publisher.dialect import Dialect
from gateway.publisher.doorbell import Doorbell
from gateway.publisher.journal import open_journal
from gateway.publisher.ledger import Ledger
from gateway.publisher.link import Answer, Link, Lost, Welcome
from gateway.publisher.message import checkpoint_message, status_message
from gateway.publisher.source import Away
from gateway.publisher.status import Status, write_status
from gateway.publisher.topics import Topics, level
from gateway.publisher.window import BrokerTooNarrow

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from gateway.publisher.journal import GatewayJournal
    from gateway.publisher.link import LinkEvent
    from gateway.publisher.settings import PublisherSettings

LOG = logging.getLogger("spingate.publisher")

LEDGER_FILE = "publisher.db"
DOORBELL_FILE = "publisher.sock"
CONNECTING_S = 0.02     # a connection is made in a thread of its own; look whether it is there
WAIT_S_MAX = 0.5        # a stop, a keep alive or the watchdog waits no longer for a turn to end
CHECKPOINT_S = 0.1      # one comes a second; looking for it at each of 1000 rings a second would be in their way
STATUS_S = 0.5          # how old the status file may be while anything changes
FAREWELL_S_MAX = 1.0    # a stop waits no longer for the last acknowledgements


def now_s() -> float:
    """Return seconds on the monotonic clock."""
    return monotonic_ns() / 1e9


class Publisher:
    """Everything that the second process does. `run` returns when it is told to stop."""

    def __init__(  # noqa: PLR0913  # the clock and chance are arguments
        self,
        settings: PublisherSettings,
        gateway_id: str,
        journal_path: Path,
        state_dir: Path,
        *,
        doorbell: Path | None = None,
        clock: Callable[[], float] = now_s,
        chance: random.Random | None = None,
    ) -> None:
        """Open ledger and doorbell. Raises `DoorbellTaken`, `BadTopicLevel`, `sqlite3.DatabaseError`."""
        self.settings, self.journal_path, self.state_dir, self.clock = settings, journal_path, state_dir, clock
        self.topics = Topics(settings.topic_prefix, level(gateway_id))
        self.chance = chance or random.Random()  # noqa: S311  # spreads reconnects, guards nothing
        self.ledger = Ledger(state_dir / LEDGER_FILE)
        self.courier = Courier(settings, self.topics, self.ledger, alert_of, self.chance)
        self.doorbell = Doorbell(doorbell or state_dir / DOORBELL_FILE)
        self.dialect = Dialect(settings.protocol)
        self.journal: GatewayJournal | None = None
        self.journal_state = "not opened yet"
        self.newest, self.failures, self.checkpoint_due = -1, 0, False
        self.link: Link | None = None
        self.link_since = self.connect_at = self.poll_at = self.status_at = self.checkpoint_at = 0.0
        self.checkpoint_sent: bytes | None = None
        self.status_written: Status | None = None

    def run(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """Publish until `stop` is set. `beat` is called after every turn, and every turn has an end."""
        try:
            while not stop.is_set():
                self.turn()
                beat()
        finally:
            self._farewell()

    def turn(self) -> None:
        """Do once what is due, waiting a moment for something to be."""
        self._keep_link(self.clock())
        rung = self._wait()
        now = self.clock()
        self._hear(now)
        if rung:  # read at once: asking first how far the journal goes would keep the record waiting
            self.courier.look()
        self.checkpoint_due |= rung and now >= self.checkpoint_at
        if now >= self.poll_at or (rung and self.journal is None):
            self._look(now)
        self._deliver(now)
        self._write_status(now)

    def _wait(self) -> bool:
        """Wait for the doorbell, the broker or the next look; say whether it rang."""
        link = None if self.link is None or self.link.connecting else self.link
        line = None if link is None else link.fileno()
        reads = [self.doorbell.fileno()] + ([] if line is None else [line])
        writes = [line] if line is not None and link is not None and link.wants_write else []
        readable, writable, _ = select.select(reads, writes, [], self._wait_s(link))
        if link is not None:
            self._events(link.turn(readable=link.has_more or line in readable, writable=line in writable))
        return self.doorbell.fileno() in readable and self.doorbell.rung()

    def _wait_s(self, link: Link | None) -> float:
        """Return how long nothing can be due."""
        if link is not None and (link.has_more or (self.courier.hungry and self.journal is not None)):
            return 0.0
        longest = CONNECTING_S if self.link is not None and link is None else WAIT_S_MAX
        return min(max(self.poll_at - self.clock(), 0.0), longest)

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
        self.link.start()

    def _events(self, events: list[LinkEvent]) -> None:
        now = self.clock()
        for event in events:
            if isinstance(event, Lost):
                self._lose(event)
                return
            if isinstance(event, Welcome):
                self._enter(event, now)
            elif isinstance(event, Answer):
                self._take(event, now)

    def _take(self, answer: Answer, now: float) -> None:
        control = self.courier.answer(answer, now)
        if control and answer.refusal:
            self.courier.last_error = f"the broker refuses our status or checkpoint: {answer.refusal}"
            LOG.warning(self.courier.last_error)
        if not answer.refusal and not (control and self.courier.careful):
            self.failures = 0  # not the welcome: some welcome everybody, or take all but one record, and hang up

    def _enter(self, welcome: Welcome, now: float) -> None:
        if self.link is None:
            return
        try:
            self.courier.attach(self.link, welcome)
        except BrokerTooNarrow as error:
            self._lose(Lost(str(error)))
            return
        self.checkpoint_sent, self.checkpoint_due = None, True
        LOG.info("connected to %s:%d with MQTT %s", self.settings.broker, self.settings.port, self.link.protocol)
        self.courier.look()
        self.courier.send_control(status_message("online", self.topics), now)  # no record goes before its answer

    def _hear(self, now: float) -> None:
        """Cut a connection that is silent: unwelcomed for too long, or unanswered for too long."""
        if self.link is None:
            return
        if self.link.connecting:
            self.link_since = now
        elif not self.link.welcomed and now - self.link_since > self.settings.connect_s_max:
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
        self.courier.detach(now, by_peer=lost.by_peer)
        at_once = self.dialect.lost(welcomed=welcomed, by_peer=lost.by_peer, unsupported=lost.unsupported_version)
        self.failures += not at_once
        first, ceiling = self.settings.reconnect_s_min, self.settings.reconnect_s_max
        self.connect_at = now + (0.0 if at_once else wait_s(self.failures, first, ceiling, self.chance.random()))
        self.courier.last_error = lost.reason
        LOG.warning("%s; connecting again in %.1f s", lost.reason, self.connect_at - now)

    def _look(self, now: float) -> None:
        """Open the journal where it is not open, and see whether it grew or was replaced."""
        self.poll_at = now + self.settings.poll_ms / 1000
        if self.journal is None:
            self._open()
        newest = self.journal.last_index() if self.journal is not None else None
        if isinstance(newest, Away):
            self._away(newest)
        elif newest is not None:
            self.newest, self.checkpoint_due = newest, True
            self.courier.look()

    def _open(self) -> None:
        journal = open_journal(self.journal_path)
        if isinstance(journal, Away):
            self._away(journal)
            return
        self.journal = journal
        away = self.courier.adopt(journal)
        if away is not None:
            self._away(away)
        else:
            LOG.info("reading the journal of %s behind %d", self.courier.origin, self.courier.main.mark.index)
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

    def _send_checkpoint(self, journal: GatewayJournal, now: float) -> Away | None:
        """Publish a checkpoint newer than the last; what the journal shows is durable already."""
        if not self.checkpoint_due or not self.courier.may_send_control():
            return None
        note = journal.newest_checkpoint()
        if isinstance(note, Away):
            return note
        self.checkpoint_due, self.checkpoint_at = False, now + CHECKPOINT_S
        if note is not None and note != self.checkpoint_sent:
            self.courier.send_control(checkpoint_message(note, self.topics), now)
            self.checkpoint_sent = note
        return None

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
        cursor, newest = courier.main.mark.index, max(self.newest, courier.main.read_to)
        return Status(
            state="stopped" if stopped else "connected" if connected else "connecting",
            broker=f"{self.settings.broker}:{self.settings.port}",
            protocol=self.link.protocol if self.link is not None and connected else "",
            journal=self.journal_state,
            cursor=cursor,
            newest=newest,
            backlog=max(newest - cursor, 0),
            in_flight=len(courier.window),
            published=courier.published,
            refused=self.ledger.refused_count(),
            held={kind: lane.reason for kind, lane in courier.held.items()},
            last_error=courier.last_error,
            incidents=tuple(self.ledger.incidents()),
        )

    def _farewell(self) -> None:
        """Hear the last acknowledgements, say that we go, and put everything down."""
        if self.link is not None and self.courier.link is not None:
            self.courier.send_control(status_message("offline", self.topics, "stopped"), self.clock())
            end = self.clock() + FAREWELL_S_MAX
            while self.link is not None and self.courier.window and self.clock() < end:
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

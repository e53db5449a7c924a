"""Carries records from the journal to the broker: all in one lane, a refused kind in a lane of its own.

A record is settled when the broker acknowledged it with a good code, or when it is written down as refused.
Nothing else moves the mark, and the mark is saved before anything more is sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.evidence.cbor import RECORD_BYTES_MAX
from gateway.publisher.asides import Asides
from gateway.publisher.backoff import wait_s
from gateway.publisher.continuity import digest, what_changed
from gateway.publisher.lane import Lane, Mark, Sent
from gateway.publisher.ledger import Refused
from gateway.publisher.message import alert_message, record_message
from gateway.publisher.source import Away
from gateway.publisher.suspicion import Suspicion
from gateway.publisher.window import MESSAGES_A_RECORD_MAX, SIZE_MIN, BrokerTooNarrow, Expected, Window

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gateway.publisher.ledger import Ledger
    from gateway.publisher.link import Answer, Link, Welcome
    from gateway.publisher.message import Alert, Message
    from gateway.publisher.settings import PublisherSettings
    from gateway.publisher.source import Entry, Journal
    from gateway.publisher.topics import Topics

LOG = logging.getLogger("spingate.publisher")

# MQTT 5 section 3.4.2.1: the message itself is at fault, and stays so as long as the broker does. "Packet too large"
# (0x95) is none of the codes of an answer: mosquitto 2.0.11 sends it all the same, and paho then ends the connection;
# a record that does this is found by suspicion.
FINAL_CODES = frozenset({0x99})        # payload format invalid
INFLIGHT_BYTES_MAX = 8 * 1024 * 1024   # what a slow broker may make us hold in memory
READ_COUNT_MAX = 256                   # one reading of the journal; keeps a turn of the loop short
SENT_MAX = 4096                        # records between the mark and the reading end, settled ones included
HELD_SHARE = 4                         # a lane that catches up gets a quarter: new alarms are not kept waiting


class Courier:
    """Owns the lanes. One thread, no waiting: every method returns at once."""

    def __init__(
        self,
        settings: PublisherSettings,
        topics: Topics,
        ledger: Ledger,
        describe: Callable[[Entry], Alert | None],
        chance: random.Random,
    ) -> None:
        """Begin where the ledger says."""
        self.settings, self.topics, self.ledger = settings, topics, ledger
        self.describe, self.chance = describe, chance
        self.origin, mark = ledger.place() or ("", Mark())
        self.main = Lane(None, mark)
        self.held = {kind: Lane(kind, Mark(index), reason=why) for kind, index, why in ledger.held()}
        self.asides = Asides(ledger, settings, chance)
        self.window = Window()
        self.link: Link | None = None
        self.packet_bytes_max = settings.message_bytes_max
        self.published = 0
        self.suspicion = Suspicion()
        self.last_error = ""
        self.hungry = False

    def adopt(self, journal: Journal) -> Away | None:
        """Check that this is the journal we know. If it is another, say so and begin at its first record.

        Never the other way: a wrong guess here repeats records, it does not skip them.
        """
        origin = journal.origin()
        changed = origin if isinstance(origin, Away) else what_changed(journal, self.origin, origin, self.main.mark)
        if isinstance(changed, Away) or isinstance(origin, Away):
            return changed if isinstance(changed, Away) else None
        if changed:
            self._report(f"journal replaced: {changed}; publishing it from its first record")
            self.main, self.held = Lane(None, Mark()), {}
        self.origin = origin
        self.ledger.save(self.origin, self.main.mark, self.held.values())
        return None

    def attach(self, link: Link, welcome: Welcome) -> None:
        """Take a fresh connection. Raises `BrokerTooNarrow`."""
        self.window.size = min(self.settings.inflight_max, welcome.inflight_max)
        if self.window.size < SIZE_MIN:
            raise BrokerTooNarrow(f"the broker takes {self.window.size} messages at once: {SIZE_MIN} are needed")
        self.packet_bytes_max = min(filter(None, (self.settings.message_bytes_max, welcome.packet_bytes_max)))
        self.link = link
        self.asides.begin()

    def detach(self, now: float, *, by_peer: bool) -> None:
        """Let go of a lost connection: what was on its way will be sent again."""
        retried = self.asides.lost(now, by_peer=by_peer)
        if by_peer and not retried:
            self.suspicion.hung_up(next((sent.mark.index for sent in self.main.sent if sent.unacknowledged), None))
        self.link = None
        self.window.clear()
        for lane in self.held.values():
            if by_peer and lane.in_flight:
                self._wait_longer(lane, "the broker hung up on it", now)
        for lane in (self.main, *self.held.values()):
            lane.rewind()

    @property
    def careful(self) -> bool:
        """Say whether a suspected record travels alone now."""
        return self.suspicion.travels_alone(self.main.mark.index)

    def may_send_control(self) -> bool:
        """Say whether a status or a checkpoint may be sent now."""
        return self.link is not None and not self.careful and len(self.window) < self.window.size

    def overdue(self, now: float) -> bool:
        """Say whether the broker has been silent too long about what we sent."""
        return self.window.overdue(now, self.settings.ack_s_max)

    def look(self) -> None:
        """Learn that the journal may have grown."""
        self.main.drained = False

    def fill(self, journal: Journal, now: float) -> Away | None:
        """Send of each lane what there is and fits, one reading of the journal each; `hungry`: go on at once.

        Nothing before the first answer (to our status): a broker that hangs up on everybody accuses no record.
        """
        self.hungry = False
        if not self.window.heard:
            return None
        lanes = [] if self.careful else [lane for lane in self.held.values() if now >= lane.retry_at]
        for lane in (*lanes, self.main):
            away = self._feed(lane, journal, now)
            if away is not None:
                return away
        for lane in lanes:
            self._merge(lane)
        return self._try_again(journal, now)

    def _merge(self, lane: Lane) -> None:
        """End the lane of a kind that the broker takes again, once it has caught up with the main lane."""
        if lane.kind in self.held and lane.read_to >= self.main.read_to and not lane.sent:
            LOG.warning("the broker takes records of kind %r again", lane.kind)
            del self.held[lane.kind]
            self.ledger.save(self.origin, self.main.mark, self.held.values())

    def _feed(self, lane: Lane, journal: Journal, now: float) -> Away | None:
        budget = INFLIGHT_BYTES_MAX - sum(sent.byte_count for sent in lane.sent)
        count_max = min(self._room_for(lane), READ_COUNT_MAX)
        if self.link is None or lane.drained or budget < 1 or count_max < 1 or len(lane.sent) >= SENT_MAX:
            return None
        at_once = count_max if lane is self.main else READ_COUNT_MAX
        entries = journal.records_after(lane.read_to, at_once, budget)
        if isinstance(entries, Away):
            return entries
        before, last = lane.read_to, entries[-1].index if entries else lane.read_to
        self._check_gap(lane, entries[0].index if entries else None)
        for entry in entries:
            met = lane is not self.main and entry.index > self.main.read_to
            if met or self._room_for(lane) < 1 or not self._post(lane, entry, now):
                break
        whole = len(entries) < min(at_once, budget // RECORD_BYTES_MAX)  # no bound ended the reading: that is all
        lane.drained = lane is self.main and whole and lane.read_to == last
        self.hungry = self.hungry or (lane.read_to > before and not lane.drained and self._room_for(lane) > 0)
        return None

    def _room_for(self, lane: Lane) -> int:
        """Return how many records this lane may send now; one under suspicion or on trial travels alone."""
        room = self.window.room() // MESSAGES_A_RECORD_MAX
        if (lane is self.main and self.careful) or lane.refusals > 0:
            return min(room, 0 if lane.in_flight else 1)
        return room if lane is self.main else min(room, max(1, self.window.size // HELD_SHARE))

    def _check_gap(self, lane: Lane, first: int | None) -> None:
        if lane is self.main and first is not None and first > lane.read_to + 1:
            self._report(f"records {lane.read_to + 1} to {first - 1} were pruned before they were published")

    def _post(self, lane: Lane, entry: Entry, now: float) -> bool:
        """Send one record, or settle it at once where it is not for this lane; False: the link went down."""
        sha256 = digest(entry)
        messages = self._messages(lane, entry, sha256)
        ids: set[int] = set()
        for message in messages:
            message_id = self._send(message, Expected(now, lane))
            if message_id is None:
                return False
            ids.add(message_id)
        sent_bytes = sum(len(message.payload) for message in messages)
        lane.take(Sent(Mark(entry.index, sha256), entry.kind, sent_bytes, ids))
        return True

    def _messages(self, lane: Lane, entry: Entry, sha256: bytes) -> list[Message]:
        """Return what is to be sent of a record in this lane: nothing where it is settled elsewhere."""
        if entry.kind in self.held if lane.kind is None else entry.kind != lane.kind:
            return []
        if self.suspicion.proved(entry.index):
            why = "the broker hangs up whenever it is sent"
            self._remember(Refused(entry.index, entry.kind, len(entry.message), sha256, why))
            return []
        message = record_message(entry, sha256, self.topics)
        if message.byte_count > self.packet_bytes_max:
            size = f"its message of {message.byte_count} bytes is over the limit of {self.packet_bytes_max}"
            self._remember(Refused(entry.index, entry.kind, len(entry.message), sha256, size))
            return []
        alert = self.describe(entry) if self.settings.alerts else None
        return [message] if alert is None else [message, alert_message(entry, sha256, alert, self.topics)]

    def _try_again(self, journal: Journal, now: float) -> Away | None:
        """Send one record that was set aside once more, where it is still there and now fits."""
        ready = self.link is not None and not self.careful and self.window.room() > 0
        refused = self.asides.next(now) if ready else None
        if refused is None:
            return None
        self.hungry = True
        entries = journal.records_after(refused.record_index - 1, 1, 1)
        if isinstance(entries, Away):
            self.asides.put_back(refused)
            return entries
        if entries and entries[0].index == refused.record_index and digest(entries[0]) == refused.sha256:
            message = record_message(entries[0], refused.sha256, self.topics)
            if message.byte_count <= self.packet_bytes_max:
                if self._send(message, Expected(now, again=refused)) is None:
                    self.asides.put_back(refused)
                return None
        self.asides.answered(refused, taken=False)
        return None

    def send_control(self, message: Message, now: float) -> int | None:
        """Send a status or a checkpoint; its answer is handed back by `answer`."""
        return self._send(message, Expected(now))

    def _send(self, message: Message, expected: Expected) -> int | None:
        message_id = self.link.send(message) if self.link is not None else None
        if message_id is not None:
            self.window.note(message_id, expected)
        return message_id

    def answer(self, answer: Answer, now: float) -> bool:
        """Take one answer of the broker; say whether it was for a status or a checkpoint."""
        expected = self.window.answered(answer.message_id, now)
        if expected is None:
            return False
        if expected.again is not None:
            self.asides.answered(expected.again, taken=not answer.refusal)
        if expected.lane is not None:
            self._settle(expected.lane, answer, now)
        return expected.control

    def _settle(self, lane: Lane, answer: Answer, now: float) -> None:
        sent = lane.acknowledge(answer.message_id)
        if sent is None:
            return
        if not answer.refusal:
            if not sent.unacknowledged:
                self.published += 1
                lane.refusals = 0
        elif answer.code in FINAL_CODES:
            mark = sent.mark
            self._remember(Refused(mark.index, sent.kind, sent.byte_count, mark.sha256, answer.refusal))
        else:
            self._hold(lane, sent, answer.refusal, now)

    def _hold(self, lane: Lane, sent: Sent, reason: str, now: float) -> None:
        """Put a refused kind into its own lane, from the refused record on, and try that again later."""
        if lane is self.main:
            lane.settle_kind(sent.kind)
            lane = self.held.setdefault(sent.kind, Lane(sent.kind, Mark(sent.mark.index - 1)))
        else:
            lane.rewind()
        self.last_error = f"record {sent.mark.index}: the broker refuses kind {sent.kind!r}: {reason}"
        wait = self._wait_longer(lane, reason, now)
        LOG.warning("%s; trying again in %.1f s", self.last_error, wait)

    def _wait_longer(self, lane: Lane, reason: str, now: float) -> float:
        """Put off a refused kind, longer each time; return for how long."""
        lane.reason, lane.refusals = reason, lane.refusals + 1
        bounds = self.settings.refusal_retry_s_min, self.settings.refusal_retry_s_max
        wait = wait_s(lane.refusals, *bounds, self.chance.random())
        lane.retry_at = now + wait
        return wait

    def save(self) -> None:
        """Move the marks over what is settled and make that durable."""
        moved = [lane.advance() for lane in (self.main, *self.held.values())]
        if any(moved):
            self.ledger.save(self.origin, self.main.mark, self.held.values())

    def _remember(self, refused: Refused) -> None:
        self.ledger.refuse(refused)
        self.last_error = f"record {refused.record_index} of {refused.byte_count} bytes set aside: {refused.reason}"
        LOG.error(self.last_error)

    def _report(self, what: str) -> None:
        LOG.error(what)
        self.last_error = what
        self.ledger.note(what)

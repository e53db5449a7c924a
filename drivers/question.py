"""Ask a device one question at a time and say when its answer may no longer be taken. No I/O and no clock.

Rule: bytes answer a question only while it is open; after a silence or stray bytes the line is left quiet first.

A poll is a round of questions. Where a protocol numbers or names its answers, a late one is recognised and the
quiet time may be zero; where it does not, the quiet time keeps it from being taken for another question's.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.sample import Event, Nanoseconds

# A device may be away for a night; what is told when it is back are the first and the last complaints of it.
LATE_EVENTS_MAX = 16


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent, what it asks for in words, and how many seconds later an answer is none any more."""

    text: bytes
    about: str
    answer_s_max: float


class Inquiry:
    """The questions of one poll, in turn.

    A driver's `ask` calls `lapsed` (and perhaps `repeat`), then `begin` where `due`, then `ask`; its `feed`
    calls `answered`, `stray` or `give_up`. A poll that a slow round has swallowed is left out, not caught up on.
    """

    def __init__(self, poll_s: float, quiet_s: float = 0.0) -> None:
        """Begin a round every `poll_s`; leave the line quiet for `quiet_s` after a silence or stray bytes."""
        self._poll_ns = round(poll_s * 1e9)
        self._quiet_ns = round(quiet_s * 1e9)
        self._due: Nanoseconds | None = None
        self._todo: deque[Question] = deque()
        self._open: Question | None = None
        self._asked_at: Nanoseconds = 0
        self._quiet_until: Nanoseconds | None = None
        self._late: list[Event] = []

    @property
    def open(self) -> Question | None:
        """The question that waits for its answer."""
        return self._open

    @property
    def left(self) -> int:
        """How many questions of the round are still to be asked."""
        return len(self._todo)

    def opened(self, now: Nanoseconds) -> None:
        """Forget the round, for the line was opened anew, and begin another as soon as it has been quiet."""
        self._due = None
        self.give_up(now)

    def due(self, now: Nanoseconds) -> bool:
        """Tell whether a new round is to begin: the last is over and its time has come."""
        return self._open is None and not self._todo and (self._due is None or now >= self._due)

    def begin(self, questions: Iterable[Question], now: Nanoseconds) -> None:
        """Take up the questions of a new round."""
        self._todo = deque(questions)
        # Keep the rhythm, but do not catch up on polls that a silence has swallowed.
        self._due = max((self._due or now) + self._poll_ns, now + self._poll_ns // 2)

    def ask(self, now: Nanoseconds) -> bytes:
        """Open the next question and return its bytes; empty while one is open or the line is to be quiet."""
        if self._open is not None or not self._todo or (self._quiet_until is not None and now < self._quiet_until):
            return b""
        self._quiet_until = None
        self._open, self._asked_at = self._todo.popleft(), now
        return self._open.text

    def lapsed(self, now: Nanoseconds) -> Question | None:
        """Close the open question and return it, if its time is over; the others of the round are still asked."""
        late = self._open
        if late is None or now - self._asked_at <= late.answer_s_max * 1e9:
            return None
        self._open = None
        self.stray(now)
        return late

    def repeat(self, question: Question) -> None:
        """Ask the same again, before the others of the round; for a protocol that tells repetitions apart."""
        self._todo.appendleft(question)

    def answered(self) -> None:
        """Close the open question: its answer is there."""
        self._open = None

    def stray(self, now: Nanoseconds) -> None:
        """Take note of bytes that answer nothing: ask nothing more until the line has been quiet."""
        self._quiet_until = now + self._quiet_ns

    def give_up(self, now: Nanoseconds) -> None:
        """Close the open question, leave out the rest of the round, and let the line become quiet."""
        self._open = None
        self._todo.clear()
        self.stray(now)

    def tell_later(self, events: Iterable[Event]) -> None:
        """Keep what came of an answer that did not come: a driver tells only when it is fed."""
        self._late = [*self._late, *events]
        if len(self._late) > LATE_EVENTS_MAX:
            self._late = [*self._late[:LATE_EVENTS_MAX // 2], *self._late[-LATE_EVENTS_MAX // 2:]]

    def told_later(self) -> list[Event]:
        """Return what was kept, once."""
        late, self._late = self._late, []
        return late

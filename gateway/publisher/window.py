"""What is on its way to the broker, and how much more it takes at once. Pure.

Every message counts until it is answered, wanted or not: the broker counts the same way (Receive Maximum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.publisher.lane import Lane
    from gateway.publisher.ledger import Refused

MESSAGES_A_RECORD_MAX = 2   # the record, and for an alarm its unsigned copy
CONTROL_MESSAGES_MAX = 2    # status and checkpoint keep their place beside the records
SIZE_MIN = 3                # an alarm and one of those


@dataclass(frozen=True, slots=True)
class Expected:
    """A message on its way: since when, and for which lane or earlier refusal, if for any."""

    since: float
    lane: Lane | None = None
    again: Refused | None = None

    @property
    def control(self) -> bool:
        """Say whether it is a status or a checkpoint."""
        return self.lane is None and self.again is None


class BrokerTooNarrow(Exception):
    """The broker takes fewer messages at once than one alarm needs."""


class Window:
    """The messages of one connection that wait for their answer, oldest first."""

    def __init__(self) -> None:
        self.size, self.last_answer_at = 0, 0.0
        self.expected: dict[int, Expected] = {}
        self.heard = False  # the broker has answered something since it welcomed us

    def clear(self) -> None:
        """Forget a lost connection."""
        self.expected.clear()
        self.heard = False

    def __len__(self) -> int:
        return len(self.expected)

    def note(self, message_id: int, expected: Expected) -> None:
        """Remember a message that was sent."""
        self.expected[message_id] = expected

    def answered(self, message_id: int, now: float) -> Expected | None:
        """Take a message out; None where nothing was known of it."""
        self.last_answer_at, self.heard = now, True
        return self.expected.pop(message_id, None)

    def room(self) -> int:
        """Count the messages that records may still use."""
        return self.size - len(self) - min(CONTROL_MESSAGES_MAX, self.size - MESSAGES_A_RECORD_MAX)

    def overdue(self, now: float, s_max: float) -> bool:
        """Say whether the broker has answered nothing for too long while something waits."""
        oldest = next(iter(self.expected.values()), None)
        return oldest is not None and now - max(oldest.since, self.last_answer_at) > s_max

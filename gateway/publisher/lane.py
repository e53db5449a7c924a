"""Who was sent, who was acknowledged, and how far everything before a record is settled.

The mark moves only over an unbroken run of settled records, so nothing behind it can be missing. No I/O here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to and including record `index` is settled; `sha256` is that record's digest.

    The digest is how a journal that was replaced, or cut back and grown again, is told from the one we knew.
    """

    index: int = -1
    sha256: bytes = b""


@dataclass(slots=True)
class Sent:
    """One record on its way. `unacknowledged` holds the ids of its messages: the record and its alert."""

    mark: Mark
    kind: str
    byte_count: int
    unacknowledged: set[int]


@dataclass(slots=True)
class Lane:
    """One ordered stream of records to the broker: all kinds, or one kind that the broker had refused.

    `mark` is the settled end, `read_to` the last index taken from the journal; between them lies `sent`.
    """

    kind: str | None
    mark: Mark
    read_to: int = -1
    sent: deque[Sent] = field(default_factory=deque)
    reason: str = ""
    refusals: int = 0
    retry_at: float = 0.0
    drained: bool = False  # the last reading returned less than was asked for

    def __post_init__(self) -> None:
        """Begin to read behind the mark."""
        self.rewind()

    def rewind(self) -> None:
        """Forget what is on its way: the link is gone, and all of it will be sent again."""
        self.sent.clear()
        self.read_to = self.mark.index
        self.drained = False

    def take(self, sent: Sent) -> None:
        """Note a record as sent, or as settled at once where it has no messages."""
        self.sent.append(sent)
        self.read_to = sent.mark.index

    def acknowledge(self, message_id: int) -> Sent | None:
        """Settle one message; return its record where it is one of this lane."""
        for sent in self.sent:
            if message_id in sent.unacknowledged:
                sent.unacknowledged.discard(message_id)
                return sent
        return None

    def settle_kind(self, kind: str) -> None:
        """Hand every record of a kind over to another lane; answers still to come find nothing here."""
        for sent in self.sent:
            if sent.kind == kind:
                sent.unacknowledged.clear()

    def advance(self) -> bool:
        """Move the mark over the settled run at the front; say whether it moved."""
        before = self.mark
        while self.sent and not self.sent[0].unacknowledged:
            self.mark = self.sent.popleft().mark
        return self.mark != before

    @property
    def in_flight(self) -> int:
        """Count the messages that wait for an acknowledgement."""
        return sum(len(sent.unacknowledged) for sent in self.sent)

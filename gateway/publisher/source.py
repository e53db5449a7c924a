"""What the publisher needs of a journal, and nothing more.

A journal that cannot be read now is a value with a reason: the core may be down, starting or closed cleanly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed record: its index in the journal, its kind, and the signed bytes, untouched."""

    index: int
    kind: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Away:
    """The journal cannot be read now. Waiting is the answer; `reason` is for a technician."""

    reason: str


class Journal(Protocol):
    """A read-only view of committed records. Indices rise by one; only pruning leaves a gap."""

    def origin(self) -> str | Away:
        """Return the name that the journal's checkpoints carry."""
        ...

    def last_index(self) -> int | Away:
        """Return the newest committed record's index, -1 where there is none."""
        ...

    def records_after(self, index: int, count_max: int, bytes_max: int) -> Sequence[Entry] | Away:
        """Return the committed records behind `index`, in order.

        One at least if there is one, no more than `count_max`, none that begins after `bytes_max` bytes.
        """
        ...

    def newest_checkpoint(self) -> bytes | Away | None:
        """Return the newest durable signed checkpoint, as the text that was signed."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

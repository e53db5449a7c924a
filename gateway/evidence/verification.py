"""What a verification found: valid, invalid or unreadable, how much was checked, and where it first fails.

It says what was not checked, too: an absent check must never look like a passed one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """The three answers of `spingate verify`."""

    VALID = "valid"
    INVALID = "invalid"
    UNREADABLE = "unreadable"

    @property
    def exit_code(self) -> int:
        """Return the command's exit code."""
        return {Status.VALID: 0, Status.INVALID: 1, Status.UNREADABLE: 2}[self]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one file.

    `first_bad` is the index of the first bad record; of a bad checkpoint, the last record it covers; None
    where nothing is bad or nothing could be read. `where` and `why` say the same in words. `shown` is what was
    verified, for a person to read; `notes` is what was not, or not yet.
    """

    status: Status
    what: str
    records: int = 0
    checkpoints: int = 0
    raw: int = 0
    uncovered: int = 0
    first_bad: int | None = None
    where: str = ""
    why: str = ""
    shown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Bad(Exception):
    """The first thing that does not hold, on its way to the result."""

    def __init__(self, index: int, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.index = index
        self.where = where
        self.why = why


def ignore_progress(_done: int, _total: int) -> None:
    """Show nothing while verifying."""

"""How a conversation with the NQR head is written: as a generator of requests, fed with the answers.

A conversation holds no port and no clock; the time of the last answer stands on the `Desk`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from drivers.driver import Request

if TYPE_CHECKING:
    from drivers.sample import Event, Nanoseconds

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is due before `until`."""

    until: Nanoseconds


@dataclass(frozen=True, slots=True)
class Refused:
    """The request failed: a device exception, a time-out or a lost connection."""

    why: str


Reply: TypeAlias = Sequence[int] | Refused
Conversation: TypeAlias = Generator[Request | Pause, Reply, _T]


@dataclass(slots=True)
class Desk:
    """What every conversation sees: the time, the wish to abort, and where its events go."""

    now: Nanoseconds = 0
    aborting: bool = False
    events: list[Event] = field(default_factory=list)


def rest(desk: Desk, seconds: float) -> Conversation[None]:
    """Wait; woken early only when something is wanted of the head."""
    yield Pause(desk.now + round(seconds * 1e9))

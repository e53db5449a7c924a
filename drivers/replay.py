"""Run a recording through the instrument's own driver, in the recording's own time. No I/O and no clock here.

Rule: nothing that comes from a recording can be taken for live: every sample says that it is replayed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from drivers.pdu import alike, registers_in, request_pdu
from drivers.sample import Event, Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from drivers.capture import Chunk
    from drivers.driver import RegisterDriver, Request, StreamDriver
    from drivers.sample import Nanoseconds

REPLAYED = "replayed"   # the flag; a verdict or an alert is never made from what carries it

# A port asks its driver at least so often (drivers/port.py).
TURN_NS = 25_000_000

# A driver that asks nothing for so long beyond a recorded exchange will not ask for it any more.
UNASKED_NS = 10_000_000_000
IDLE_NS_MIN = 1_000_000

# What happened at one moment of the recording.
Moment: TypeAlias = "tuple[Nanoseconds, list[Event]]"


def marked(event: Event, now: Nanoseconds) -> Event:
    """Return the event as of now, flagged as replayed."""
    if isinstance(event, Fault):
        return replace(event, seen_at=now)
    return replace(event, seen_at=now, flags=(REPLAYED, *event.flags))


def live(event: Event) -> bool:
    """Tell whether the event is of this moment: a fault always is, a sample unless it was recorded."""
    return isinstance(event, Fault) or REPLAYED not in event.flags


def replay_stream(driver: StreamDriver, chunks: Iterable[Chunk], begin: Nanoseconds) -> Iterator[Moment]:
    """Give each turn of the port that recorded: seconds into the recording, and what came of it.

    The driver is asked as often as a port asks; what it would send goes nowhere. `begin` is when it begins.
    """
    driver.opened(begin)
    turn: Nanoseconds = 0
    for chunk in chunks:
        while turn < chunk.at:
            driver.ask(begin + turn)
            yield turn, []
            turn += TURN_NS
        driver.ask(begin + chunk.at)
        yield chunk.at, driver.feed(chunk.data, begin + chunk.at) if chunk.from_device else []


def replay_registers(driver: RegisterDriver, chunks: Iterable[Chunk], begin: Nanoseconds) -> Iterator[Moment]:
    """Answer the driver's requests with recorded answers, in their order.

    A recorded exchange that is not asked for is left out, and said. Ends with the recording.
    """
    exchanges = _Exchanges(chunks)
    at: Nanoseconds = 0
    while exchanges.upcoming() is not None:
        request = driver.ask(begin + at)
        if request is None:
            at += max(round(driver.idle_s_max * 1e9), IDLE_NS_MIN)
            exchanges.leave_before(at - UNASKED_NS)
            yield at, []
            continue
        found, left = exchanges.answer_to(request)
        at = max(at, found.at) if found else at
        events: list[Event] = []
        if left:
            words = f"{left} recorded exchanges were not asked for, before {request_pdu(request).hex()}"
            events.append(Fault("replay differs", words, begin + at))
        answer = registers_in(found.data[1:] if found else b"", request)
        if isinstance(answer, str):
            yield at, [*events, *driver.refuse(answer, begin + at)]
        else:
            yield at, [*events, *driver.answer(answer, begin + at)]


class _Exchanges:
    """Recorded questions, each with the answer that came before the next one."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self._chunks = iter(chunks)
        self._ahead: deque[Chunk] = deque()     # at most two

    def upcoming(self) -> Chunk | None:
        """Return the next recorded question, None at the end."""
        while (chunk := self._peek()) is not None and chunk.from_device:
            self._ahead.popleft()
        return chunk

    def leave_before(self, at: Nanoseconds) -> None:
        """Leave out questions that were asked before `at`."""
        while (question := self.upcoming()) is not None and question.at < at:
            self._ahead.popleft()

    def answer_to(self, request: Request) -> tuple[Chunk | None, int]:
        """Return what was answered when this was asked next, None for silence, and how many others were left out."""
        asked, left = request_pdu(request), 0
        while (question := self.upcoming()) is not None:
            self._ahead.popleft()
            answer = self._peek()
            if alike(asked, question.data[1:]):
                return (answer if answer is not None and answer.from_device else None), left
            left += 1
        return None, left

    def _peek(self) -> Chunk | None:
        if not self._ahead:
            self._ahead.extend([chunk] if (chunk := next(self._chunks, None)) else [])
        return self._ahead[0] if self._ahead else None

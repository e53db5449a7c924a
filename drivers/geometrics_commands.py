"""Send commands down a chain of counters, one at a time, each when the echo of the one before has come. Pure.

Rule: a command without its echo is said, tried again a few times, and then left: the counter may have no ear.

Source: G-882 manual, pages 39 (one command at a time; wait for its echo), 41 to 43 (the commands), 53 (ERR).
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from drivers.complaint import Complaint
from drivers.sample import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.sample import Nanoseconds

# The echo comes after the running sample and passes every counter: at 300 baud that may take a second.
ECHO_NS = 2_000_000_000
ATTEMPTS_MAX = 3

REFUSED = re.compile(rb"ERR(\d\d)?(:.*)?")
ECHO = re.compile(rb"[A-Z][\w:]*")     # what any command looks like on its way back

FORMATS = {"ascii": b"OA", "packed-bcd": b"OP", "excess-3": b"OE"}


def setup(chosen: str, cycle_ms: int) -> tuple[bytes, ...]:
    """Return the commands of an opening: who are you, the format if one is chosen, and the cycle time.

    C takes four digits of 10 ms and, where needed, a fifth of 5 ms (manual, page 41).
    """
    tens, rest = divmod(cycle_ms, 10)
    cycle = f"C{tens:04d}{5 if rest else ''}".encode()
    return (b"IV00", *((FORMATS[chosen],) if chosen in FORMATS else ()), cycle)


class Talk:
    """The commands of one opening of the line. Fault kinds: "no answer", "command refused"."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._attempts = 0          # of the first one waiting; 0 while it is not on the line
        self._deadline: Nanoseconds = 0
        self._complaint = Complaint()

    def begin(self, commands: Iterable[bytes]) -> None:
        """Forget what was under way and begin with these commands, without their carriage returns."""
        self._waiting = deque(commands)
        self._attempts = 0

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the command that is due now, again if its echo is overdue."""
        if not self._waiting or (self._attempts and now < self._deadline) or self._attempts >= ATTEMPTS_MAX:
            return b""
        self._attempts += 1
        self._deadline = now + ECHO_NS
        return self._waiting[0] + b"\r"

    def overdue(self, now: Nanoseconds) -> list[Fault]:
        """Give up a command that was tried often enough, and say so; the ones after it have their turn."""
        if self._attempts < ATTEMPTS_MAX or now < self._deadline:
            return []
        lost = self._next().decode("ascii")
        return self._complaint.failed("no answer", f"command {lost}: no echo in {ATTEMPTS_MAX} attempts", now)

    def heard(self, line: bytes, now: Nanoseconds) -> tuple[bool, list[Fault]]:
        """Tell whether a line belongs to a command, and return the fault it may be.

        An addressed counter inserts text, and F counts the counters up: what is compared is the command's beginning.
        """
        if refused := REFUSED.fullmatch(line):
            said = line.decode("ascii", "replace")
            about = f"command {self._next().decode('ascii')}: " if self._attempts else ""
            counter = f" (counter {refused[1].decode('ascii')})" if refused[1] else ""
            return True, [Fault("command refused", f"{about}{said}{counter}", now)]
        if self._attempts and line.startswith(self._waiting[0]):
            self._next()
            self._complaint.settled()
            return True, []
        return ECHO.fullmatch(line) is not None, []

    def _next(self) -> bytes:
        self._attempts = 0
        return self._waiting.popleft()

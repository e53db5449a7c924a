"""Keep Modbus devices in touch with their drivers: one bus of several units, or one TCP connection for each.

Rule: no answer is ever taken for another request's, and a silent device costs the others a bounded time.

Edge: who is asked when is in `bus_turns`, what counts as an answer in `modbus_link`, how long to wait before
opening again in `backoff`, what registers mean in the drivers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from drivers.address import PortAddress, is_serial
from drivers.backoff import reconnect_delay_s
from drivers.bus_turns import Turns
from drivers.driver import WantsQuiet
from drivers.fold import FaultFold
from drivers.life import BEAT_S, alive
from drivers.line import LINE_ERRORS, refusal
from drivers.modbus_link import Failure, LineLost, Link, answer_seconds, gap_seconds
from drivers.sample import Event, Fault, Nanoseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.driver import LineSettings, RegisterDriver, Request

Unit: TypeAlias = "tuple[int, RegisterDriver, Callable[[Event], None]]"



# An RTU answer carries neither a number nor the address it answers: one that comes after the time-out would be
# taken for the answer to the next request, and from then on all would be shifted by one (measured with pymodbus
# 3.16.1; closing and opening again does not help). So after a time-out the bus is kept quiet, and whatever comes
# is thrown away, until the slowest answer must be over: this long beyond the time-out, for a device that takes
# more than twice what it may.
LATE_S_MAX = 0.5

# Noise prolongs the quiet until nothing came for this long, but not for ever: a line that babbles is asked anyway.
CALM_S = 0.05
QUIET_S_MAX = 1.5

# After so many time-outs in a row a TCP peer may be gone without a word: connect anew.
TCP_SILENCES_MAX = 2

# See backoff.CEILING_S, which counts on it.
OPEN_S_MAX = 0.8


async def run_registers(
    address: PortAddress,
    line: LineSettings,
    units: Sequence[Unit],
    now: Callable[[], Nanoseconds],
    beat: Callable[[], None],
) -> None:
    """Run until cancelled: ask each driver, carry its request, give it the answer; open again after a loss.

    On a serial line all units share one bus; on TCP each has a connection of its own. `beat` is called at least
    every 0.5 s while every one of them is alive. Fault kinds of the port, to each of its units, folded to one
    a second: "port missing", "port busy", "port refused", "port lost", "port back". A driver tells of silence.
    """
    groups = [list(units)] if is_serial(address) else [[unit] for unit in units]
    pulse = _Pulse(len(groups), beat)
    async with asyncio.TaskGroup() as tasks:
        for place, group in enumerate(groups):
            tasks.create_task(_Bus(address, line, group, now, pulse.of(place)).run())


class _Pulse:
    """Beats when every one of several tasks has turned since the last beat: one that hangs stops it."""

    def __init__(self, tasks: int, beat: Callable[[], None]) -> None:
        self._waiting = set(range(tasks))
        self._all = frozenset(self._waiting)
        self._beat = beat

    def of(self, task: int) -> Callable[[], None]:
        """Return what that task calls on each of its turns."""
        def turn() -> None:
            self._waiting.discard(task)
            if not self._waiting:
                self._waiting.update(self._all)
                self._beat()
        return turn


@dataclass(frozen=True, slots=True, eq=False)
class _Seat:
    number: int
    driver: RegisterDriver
    deliver: Callable[[Event], None]
    fold: FaultFold = field(default_factory=FaultFold)   # of what the port itself says

    def take(self, events: list[Event]) -> None:
        for event in events:
            self.deliver(event)


class _Bus:
    """One line and its units, over all openings and losses."""

    def __init__(self, address: PortAddress, line: LineSettings, units: Sequence[Unit],
                 now: Callable[[], Nanoseconds], turn: Callable[[], None]) -> None:
        self._address = address
        self._serial = is_serial(address)
        self._line = line
        self._seats = [_Seat(*unit) for unit in units]
        self._turns = Turns(self._seats)
        self._now = now
        self._beat = turn
        self._answer_s = answer_seconds(address, line)
        # A device that is slow to leave the line may be disturbed by a request to its neighbour too.
        wishes = [unit[1].quiet_s for unit in units if self._serial and isinstance(unit[1], WantsQuiet)]
        self._gap_s = max([gap_seconds(address, line), *wishes])
        self._link: Link | None = None
        self._failures = 0              # losses and refusals of the line since an answer last came
        self._silences = 0              # requests without an answer in a row
        self._trouble = ""              # the kind of fault last said of the port; empty while it is open
        self._asked_at: Nanoseconds | None = None   # a request whose answer may still come, on RTU

    async def run(self) -> NoReturn:
        """Serve the units until cancelled."""
        while True:
            try:
                link = await self._open()
                await self._serve(link)
            except LINE_ERRORS as wrong:
                self._lose(wrong)
            finally:
                self._close()
            await self._stay_away()

    async def _open(self) -> Link:
        self._link = Link(self._address, self._line, self._turn)
        await alive(asyncio.wait_for(self._link.open(), OPEN_S_MAX), self._turn)
        if self._trouble:
            self._say("port back", f"{self._address} is open again")
        self._trouble, self._silences = "", 0
        await self._keep_quiet(self._link)
        return self._link

    async def _serve(self, link: Link) -> NoReturn:
        while True:
            self._turn()
            link.follow()
            asked = False
            for seat in self._turns.round(self._now()):
                request = seat.driver.ask(self._now())
                if request is not None:
                    asked = True
                    await self._exchange(link, seat, request)
            if not asked:
                await asyncio.sleep(min(BEAT_S, *(seat.driver.idle_s_max for seat in self._seats)))

    async def _exchange(self, link: Link, seat: _Seat, request: Request) -> None:
        """Carry one request; its driver is told either way, unless this task is cancelled."""
        if self._serial:
            await asyncio.sleep(self._gap_s)
            self._asked_at = self._now()
        try:
            outcome = await link.exchange(seat.number, request)
        except LINE_ERRORS as wrong:
            seat.take(seat.driver.refuse(f"connection lost: {wrong}", self._now()))
            raise
        if isinstance(outcome, Failure):
            seat.take(seat.driver.refuse(outcome.why, self._now()))
            await self._after(link, seat, outcome)
            return
        self._well(seat)
        seat.take(seat.driver.answer(outcome, self._now()))

    def _well(self, seat: _Seat) -> None:
        self._failures = self._silences = 0
        self._asked_at = None
        self._turns.answered(seat)

    async def _after(self, link: Link, seat: _Seat, failure: Failure) -> None:
        """Do what a failed request asks for: nothing after an exception, quiet or a new connection after silence."""
        if not (failure.silent or failure.doubtful):
            self._well(seat)
            return
        self._silences += 1
        if not self._serial and self._silences >= TCP_SILENCES_MAX:
            raise LineLost("the device does not answer")
        await self._keep_quiet(link)
        # Whoever answers oddly each time costs the others as much as one who is silent.
        self._turns.fell_silent(seat, self._now())

    async def _keep_quiet(self, link: Link) -> None:
        """Let a late answer pass; the link reads and throws away."""
        if self._asked_at is None:
            return
        until = self._asked_at + round((self._answer_s + LATE_S_MAX) * 1e9)
        latest = until + round(QUIET_S_MAX * 1e9)
        seen = link.bytes_seen
        while self._now() < until:
            await alive(asyncio.sleep(min(CALM_S, (until - self._now()) / 1e9)), self._turn)
            if link.bytes_seen != seen:
                seen = link.bytes_seen
                until = min(max(until, self._now() + round(CALM_S * 1e9)), latest)
        self._asked_at = None

    def _close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            try:
                link.close()
            except LINE_ERRORS as wrong:
                self._say("port lost", f"{self._address}: on closing: {wrong}")

    def _lose(self, wrong: Exception) -> None:
        """Say what is wrong, once for each kind until the port is open again."""
        self._failures += 1
        kind, hint = ("port lost", "") if isinstance(wrong, LineLost) else refusal(wrong)
        if kind != self._trouble:
            self._trouble = kind
            words = str(wrong) or f"no connection within {OPEN_S_MAX} s"
            self._say(kind, f"{self._address}: {words}{'; ' if hint else ''}{hint}")

    async def _stay_away(self) -> None:
        """Wait before opening again; the drivers learn that nobody is there, for their own time limits."""
        for seat in self._seats:
            if seat.driver.ask(self._now()) is not None:
                seat.take(seat.driver.refuse(f"no connection: {self._trouble}", self._now()))
        await alive(asyncio.sleep(reconnect_delay_s(max(self._failures - 1, 0))), self._turn)

    def _say(self, kind: str, detail: str) -> None:
        for seat in self._seats:
            seat.take(seat.fold.take([Fault(kind, detail, self._now())], self._now()))

    def _turn(self) -> None:
        self._beat()
        for seat in self._seats:
            seat.take(seat.fold.due(self._now()))

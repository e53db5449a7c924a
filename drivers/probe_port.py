"""Find out what is on one port: listen at every setting, then ask, each for a bounded time. Edge: lines, the clock.

Rule: the port is opened once and kept, so that no other program comes between and no adapter resets its device twice.
What is heard and asked is decided in `probe`; Modbus devices are only ever read.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias, cast

from drivers.address import SerialAddress, ServerAddress, TcpAddress
from drivers.driver import LineSettings, WriteRegisters
from drivers.line import LINE_ERRORS, HungUp, refusal
from drivers.modbus_link import Failure, Link
from drivers.probe import (
    Audience,
    Candidate,
    Found,
    Overheard,
    Report,
    listening_lines,
    questioners,
    refused,
    registers,
    speakers,
    told,
)
from drivers.telnet_line import TelnetLine, open_port

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.address import PortAddress
    from drivers.driver import RegisterDriver, StreamDriver
    from drivers.line import Line
    from drivers.sample import Identity, Nanoseconds

    AnyLine: TypeAlias = Line | TelnetLine

# Every device that speaks says something within this time, down to one line a second.
LISTEN_S = 1.2

# Where nothing answers either, the listeners get longer: there are devices that say something every few seconds.
LISTEN_PATIENTLY_S = 6.0

# One that does speak gets longer until it is understood: a sweep, a description that comes in pieces, a whole file.
LISTEN_SPEAKING_S = 7.0

# A driver's question is answered within this time (57600 baud and an oven-controlled clock that waits for its second);
# once anything comes back, it gets longer.
ASK_S = 1.3
ASK_ANSWERED_S = 4.0

SENT_BYTES_SHOWN = 32

OPEN_S_MAX = 1.5

# Many a TCP device has one connection to give, and takes a moment to see that the last one is over.
BETWEEN_S = 0.2

TURN_S = 0.025
REGISTERS_S_MAX = 3.0       # for one Modbus unit and one driver: some reads, and a time-out of 0.9 s at 9600 baud
PASSED_OVER = 2             # faults of a driver at one unit after which it is none of its devices


class PortProbe:
    """The search on one port. `stepped` hears what is done next, for a progress display."""

    def __init__(
        self, address: PortAddress, candidates: Sequence[Candidate], units: Sequence[int],
        now: Callable[[], Nanoseconds], stepped: Callable[[str], None],
    ) -> None:
        self._address = address
        self._candidates = list(candidates)
        self._units = units
        self._now = now
        self._stepped = stepped
        self._packets = isinstance(address, TcpAddress)
        self._line: AnyLine | None = None
        self._speaks = False
        self._start = b""
        self.report = Report(str(address))

    async def run(self) -> Report:
        """Search until something is found, or nothing is left to try."""
        try:
            await self._listen(LISTEN_S)
            if not self.report.found and not self._speaks:
                await self._ask_registers()
            if not self.report.found and not self.report.modbus:
                await self._ask_streams()
            if not self.report.found and not self.report.modbus and not self._speaks:
                await self._listen(LISTEN_PATIENTLY_S)
        except LINE_ERRORS as wrong:
            kind, hint = refusal(wrong)
            words = str(wrong) or "no answer"
            self.report.trouble = f"{kind}: {words}{'; ' if hint else ''}{hint}"
        finally:
            self._close()
        return self.report

    async def _listen(self, listen_s: float) -> None:
        """Let every driver of a device that speaks hear the line, at each setting; nothing is sent."""
        lines = listening_lines(self._candidates)
        for settings in lines if self._settable else lines[:1]:
            self._stepped(f"listening at {settings}" if self._settable else "listening")
            line = await self._opened(settings)
            audience = Audience(speakers(self._candidates), packets=self._packets)
            found = await self._heard(line, audience, listen_s)
            if found is not None:
                candidate, identity = found
                # A pty has no bit rate and a server may not tell: its own setting is right where it is heard there too.
                own = candidate.row.line
                line_is = settings if self._settable and not await self._also(candidate, own) else own
                self.report.found.append(Found(candidate, line_is, "heard", identity))
                return
            if audience.speaks:
                self._speaks, self._start = True, self._start or audience.start
                self.report.overheard.append(Overheard(settings, audience.count, audience.start))

    async def _also(self, candidate: Candidate, settings: LineSettings) -> bool:
        line = await self._opened(settings)
        audience = Audience([candidate], packets=self._packets)
        return await self._heard(line, audience, LISTEN_PATIENTLY_S) is not None

    async def _heard(
        self, line: AnyLine, audience: Audience, listen_s: float
    ) -> tuple[Candidate, Identity] | None:
        began = self._now()
        audience.open(began)
        while self._now() - began < (LISTEN_SPEAKING_S if audience.speaks else listen_s) * 1e9:
            if await line.readable(TURN_S):
                found = audience.feed(line.read(), self._now())
                if found is not None:
                    return found
        return None

    async def _ask_streams(self) -> None:
        """Let the drivers that may ask do so, each alone."""
        for candidate in questioners(self._candidates, self._start, speaks=self._speaks):
            self._stepped(f"asking as {candidate.row.name}")
            try:
                identity = await self._asked(await self._opened(candidate.row.line), candidate)
            except HungUp:
                if not self._packets:
                    raise
                identity = None     # a device that does not like what it reads may well hang up
                self._close()
            if identity is not None:
                self.report.found.append(Found(candidate, candidate.row.line, "asked", identity))
                return

    async def _asked(self, line: AnyLine, candidate: Candidate) -> Identity | None:
        driver = cast("StreamDriver", candidate.make(packets=self._packets))
        began, came, sent = self._now(), False, b""
        driver.opened(began)
        try:
            while self._now() - began < (ASK_ANSWERED_S if came else ASK_S) * 1e9:
                asked = driver.ask(self._now())
                sent += asked[:line.write(asked)] if asked else b""
                if not await line.readable(TURN_S):
                    continue
                chunk = line.read()
                came = came or bool(chunk)
                identity = told(driver.feed(chunk, self._now()))
                if identity is not None:
                    return identity
        finally:
            if sent:
                words = f"{shown(sent[:SENT_BYTES_SHOWN])}{', ...' if len(sent) > SENT_BYTES_SHOWN else ''}"
                self.report.sent.append(f"{candidate.row.line}: {words} (as {candidate.row.name})")
        return None

    async def _ask_registers(self) -> None:
        """Read what each Modbus driver reads first; nothing is ever written."""
        lines = list(dict.fromkeys(one.row.line for one in registers(self._candidates)))
        for settings in lines if self._settable else lines[:1]:
            link = await self._linked(settings)
            try:
                for unit in self._units:
                    await self._read_unit(link, unit, settings)
            finally:
                link.close()
            if self.report.found:
                self.report.found = [await self._at_usual(found) for found in self.report.found]
                return

    async def _at_usual(self, found: Found) -> Found:
        """Return what was found with the usual line settings, where it answers at those too or there are none."""
        usual = found.candidate.row.line
        if found.line == usual:
            return found
        if self._settable:
            link = await self._linked(usual)
            try:
                identity, _there = await self._read(link, found.unit, found.candidate, usual)
            finally:
                link.close()
            if identity is None:
                return found
        return replace(found, line=usual)

    async def _linked(self, settings: LineSettings) -> Link:
        held = None if self._packets else _Kept(await self._opened(settings))
        if self._packets:
            self._close()
            await asyncio.sleep(BETWEEN_S)
        link = Link(self._address, settings, _no_turn, cast("AnyLine | None", held))
        await asyncio.wait_for(link.open(), OPEN_S_MAX)
        return link

    async def _read_unit(self, link: Link, unit: int, settings: LineSettings) -> None:
        """Try one unit, first as the devices that are set like this; a silent one is not asked again."""
        usual = [one for one in registers(self._candidates) if one.row.line == settings]
        for candidate in [*usual, *(one for one in registers(self._candidates) if one not in usual)]:
            self._stepped(f"reading as {candidate.row.name}, unit {unit}")
            identity, there = await self._read(link, unit, candidate, settings)
            if identity is not None:
                sure = bool(identity.serial or identity.firmware)
                self.report.found.append(Found(candidate, settings, "asked", identity, sure, unit))
                self.report.modbus = [one for one in self.report.modbus if one[0] != unit]
                return
            if not there:
                return
        self.report.sent.append(f"{settings}: device identification, function 43 (unit {unit})")
        said = ", ".join(await link.describe(unit))
        self.report.modbus = [*(one for one in self.report.modbus if one[0] != unit), (unit, said)]

    async def _read(
        self, link: Link, unit: int, candidate: Candidate, settings: LineSettings
    ) -> tuple[Identity | None, bool]:
        """Return who a unit is, where this driver can read it, and whether anybody answered at all."""
        driver = cast("RegisterDriver", candidate.make(packets=self._packets))
        began, there, faults, reads = self._now(), False, 0, 0
        while self._now() - began < REGISTERS_S_MAX * 1e9 and faults < PASSED_OVER:
            request = driver.ask(self._now())
            if isinstance(request, WriteRegisters):
                break
            if request is None:
                await asyncio.sleep(min(driver.idle_s_max, TURN_S))
                continue
            reads += 1
            if reads == 1:
                words = f"function {request.function}, {request.count} from {request.address}"
                self.report.sent.append(f"{settings}: read {words} (as {candidate.row.name}, unit {unit})")
            outcome = await link.exchange(unit, request)
            if isinstance(outcome, Failure):
                driver.refuse(outcome.why, self._now())
                there = there or not (outcome.silent or outcome.doubtful)
                faults += PASSED_OVER if outcome.silent else 1
                continue
            there = True
            events = driver.answer(outcome, self._now())
            identity = told(events)
            if identity is not None and not faults:
                return identity, True
            faults += refused(events)
        return None, there

    @property
    def _settable(self) -> bool:
        address = self._address
        return isinstance(address, SerialAddress) or (
            isinstance(address, ServerAddress) and address.protocol == "rfc2217")

    async def _opened(self, settings: LineSettings) -> AnyLine:
        """Return the line at these settings: the one that is open, or where that is impossible a new one."""
        if self._line is not None and self._packets:
            self._close()       # over TCP another protocol begins with another connection
        if self._line is None:
            await asyncio.sleep(BETWEEN_S if self._packets else 0)
            self._line = await asyncio.wait_for(open_port(self._address, settings), OPEN_S_MAX)
        elif self._settable:
            await self._line.retune(settings)
        return self._line

    def _close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


def shown(data: bytes) -> str:
    """Return bytes as text where they are text, else in hexadecimal."""
    text = data.decode("ascii", "replace")
    return repr(text) if all(letter.isprintable() or letter in "\r\n\t" for letter in text) else data.hex(" ")


def _no_turn() -> None:
    """Do nothing: nobody watches a search."""


class _Kept:
    """An open line that stays open when its user closes it."""

    def __init__(self, line: AnyLine) -> None:
        self._line = line
        self.descriptor, self.read, self.write = line.descriptor, line.read, line.write
        self.readable, self.follow, self.retune = line.readable, line.follow, line.retune

    def close(self) -> None:
        """Keep it."""

"""Find out what is on one port: listen at every setting, then ask, each for a bounded time.

Rule: what is heard and asked is decided in `probe`; this file keeps the times. The line is that of `probe_line`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from drivers.line import LINE_ERRORS, HungUp, refusal
from drivers.probe import (
    Audience,
    Candidate,
    Found,
    Overheard,
    Report,
    listening_lines,
    questioners,
    speakers,
    told,
)
from drivers.probe_line import ProbeLine
from drivers.probe_modbus import UnitSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.address import PortAddress
    from drivers.driver import LineSettings, StreamDriver
    from drivers.probe_line import AnyLine
    from drivers.sample import Identity, Nanoseconds

# Every device that speaks says something within this time, down to one line a second.
LISTEN_S = 1.5

# Where nothing answers either, the listeners get longer: there are devices that say something every few seconds.
LISTEN_PATIENTLY_S = 6.0

# One that does speak gets longer until it is understood: a sweep, a description that comes in pieces, a whole file.
LISTEN_SPEAKING_S = 9.0

# A driver's question is answered within this time (57600 baud and an oven-controlled clock that waits for its second);
# once anything comes back, it gets longer.
ASK_S = 2.0
ASK_ANSWERED_S = 4.0

SENT_BYTES_SHOWN = 32

TURN_S = 0.025


class PortProbe:
    """The search on one port. `stepped` hears what is done next, for a progress display."""

    def __init__(
        self, address: PortAddress, candidates: Sequence[Candidate], units: Sequence[int],
        now: Callable[[], Nanoseconds], stepped: Callable[[str], None],
    ) -> None:
        self._candidates = list(candidates)
        self._units = units
        self._now = now
        self._stepped = stepped
        self._line = ProbeLine(address)
        self._speaks = False
        self._start = b""
        self.report = Report(str(address))

    async def run(self) -> Report:
        """Search until something is found, or nothing is left to try."""
        try:
            await self._listen(LISTEN_S)
            if not self.report.found and not self._speaks:
                await UnitSearch(self._line, self._candidates, self.report, self._now, self._stepped).run(self._units)
            if not self.report.found and not self.report.modbus:
                await self._ask_streams()
            if not self.report.found and not self.report.modbus and not self._speaks:
                await self._listen(LISTEN_PATIENTLY_S)
        except LINE_ERRORS as wrong:
            kind, hint = refusal(wrong)
            words = str(wrong) or "no answer"
            self.report.trouble = f"{kind}: {words}{'; ' if hint else ''}{hint}"
        finally:
            self._line.close()
        return self.report

    async def _listen(self, listen_s: float) -> None:
        """Let every driver of a device that speaks hear the line, at each setting; nothing is sent."""
        lines = listening_lines(self._candidates)
        for settings in lines if self._line.settable else lines[:1]:
            self._stepped(f"listening at {settings}" if self._line.settable else "listening")
            line = await self._line.opened(settings)
            audience = Audience(speakers(self._candidates), packets=self._line.packets)
            found = await self._heard(line, audience, listen_s)
            if found is not None:
                candidate, identity = found
                # A pty has no bit rate and a server may not tell: its own setting is right where it is heard there too.
                own = candidate.row.line
                line_is = settings if self._line.settable and not await self._also(candidate, own) else own
                self.report.found.append(Found(candidate, line_is, "heard", identity))
                return
            if audience.speaks:
                self._speaks, self._start = True, self._start or audience.start
                self.report.overheard.append(Overheard(settings, audience.count, audience.start))

    async def _also(self, candidate: Candidate, settings: LineSettings) -> bool:
        line = await self._line.opened(settings)
        audience = Audience([candidate], packets=self._line.packets)
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
                identity = await self._asked(await self._line.opened(candidate.row.line), candidate)
            except (HungUp, ConnectionError):
                if not self._line.packets:
                    raise
                identity = None     # a device that does not like what it reads may well hang up
                self._line.close()
            if identity is not None:
                self.report.found.append(Found(candidate, candidate.row.line, "asked", identity))
                return

    async def _asked(self, line: AnyLine, candidate: Candidate) -> Identity | None:
        driver = cast("StreamDriver", candidate.make(packets=self._line.packets))
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


def shown(data: bytes) -> str:
    """Return bytes as text where they are text, else in hexadecimal."""
    text = data.decode("ascii", "replace")
    return repr(text) if all(letter.isprintable() or letter in "\r\n\t" for letter in text) else data.hex(" ")

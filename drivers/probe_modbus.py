"""Find out which Modbus device answers, by reading what each driver reads first. Edge: the clock of its waits.

Rule: nothing is ever written, and a unit that is silent is asked once at each setting of the line.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from drivers.driver import LineSettings, WriteRegisters
from drivers.modbus_link import Failure, LineLost, Link
from drivers.probe import Candidate, Found, Report, refused, registers, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drivers.driver import RegisterDriver
    from drivers.probe_line import ProbeLine
    from drivers.sample import Identity, Nanoseconds

TURN_S = 0.025
REGISTERS_S_MAX = 3.0       # for one unit and one driver: some reads, and a time-out of 0.9 s at 9600 baud
PASSED_OVER = 2             # faults of a driver at one unit after which it is none of its devices


class UnitSearch:
    """The Modbus part of the search on one port; fills in its report."""

    def __init__(
        self, line: ProbeLine, candidates: Sequence[Candidate], report: Report,
        now: Callable[[], Nanoseconds], stepped: Callable[[str], None],
    ) -> None:
        """Take what the whole search shares."""
        self._line = line
        self._devices = registers(candidates)
        self.report = report
        self._now = now
        self._stepped = stepped

    async def run(self, units: Sequence[int]) -> None:
        """Try these units at each setting of the line, until one is found; raises one of LINE_ERRORS."""
        lines = list(dict.fromkeys(one.row.line for one in self._devices))
        for settings in lines if self._line.settable else lines[:1]:
            link = await self._line.linked(settings)
            try:
                for unit in units:
                    await self._read_unit(link, unit, settings)
            except LineLost:
                if not self._line.packets:
                    raise
                return  # a device of another kind may well hang up on what it cannot read
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
        if self._line.settable:
            link = await self._line.linked(usual)
            try:
                identity, _there = await self._read(link, found.unit, found.candidate, usual)
            finally:
                link.close()
            if identity is None:
                return found
        return replace(found, line=usual)

    async def _read_unit(self, link: Link, unit: int, settings: LineSettings) -> None:
        """Try one unit, first as the devices that are set like this; a silent one is not asked again."""
        usual = [one for one in self._devices if one.row.line == settings]
        for candidate in [*usual, *(one for one in self._devices if one not in usual)]:
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
        driver = cast("RegisterDriver", candidate.make(packets=self._line.packets))
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
            await asyncio.sleep(self._line.gap_s(settings, driver))
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

"""Any Modbus device, by a register map: what to read, how often, and what it means. No I/O and no clock in this file.

Rule: it only reads; each group of the map is a stream with its own rhythm, and each poll of it one sample.

Quantity   what the map says of each register, in the unit its map names; docs/register-map.md has the format
Range      the device's; an integer of 64 bit from 2^53 on may be rounded, which a flag tells
Line       Modbus RTU 9600 8N1 where the configuration says nothing else, or Modbus TCP
Source     MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4; the map names the device's own document
Faults     "no answer" (silence), "read refused" (an exception, or an odd answer; what else the group holds is read),
           "device changed" (a text that fills the identity is another one)

A value that could not be read is NaN, and a flag of its sample says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.complaint import Complaint
from drivers.driver import ODD, Instrument, LineSettings, SettingRefused, exception_code, is_odd
from drivers.map_group import Group
from drivers.map_identity import Texts
from drivers.map_text import MapRefused, read_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.driver import DriverOptions, ReadRegisters
    from drivers.map_tables import RegisterMap
    from drivers.sample import Event, Nanoseconds

# A port may be asked for a sign of life meanwhile.
IDLE_S_MAX = 0.25


class ModbusMap:
    """Polls the groups of a map, the one that has been due longest first; a poll is finished before the next begins.

    `poll_s` is for groups that name no poll time; 0 asks as fast as the device answers. `quiet_s` is the silence
    that the map wants before a request on a serial line.
    """

    def __init__(self, found: RegisterMap, poll_s: float = 1.0) -> None:
        self.idle_s_max = IDLE_S_MAX
        self.quiet_s = found.device.quiet_ms / 1e3
        self._texts = Texts(found)
        self._groups = [group for number in range(len(found.group))
                        if (group := Group(found, number, poll_s)).channels]
        self._complaints = {group.name: Complaint() for group in self._groups}
        self._silence = Complaint()
        self._now: Group | None = None   # the group whose poll is under way

    def ask(self, now: Nanoseconds) -> ReadRegisters | None:
        """Return the next read: of the identity where it is due, of the poll under way, or of the next one."""
        if self._now is None:
            wanted = self._texts.request(now)
            if wanted is not None:
                return wanted
            self._now = self._take_up(now)
        return self._now.request if self._now is not None else None

    def _take_up(self, now: Nanoseconds) -> Group | None:
        if not self._groups:
            return None
        first = min(self._groups, key=lambda group: -1 if group.due is None else group.due)
        if first.due is not None and now < first.due:
            self.idle_s_max = min((first.due - now) / 1e9, IDLE_S_MAX)
            return None
        first.begin(now)
        return first

    def _asked(self, now: Nanoseconds) -> ReadRegisters | None:
        return self._texts.request(now) if self._now is None else self._now.request

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Return the sample that this answer completes, if it does."""
        asked = self._asked(now)
        if asked is None or len(registers) != asked.count:
            return self.refuse(f"{ODD}{len(registers)} registers", now)
        self._silence.settled()
        if self._now is None:
            return self._texts.take(registers, now)
        self._texts.heard(now)
        self._now.take(registers)
        return self._finished(self._now, now)

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Return the fault that tells of a failed read, at first and then once a minute, and what the poll brought."""
        code = exception_code(why)
        heard = code is not None or is_odd(why)
        told: list[Event] = [] if heard else [*self._silence.failed("no answer", f"{self._texts.title}: {why}", now)]
        if self._now is None:
            return [*told, *self._texts.failed(why, now, heard=heard)]
        if code is not None:
            self._silence.settled()
            self._now.refused(code, why, now)
        else:
            self._now.skip(why, now, rest=not heard)
        told += self._finished(self._now, now, silent=not heard)
        if not heard:
            self._texts.forget()
        return told

    def _finished(self, group: Group, now: Nanoseconds, *, silent: bool = False) -> list[Event]:
        """Return the sample of a poll that is complete, and the fault of what was refused in it."""
        if group.request is not None:
            return []
        self._now = None
        sample = group.sample(self._texts.identity, now)
        complaint = self._complaints[group.name]
        if not group.notes:
            complaint.settled()
        told: list[Event] = [sample] if sample is not None else []
        if group.notes and not silent:
            told += complaint.failed("read refused", f"{group.name}: {group.notes[0]}{_more(group.notes)}", now)
        return told


def _more(notes: list[str]) -> str:
    return f", and {len(notes) - 1} more" if len(notes) > 1 else ""


def _make(options: DriverOptions) -> ModbusMap:
    if not options.map_text:
        raise SettingRefused("map = '': must name a register map: a shipped one, or a file")
    try:
        return ModbusMap(read_map(options.map_text), options.poll_s)
    except MapRefused as refused:
        raise SettingRefused(f"map: {refused}") from refused


INSTRUMENT = Instrument(
    name="modbus-map",
    title="any Modbus device, by a register map",
    quantity="whatever its map says",
    unit="the unit its map names",
    line=LineSettings(baud=9600),
    source="MODBUS Application Protocol V1.1b3; the map names the device's document",
    make=_make,
    kind="registers",
    uncertainty="as its map states for each register; none where it states none",
    needs_map=True,
)

"""One group of a register map: its poll, read after read, and the one sample that comes of it. No I/O and no clock.

Rule: what the device refuses costs its own values, told in the sample's flags; all others are read as before.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from drivers.map_columns import Columns
from drivers.map_part import FUNCTIONS, halves, parts
from drivers.map_text import bounds
from drivers.map_values import decode, values_of
from drivers.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.driver import ReadRegisters
    from drivers.map_part import Part
    from drivers.map_tables import RegisterMap
    from drivers.map_values import Floats
    from drivers.sample import Identity, Nanoseconds

# Refusals after which a part of the read may still be answered: illegal address, illegal value (a device whose
# reads are shorter than its map says), and device failure (some answer so to an absent register). A device that is
# busy, or a gateway that does not reach it, refuses the whole of it.
DIVISIBLE = frozenset({2, 3, 4})

# A refused place is left out of the polls that follow and tried again after this long, with all that was merged.
RETRY_S = 10.0

# A read that is silent or odd so many times in a row is left out as well: each time costs a whole time-out and the
# quiet after it. Once may be a disturbance of the line.
STRIKES_MAX = 2

# A sample's record holds 16 flags; that something is missing is told by every value that is not finite.
NOTES_MAX = 8

# Integers of 64 bit from here on may lose their last bits as float64; the raw bytes keep them.
ROUNDED_MIN = 2.0**53


class Group:
    """Polls one group: `begin`; then for each `request` one of `take`, `refused`, `skip`; then `sample`."""

    def __init__(self, found: RegisterMap, number: int, poll_s: float) -> None:
        """Plan the reads of group `number`; `poll_s` is for a group that names no poll time of its own."""
        table = found.group[number]
        self.name = table.name
        self.poll_ns = round(poll_s * 1e9) if table.poll_ms is None else table.poll_ms * 1_000_000
        self.due: Nanoseconds | None = None
        self.notes: list[str] = []
        values = values_of(table, found.device)
        self._columns = Columns(table)
        self.channels = self._columns.channels
        self._wide = [value.column for value in values if value.form.type in {"u64", "i64"} and value.form.bit is None]
        self._whole = parts(values, {function: bounds(found, function) for function in FUNCTIONS})
        self._parts = list(self._whole)
        self._left_out: dict[Part, str] = {}
        self._strikes: dict[Part, int] = {}
        self._whole_again_at: Nanoseconds | None = None  # None while nothing is divided
        self._undivided_until: Nanoseconds | None = None  # after a device that refused everything
        self._rest: deque[Part] = deque()
        self._row: Floats = np.empty(len(values))
        self._raw: list[bytes] = []
        self._samples = 0

    def begin(self, now: Nanoseconds) -> None:
        """Begin a poll: everything that is not left out is to be read."""
        # Keep the rhythm, but do not catch up on polls that a silence has swallowed.
        self.due = max((now if self.due is None else self.due) + self.poll_ns, now + self.poll_ns // 2)
        if self._whole_again_at is not None and now >= self._whole_again_at:
            self._join()
        self._rest = deque(self._parts)
        self._row = np.full(len(self._row), np.nan)
        self._raw = []
        self.notes = [f"{one.names} not read: {why}" for one, why in self._left_out.items()]

    @property
    def request(self) -> ReadRegisters | None:
        """The next read of this poll, None where it is complete."""
        return self._rest[0].request if self._rest else None

    def take(self, registers: Sequence[int]) -> None:
        """Take the answer to the read."""
        read = self._rest.popleft()
        self._strikes.pop(read, None)
        decode(registers, read.plan, self._row)
        self._raw.append(raw_of(read.request, registers))

    def skip(self, why: str, now: Nanoseconds, *, rest: bool) -> None:
        """Take silence, or an odd answer: do without the values of this read, or of all the `rest`, in this poll."""
        read = self._rest.popleft()
        strikes = self._strikes[read] = self._strikes.get(read, 0) + 1
        if strikes >= STRIKES_MAX and self._raw:  # others of this poll were answered
            self._leave_out(read, why, now)
        else:
            self._note(read, why)
        while rest and self._rest:
            self._note(self._rest.popleft(), why)

    def refused(self, code: int, why: str, now: Nanoseconds) -> None:
        """Take a device exception: divide the read, or do without its values."""
        hopeless = self._undivided_until is not None and now < self._undivided_until
        read = self._rest.popleft()
        divided = halves(read)
        if code not in DIVISIBLE or hopeless:
            self._note(read, why)
        elif divided is None:
            self._leave_out(read, why, now)
        else:
            self._replace(read, divided, now)
            self._rest.extendleft(reversed(divided))

    def _leave_out(self, read: Part, why: str, now: Nanoseconds) -> None:
        self._replace(read, (), now)
        self._left_out[read] = why
        self._note(read, why)

    def _replace(self, read: Part, others: tuple[Part, ...], now: Nanoseconds) -> None:
        place = self._parts.index(read)
        self._parts[place:place + 1] = others
        if self._whole_again_at is None:
            self._whole_again_at = now + round(RETRY_S * 1e9)

    def _note(self, read: Part, why: str) -> None:
        self.notes.append(f"{read.names} not read: {why}")

    def sample(self, device: Identity, now: Nanoseconds) -> Sample | None:
        """Return what the poll brought, None where that is nothing."""
        if not self._parts:
            self._join()
            self._undivided_until = now + round(RETRY_S * 1e9)
        if not self._raw:
            return None
        self._samples += 1
        values, u = self._columns.scaled(self._row)
        notes = self.notes[:NOTES_MAX]
        if self._wide and (np.abs(self._row[self._wide]) >= ROUNDED_MIN).any():
            notes.append("an integer of 2^53 or more may be rounded")
        return Sample(device, self.name, self._columns.channels, values, None, self._samples - 1, now,
                      b"".join(self._raw), tuple(notes), u)

    def _join(self) -> None:
        self._parts, self._left_out, self._strikes, self._whole_again_at = list(self._whole), {}, {}, None


def raw_of(request: ReadRegisters, registers: Sequence[int]) -> bytes:
    """Return one read as raw data keep it: function, address, count and the octets of its answer, all big-endian."""
    head = struct.pack(">BHH", request.function, request.address, request.count)
    if request.function in {1, 2}:
        return head + np.packbits(np.array(registers, np.uint8), bitorder="little").tobytes()
    return head + struct.pack(f">{request.count}H", *registers)

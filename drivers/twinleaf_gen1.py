"""Read the one stream of a Twinleaf device of the first generation. No I/O and no clock.

Rule: a row is read with the description it was sent under, or not at all.

Source: twinleaf/tio-python, tio/tio_protocol.py and tio_session.py (MIT), the vendor's own host. As that host does, a
row is told by its length: slower components stand last and are left out of the rows between theirs. What has a rate of
its own leaves here as a stream of its own, named after its sources.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drivers import tio
from drivers.sample import Event, Fault, Identity, Sample
from drivers.tio_legacy import LegacyDescription, Part
from drivers.tio_payload import Request
from drivers.tio_stream import MAKE, REBOOTED, SEGMENT_CHANGED
from drivers.tio_unread import Unread

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

DESCRIPTION_CALL = 7856
SEND_ALL_CALL = 7857

# The device answers `data.send_all` with a packet for each timebase, source and stream: some 20, 1.5 kB, 130 ms.
RETRY_NS = 1_000_000_000

NUMBER_BYTES = 4            # u32, the low half of the device's own number
NUMBERS = 1 << 32           # 50 days at 1000 a second: a gateway lives to see it begin again

# "Twinleaf VMR R8 (VMR.R8.1234) [2019-06-08/00a1b2]": vendor, name, revision, serial, date and build
DESCRIPTION = re.compile(r"(?P<vendor>\S+) (?P<name>.+) R\w+ \((?P<serial>.*)\) \[(?P<build>.*)\]")


class FirstGeneration:
    """The stream of one device. Fault kinds: "gap", "went back", "undescribed"."""

    def __init__(self) -> None:
        self._next: int | None = None       # the number that the next row must have, counted on beyond 32 bits
        self._rebooted = False
        self._before: tuple[Part, ...] = () # what the last row was read with
        self.opened(0)

    def opened(self, now: Nanoseconds) -> None:
        """Forget all that was told. The position stays: what was missed meanwhile is counted."""
        self._told = LegacyDescription()
        self._parts: tuple[Part, ...] | None = None
        self._identity: Identity | None = None
        self._unread = Unread(now)
        self._due: Nanoseconds = 0

    def reboot(self, now: Nanoseconds) -> None:
        """Believe nothing told before the boot; row numbers begin anew."""
        self.forget(now)
        self._rebooted = self._rebooted or self._next is not None
        self._next = None

    def forget(self, now: Nanoseconds) -> None:
        """Have the stream described anew, for its rate may have changed."""
        self._told = LegacyDescription()
        self._parts = None
        self._due = now

    def calls(self, now: Nanoseconds) -> list[Request]:
        """Return the calls for what is still unknown, where they are due."""
        if now < self._due:
            return []
        self._due = now + RETRY_NS
        calls = [] if self._identity else [Request(DESCRIPTION_CALL, "dev.desc")]
        return calls if self._parts else [*calls, Request(SEND_ALL_CALL, "data.send_all")]

    def take(self, kind: int, payload: bytes, raw: bytes, now: Nanoseconds) -> list[Event]:
        """Take a row, or a packet that describes rows; raises Malformed."""
        if kind == tio.STREAM_0:
            return self._stream(payload, raw, now)
        self._parts = None
        self._told.put(kind, payload)
        self._parts = self._told.parts()
        return []

    def identify(self, said: str) -> None:
        """Take the answer to `dev.desc`; empty where the device refused. What is not as expected is the model."""
        found = DESCRIPTION.fullmatch(said)
        if found is None:
            self._identity = Identity(MAKE, said, "", "")
        else:
            serial = "" if found["serial"] == "(null)" else found["serial"]
            self._identity = Identity(MAKE, found["name"], serial, found["build"])

    def _stream(self, payload: bytes, raw: bytes, now: Nanoseconds) -> list[Event]:
        parts = self._parts
        if parts is None or self._identity is None:
            return self._unread.count(0, now)
        row = payload[NUMBER_BYTES:]
        present = [part for part in parts if part.end <= len(row)]
        if not present or present[-1].end != len(row):
            ends = ", ".join(str(part.end) for part in parts)
            raise tio.Malformed(f"stream 0: a row of {len(row)} bytes, described are {ends}")
        number = self._counted(int.from_bytes(payload[:NUMBER_BYTES], "little"))
        if self._next is not None and number < self._next:
            return self._went_back(number, now)
        events = self._unread.described(0, now)
        if self._next is not None and number > self._next:
            events.append(Fault("gap", f"stream 0: {number - self._next} samples lost before {number}", now))
        self._next = number + 1
        flags = self._flags(parts)
        events += [Sample(
            self._identity, part.layout.stream.name, part.layout.channels, part.layout.read(row[part.start:part.end]),
            part.rate_hz, number // part.period, now, raw, flags) for part in present]
        return events

    def _counted(self, low: int) -> int:
        """Return the number with the 32 bits it lacks: the one that is nearest to what is due."""
        if self._next is None:
            return low
        ahead = (low - self._next) % NUMBERS
        return self._next + (ahead if ahead < NUMBERS // 2 else ahead - NUMBERS)

    def _went_back(self, number: int, now: Nanoseconds) -> list[Event]:
        # Only a boot whose announcement was lost counts anew: believe nothing told before it.
        words = f"stream 0: sample {number % NUMBERS} came where {(self._next or 0) % NUMBERS} was due"
        self.forget(now)
        self._next = None
        return [Fault("went back", words, now), *self._unread.count(0, now)]

    def _flags(self, parts: tuple[Part, ...]) -> tuple[str, ...]:
        before, self._before = self._before, parts
        if self._rebooted:
            self._rebooted = False
            return (REBOOTED,)
        return (SEGMENT_CHANGED,) if before and before != parts else ()

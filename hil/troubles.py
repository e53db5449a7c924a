"""Let faults happen to the bytes of any emulated device: seeded, in any number, one behind the other. Pure.

Rule: same seed, same bytes, same faults. Chances are counted along the bytes, not along time, so that it does not
matter in which pieces the bytes come; windows of time are counted from when the device was switched on.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Protocol

from hil.faults import BYTES
from hil.wrong_baud import at_wrong_baud

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.faults import LineFault, Window
    from hil.wire import ByteDevice

# What a stalled line may hold back: 5 s at 115200 baud. What comes then is lost.
HELD_BYTES_MAX = 65_536

# Below this a byte is struck in no run that anybody lives to see, and the arithmetic of gaps runs over.
CHANCE_MIN = 1e-18


class Stage(Protocol):
    """One fault on the way of the bytes."""

    def take(self, data: bytes, now: int) -> bytes:
        """Take what comes now, nothing included, and return what leaves now."""
        ...


class Schedule:
    """When a fault may happen. `begin` is when its time starts."""

    def __init__(self, when: Window, seed: str, begin: int) -> None:
        self._when = when
        self._seed = seed
        self._begin = begin

    def open(self, now: int) -> bool:
        """Tell whether the fault may happen now."""
        passed_s = (now - self._begin) / 1e9
        if self._when.every_s is not None:
            turn = int(passed_s // self._when.every_s)
            room_s = self._when.every_s - self._when.for_s
            start_s = turn * self._when.every_s + random.Random(f"{self._seed}/{turn}").uniform(0.0, room_s)
        elif self._when.at_s is not None:
            start_s = self._when.at_s
        else:
            return True
        return start_s <= passed_s < start_s + self._when.for_s


class Strikes:
    """Where along the bytes a chance comes true."""

    def __init__(self, chance: float, rng: random.Random) -> None:
        self._chance = chance
        self._rng = rng
        self._left = self._gap()

    def within(self, size: int) -> list[int]:
        """Return the places of all strikes among the next `size` bytes."""
        places = []
        while self._left < size:
            places.append(self._left)
            self._left += 1 + self._gap()
        self._left -= size
        return places

    def _gap(self) -> int:
        """Return how many bytes are spared: geometric, as of one throw for each byte."""
        if self._chance <= CHANCE_MIN:
            return 1 << 62
        if self._chance >= 1.0:
            return 0
        return int(math.log(1.0 - self._rng.random()) / math.log1p(-self._chance))


class Spoil:
    """Flips, drops, noise: what happens to single bytes, at once."""

    def __init__(self, fault: LineFault, rng: random.Random, schedule: Schedule) -> None:
        self._fault = fault
        self._rng = rng
        self._schedule = schedule
        self._strikes = Strikes(fault.chance, random.Random(rng.random()))     # its own: see the rule above
        self._dropping = 0

    def take(self, data: bytes, now: int) -> bytes:
        """Return the bytes with what happened to them."""
        places = self._strikes.within(len(data)) if data else []
        if not self._schedule.open(now):
            places = []
        if self._fault.kind == "flip":
            spoiled = bytearray(data)
            for place in places:
                spoiled[place] ^= 1 << self._rng.randrange(8)
            return bytes(spoiled)
        return self._dropped(data, places) if self._fault.kind == "drop" else self._noisy(data, places)

    def _dropped(self, data: bytes, places: list[int]) -> bytes:
        gone = set(range(min(self._dropping, len(data))))
        self._dropping -= len(gone)
        for place in places:
            end = place + self._fault.length
            gone.update(range(place, min(end, len(data))))
            self._dropping = max(self._dropping, end - len(data))
        return bytes(byte for place, byte in enumerate(data) if place not in gone)

    def _noisy(self, data: bytes, places: list[int]) -> bytes:
        out, start = b"", 0
        for place in places:
            out += data[start:place] + self._rng.randbytes(self._rng.randint(1, self._fault.length))
            start = place
        return out + data[start:]


class Hold:
    """Cuts, merges, delays: the line stops for a while, and everything behind waits.

    What has waited goes on in one piece, whatever else would have struck it: a line never falls behind for good.
    """

    def __init__(self, fault: LineFault, rng: random.Random, schedule: Schedule) -> None:
        self._fault = fault
        self._schedule = schedule
        self._strikes = Strikes(fault.chance, rng)
        self._held = b""
        self._until: int | None = None

    def take(self, data: bytes, now: int) -> bytes:
        """Return what may go on; bytes that the line has no room for are lost."""
        if self._until is not None:
            self._held += data[:HELD_BYTES_MAX - len(self._held)]
            self._strikes.within(len(data))
            full = self._fault.kind == "merge" and len(self._held) >= self._fault.length
            if now < self._until and not full:
                return b""
            out, self._held, self._until = self._held, b"", None
            return out
        places = self._strikes.within(len(data)) if data else []
        if not places or not self._schedule.open(now):
            return data
        self._until = now + round(self._fault.pause_s * 1e9)
        self._held = data[places[0]:]
        return data[:places[0]]


class Change:
    """Silence and the wrong baud rate: what happens to everything while it lasts."""

    def __init__(self, fault: LineFault, schedule: Schedule) -> None:
        self._fault = fault
        self._schedule = schedule

    def take(self, data: bytes, now: int) -> bytes:
        """Return nothing, or what a receiver makes of it."""
        if not data or not self._schedule.open(now):
            return data
        return at_wrong_baud(data, self._fault.ratio) if self._fault.kind == "baud" else b""


class Troubles:
    """Every fault of bytes on one way of a line, in the order in which they were given."""

    def __init__(self, faults: Sequence[LineFault], seed: int, begin: int, way: str) -> None:
        self._stages = [
            _stage(fault, f"{seed}/{way}/{place}", begin)
            for place, fault in enumerate(faults) if fault.way in {way, "both"} and fault.kind in BYTES]

    def take(self, data: bytes, now: int) -> bytes:
        """Return what leaves now; call it again, with nothing, for what was held back."""
        for stage in self._stages:
            data = stage.take(data, now)
        return data


def _stage(fault: LineFault, seed: str, begin: int) -> Stage:
    schedule = Schedule(fault.when, seed, begin)
    if fault.kind in {"flip", "drop", "noise"}:
        return Spoil(fault, random.Random(seed), schedule)
    if fault.kind in {"cut", "merge", "delay"}:
        return Hold(fault, random.Random(seed), schedule)
    return Change(fault, schedule)


class Cable:
    """When the cable is pulled, as the faults say."""

    def __init__(self, faults: Sequence[LineFault], seed: int, begin: int) -> None:
        self._schedules = [
            Schedule(fault.when, f"{seed}/unplug/{place}", begin)
            for place, fault in enumerate(faults) if fault.kind == "unplug"]

    def away(self, now: int) -> bool:
        """Tell whether it is out."""
        return any(schedule.open(now) for schedule in self._schedules)


class TroubledDevice:
    """A device at the far end of a bad line; itself it is well. Put it on any wire in its place."""

    def __init__(self, device: ByteDevice, faults: Sequence[LineFault], seed: int, begin: int) -> None:
        self._device = device
        self._from = Troubles(faults, seed, begin, "from")
        self._to = Troubles(faults, seed, begin, "to")

    def opened(self, now: int) -> bytes:
        """Pass on."""
        return self._from.take(self._device.opened(now), now)

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Pass on what is left of the host's bytes."""
        heard = self._to.take(chunk, now)
        return self._from.take(self._device.feed(heard, now), now) if heard else b""

    def poll(self, now: int) -> bytes:
        """Return what the device says, and what the line held back."""
        heard = self._to.take(b"", now)
        said = (self._device.feed(heard, now) if heard else b"") + self._device.poll(now)
        return self._from.take(said, now)

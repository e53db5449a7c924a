"""A lane controller with a gate, a light barrier and an emergency stop, written from docs/register-map.md.

Rule: contacts and counters follow from the time since power-on alone, so that a scene is the same in every run.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.emulated import Emulated
from hil.registers import Refusal

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from hil.emulated import Wish

# Discrete inputs.
OBJECT_PRESENT, GATE_OPEN, GATE_CLOSED, ESTOP_CIRCUIT = range(4)

# Input registers: a counter that runs while the program does, and the objects that passed, high word first.
HEARTBEAT, OBJECTS_HIGH, OBJECTS_LOW = range(3)
HEARTBEATS_PER_S = 10

# Holding registers: texts, two characters each.
SERIAL, SERIAL_REGISTERS = 100, 8
FIRMWARE, FIRMWARE_REGISTERS = 108, 4

# One passage: the gate opens, the object goes through the light barrier, the gate closes.
GATE_TRAVEL_S = 2.0
BARRIER_FROM_S, BARRIER_TO_S = 4.0, 12.0
GATE_FALLS_S = 14.0
PASSAGE_EVERY_S = 30.0

# One object that is screened: it comes in, the gate closes behind it, it stands for a minute, it leaves.
STANDS_FROM_S, STANDS_TO_S = 4.0, 66.0
STANDING_OPEN_S = ((2.0, 8.0), (64.0, 70.0))
STANDING_CLOSED_S = ((10.0, 62.0), (72.0, math.inf))
STANDING_EVERY_S = 90.0

# The scene e-stop: pressed so long in each round, with an object in the barrier and the gate where it was.
ESTOP_FROM_S, ESTOP_TO_S = 6.0, 16.0

SCENES = ("idle", "passing", "standing", "e-stop", "gate-stuck")
LEAVES_S = {"passing": BARRIER_TO_S, "standing": STANDS_TO_S}


@dataclass(frozen=True, slots=True)
class Contacts:
    """What the contacts say at one moment."""

    present: bool = False
    gate_open: bool = False
    gate_closed: bool = True
    estop_circuit: bool = True

    def bits(self) -> tuple[bool, ...]:
        """The discrete inputs in the order of their addresses."""
        return self.present, self.gate_open, self.gate_closed, self.estop_circuit


class LanePlc:
    """The controller's tables. `every_s` is the time from one object to the next, None for the scene's own."""

    functions = frozenset({2, 3, 4, 6, 16})

    def __init__(self, start: Nanoseconds, scene: str = "idle", seed: int = 1,
                 every_s: float | None = None) -> None:
        self._start = start
        self._scene = scene
        self._every_s = every_s or (STANDING_EVERY_S if scene == "standing" else PASSAGE_EVERY_S)
        self._texts = _registers(f"EMULATED-{seed}", SERIAL_REGISTERS) + _registers("1.0 emu", FIRMWARE_REGISTERS)

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return holding registers."""
        del now
        first = address - SERIAL
        if first < 0 or first + count > len(self._texts):
            return Refusal.ADDRESS
        return struct.pack(f">{count}H", *self._texts[first:first + count])

    def read_table(self, function: int, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return discrete inputs as octets, the lowest address in the lowest bit; or registers."""
        if function == 3:
            return self.read(address, count, now)
        passed_s = (now - self._start) / 1e9
        if function == 4:
            return _cut(self._counters(passed_s), address, count)
        bits = contacts(self._scene, passed_s, self._every_s).bits()
        if address + count > len(bits):
            return Refusal.ADDRESS
        whole = sum(bit << place for place, bit in enumerate(bits[address:address + count]))
        return whole.to_bytes(-(-count // 8), "little")

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Refuse: nothing in this profile may be written."""
        del address, values, now
        return Refusal.ADDRESS

    def _counters(self, passed_s: float) -> tuple[int, ...]:
        beat = int(passed_s * HEARTBEATS_PER_S) & 0xFFFF
        rounds, into_s = divmod(passed_s, self._every_s)
        objects = int(rounds) + (into_s >= LEAVES_S[self._scene]) if self._scene in LEAVES_S else 0
        return beat, objects >> 16 & 0xFFFF, objects & 0xFFFF


def contacts(scene: str, passed_s: float, every_s: float) -> Contacts:
    """Return the contacts of a scene, so many seconds after power-on."""
    into_s = passed_s % every_s
    present = BARRIER_FROM_S <= into_s < BARRIER_TO_S
    if scene == "passing":
        return Contacts(present, GATE_TRAVEL_S <= into_s < GATE_FALLS_S,
                        into_s >= GATE_FALLS_S + GATE_TRAVEL_S)
    if scene == "standing":
        return Contacts(STANDS_FROM_S <= into_s < STANDS_TO_S, _within(into_s, STANDING_OPEN_S),
                        _within(into_s, STANDING_CLOSED_S))
    if scene == "e-stop":
        pressed = ESTOP_FROM_S <= into_s < ESTOP_TO_S
        waits = BARRIER_FROM_S <= into_s < ESTOP_TO_S
        return Contacts(waits, gate_open=False, gate_closed=True, estop_circuit=not pressed)
    if scene == "gate-stuck" and passed_s >= GATE_TRAVEL_S:
        # It left its lower stop and never reached the upper one; the object stands before it.
        return Contacts(present=True, gate_open=False, gate_closed=False)
    return Contacts()


def _within(moment_s: float, spans_s: tuple[tuple[float, float], ...]) -> bool:
    return any(first <= moment_s < last for first, last in spans_s)


def _registers(text: str, count: int) -> tuple[int, ...]:
    return struct.unpack(f">{count}H", text.encode("ascii").ljust(2 * count, b"\0"))


def _cut(table: tuple[int, ...], address: int, count: int) -> bytes | Refusal:
    if address + count > len(table):
        return Refusal.ADDRESS
    return struct.pack(f">{count}H", *table[address:address + count])


def _make(wish: Wish) -> LanePlc:
    return LanePlc(wish.now, wish.scene, wish.seed)


ROW = Emulated("modbus-map", "lane PLC, example profile", SCENES, make_registers=_make, baud=9600, map="lane-plc")

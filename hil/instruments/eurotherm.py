"""A Eurotherm 3200 oven controller with a small oven behind it. Written from the manual's table, not from the driver.

Source: manual HA028651 issue 7, page 81. The zero-based wire address is the listed one.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from hil.registers import Refusal

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

PV, TARGET_SP, MANUAL_OUTPUT, WORKING_OUTPUT, WORKING_SP = 1, 2, 3, 4, 5
PROPORTIONAL_BAND, CONTROL_ACTION, INTEGRAL_S, DERIVATIVE_S = 6, 7, 8, 9
RANGE_LOW, RANGE_HIGH, ALARM_1, ALARM_2, SP_SELECT = 11, 12, 13, 14, 15
TIMER_STATUS, SP_1, SP_2, REMOTE_SP = 23, 24, 25, 26
PV_COMMS, REMOTE_SELECT = 203, 276

# The manual's rating of the memory behind the target set-point.
EEPROM_WRITES_MAX = 100_000

# A small vapour-cell oven, chosen to hold 100 degrees with about 60 % of its power and to settle in minutes.
FULL_POWER_RISE_K = 130.0
OVEN_TIME_S = 90.0
ROOM_C = 20.0

# The control loop runs at this pace. After a long time without a request only the last part is played,
# by then the oven has settled.
STEP_S = 0.25
STEPS_MAX = 2400


class Eurotherm:
    """Registers of the controller; temperatures in tenths of a degree, as its display is set.

    `room_c` is the temperature around the oven; `absent` are listed registers that this controller lacks
    (options that were not bought). `eeprom_writes` counts what wears the memory out.
    """

    functions = frozenset({3, 4, 6, 16})

    def __init__(self, start: Nanoseconds, target_c: float = 100.0, room_c: float = ROOM_C,
                 absent: frozenset[int] = frozenset()) -> None:
        self._seen = start
        self._absent = absent
        self._room_c = room_c
        self._oven_c = room_c
        self._output = 0.0
        self._integral = 0.0
        self.eeprom_writes = 0
        self._kept = {
            TARGET_SP: _tenths(target_c), MANUAL_OUTPUT: 0, PROPORTIONAL_BAND: 200, CONTROL_ACTION: 0,
            INTEGRAL_S: 60, DERIVATIVE_S: 0, RANGE_LOW: 0, RANGE_HIGH: 2000, ALARM_1: 1500, ALARM_2: 0,
            SP_SELECT: 0, TIMER_STATUS: 0, SP_1: _tenths(target_c), SP_2: 0, REMOTE_SP: 0, PV_COMMS: 0,
            REMOTE_SELECT: 0,
        }

    def settle(self, oven_c: float, output_percent: float) -> None:
        """Put the oven where a test or a demonstration wants it to begin."""
        self._oven_c = oven_c
        self._output = output_percent
        self._integral = output_percent

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return registers; one that the table does not list refuses the whole read."""
        self._pass_time(now)
        live = {PV: _tenths(self._oven_c), WORKING_OUTPUT: _tenths(self._output), WORKING_SP: self._working_sp()}
        table = self._kept | live
        wanted = range(address, address + count)
        if any(register not in table or register in self._absent for register in wanted):
            return Refusal.ADDRESS
        return struct.pack(f">{count}H", *(table[register] & 0xFFFF for register in wanted))

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Take set-points and settings; process value, output and working set-point are read-only."""
        self._pass_time(now)
        wanted = dict(enumerate(values, start=address))
        if any(register not in self._kept or register in self._absent for register in wanted):
            return Refusal.ADDRESS
        for register in (TARGET_SP, SP_1, SP_2, REMOTE_SP):
            if not self._kept[RANGE_LOW] <= wanted.get(register, 0) <= self._kept[RANGE_HIGH]:
                return Refusal.VALUE
        self._kept |= wanted
        self._track(wanted)
        return None

    def _track(self, written: dict[int, int]) -> None:
        """Let the target follow its set-point and the other way round; count what goes to EEPROM."""
        selected = SP_2 if self._kept[SP_SELECT] else SP_1
        if TARGET_SP in written:
            self._kept[selected] = written[TARGET_SP]
        else:
            self._kept[TARGET_SP] = self._kept[selected]
        self.eeprom_writes += sum(register not in {REMOTE_SP, PV_COMMS} for register in written)

    def _working_sp(self) -> int:
        return self._kept[REMOTE_SP if self._kept[REMOTE_SELECT] else TARGET_SP]

    def _pass_time(self, now: Nanoseconds) -> None:
        steps = int((now - self._seen) / 1e9 / STEP_S)
        self._seen += round(steps * STEP_S * 1e9)
        for _ in range(min(steps, STEPS_MAX)):
            # First order, towards the room plus what the held output gives: exact for the step.
            end_c = self._room_c + FULL_POWER_RISE_K * self._output / 100.0
            self._oven_c = end_c + (self._oven_c - end_c) * math.exp(-STEP_S / OVEN_TIME_S)
            self._control(STEP_S)

    def _control(self, passed_s: float) -> None:
        """Proportional and integral action, both limited to what a heater can do."""
        error_k = self._working_sp() / 10.0 - self._oven_c
        gain = 100.0 / (self._kept[PROPORTIONAL_BAND] / 10.0)
        self._integral += gain * error_k * passed_s / max(self._kept[INTEGRAL_S], 1)
        self._integral = min(max(self._integral, 0.0), 100.0)
        self._output = min(max(gain * error_k + self._integral, 0.0), 100.0)


def _tenths(value: float) -> int:
    return round(value * 10.0)

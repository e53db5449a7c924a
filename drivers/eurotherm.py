"""Eurotherm 3200 oven controller: temperature, set-points and heater output. No I/O and no clock in this file.

Rule: one read of five registers is one sample, and nothing is ever written.

Quantity   temperature in degC (process value, set-points), heater output in %
Range      what the fitted thermocouple or resistance thermometer has; registers resolve 0.1 K
Line       Modbus RTU 9600 8N1 as delivered, or Modbus TCP behind a converter
Source     Eurotherm manual HA028651 issue 7, page 81 (register table)
Faults     "no answer" (a refusal, an answer of another length, silence)
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from drivers.complaint import Complaint
from drivers.driver import Instrument, LineSettings, ReadRegisters
from drivers.sample import Channel, Identity, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.driver import DriverOptions
    from drivers.sample import Event, Nanoseconds

# Process value, target set-point, manual output, working output, working set-point: addresses 1 to 5.
FIRST_REGISTER = 1
REGISTERS = 5

# The registers are integers whose decimal point follows the display; a vapour-cell oven shows tenths.
DECIMALS = 1

# The table holds no identity: make and family come from the configuration, serial and firmware stay empty.
IDENTITY = Identity(make="Eurotherm", model="3200", serial="", firmware="")

# A port may be asked for a sign of life meanwhile.
IDLE_S_MAX = 0.25

CHANNELS = (
    Channel("process_value", "temperature", "degC"),
    Channel("set_point", "temperature", "degC"),
    Channel("output", "ratio", "%"),
    Channel("working_set_point", "temperature", "degC"),
)


class Eurotherm:
    """Polls the controller.

    `decimals` is the display's resolution; `address_offset` is added to every listed address, for the case
    that the zero-based wire address is not the listed one (the manual does not say).
    It never writes: set-point register 2 lies in an EEPROM rated for 100 000 writes.
    """

    def __init__(self, poll_s: float = 1.0, decimals: int = DECIMALS, address_offset: int = 0) -> None:
        if decimals not in {0, 1, 2}:
            raise ValueError(f"decimals = {decimals}: must be 0, 1 or 2")
        self.idle_s_max = IDLE_S_MAX
        self._poll_ns = round(poll_s * 1e9)
        self._scale = 10.0**-decimals
        self._request = ReadRegisters(FIRST_REGISTER + address_offset, REGISTERS)
        self._due: Nanoseconds | None = None
        self._polls = 0
        self._complaint = Complaint()

    def ask(self, now: Nanoseconds) -> ReadRegisters | None:
        """Return the read that is due once each poll."""
        if self._due is not None and now < self._due:
            self.idle_s_max = min((self._due - now) / 1e9, IDLE_S_MAX)
            return None
        # Keep the rhythm, but do not catch up on polls that a silence has swallowed.
        self._due = max((self._due or now) + self._poll_ns, now + self._poll_ns // 2)
        return self._request

    def answer(self, registers: Sequence[int], now: Nanoseconds) -> list[Event]:
        """Return the sample that five registers make."""
        if len(registers) != REGISTERS:
            return self.refuse(f"{len(registers)} registers instead of {REGISTERS}", now)
        self._complaint.settled()
        raw = struct.pack(f">{REGISTERS}H", *registers)
        value, target, _, output, working = struct.unpack(f">{REGISTERS}h", raw)
        scaled = np.array([[value, target, output, working]], dtype=np.float64) * self._scale
        self._polls += 1
        return [Sample(IDENTITY, "oven", CHANNELS, scaled, None, self._polls - 1, now, raw)]

    def refuse(self, why: str, now: Nanoseconds) -> list[Event]:
        """Return the fault that tells of a failed poll, at first and then once a minute."""
        return [*self._complaint.failed("no answer", f"oven controller: {why}", now)]


def _make(options: DriverOptions) -> Eurotherm:
    return Eurotherm(options.poll_s)


INSTRUMENT = Instrument(
    name="eurotherm-3200",
    title="Eurotherm 3200 oven controller",
    quantity="temperature",
    unit="degC",
    line=LineSettings(baud=9600),
    source="Eurotherm HA028651 issue 7, page 81",
    make=_make,
    kind="registers",
    uncertainty="registers resolve 0.1 K; the sensor's by certificate",
)

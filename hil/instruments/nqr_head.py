"""An NQR head in software, built from docs/nqr-head-profile.md alone, never from the driver.

It replays what a scene says: field in, converter counts out, through channel gains that only it knows.
Register profile defined by this project. It does not describe a commercial device.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from hil.instruments.nqr_blocks import centikelvin, identity_block, millimetre
from hil.instruments.nqr_page import Page, page_of
from hil.instruments.nqr_schedule import Limits, Mistake, check_schedule
from hil.registers import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from drivers.sample import BandPlan, Nanoseconds
    from hil.instruments.felt import FeltScan, ScanSource


class Computing(Protocol):
    """A scene on its way: a future of any kind."""

    def done(self) -> bool:
        """Return whether the scene is there."""
        ...

    def result(self) -> FeltScan:
        """Return it."""
        ...


# Runs a scene elsewhere, off the event loop: the `submit` of an executor.
Worker: TypeAlias = "Callable[[Callable[[], FeltScan]], Computing]"

IDLE, ARMED, SCANNING, READY, ERROR = range(5)
START, ABORT, CLEAR = 1, 2, 3
NO_BAND = 0xFFFF

# Section 3.2 of the profile: a transmitter is never left on by a master that is gone.
LEFT_ALONE_S_MAX = 30.0

# Nominal sensitivity, with a spread between channels such as a real array has before calibration.
COUNTS_PER_FT = 40.0
GAIN_SPREAD = 0.05
PHASE_SPREAD_RAD = 0.3
CHANNELS = 8


def channel_gains(seed: int) -> NDArray[np.complex64]:
    """Return the gain of each channel, complex counts per fT: what a calibration of this head must find."""
    chance = np.random.default_rng((seed, 0x4E5152))
    size = COUNTS_PER_FT * (1.0 + GAIN_SPREAD * chance.standard_normal(CHANNELS))
    turn = np.exp(1j * PHASE_SPREAD_RAD * chance.standard_normal(CHANNELS))
    return np.asarray(size * turn, np.complex64)


@dataclass(slots=True)
class Plate:
    """What is engraved on the head, and what it measures while idle."""

    make: str = "open profile"
    model: str = "NQR-8 emulated"
    serial: str = "NQR8-0001"
    firmware: str = "1.0.0"
    limits: Limits = field(default_factory=Limits)
    bay_temperature_c: float = 20.0
    standoff_m: float = 0.2
    electronics_c: float = 31.5


class NqrHead:
    """The register map of the head.

    `source` is run by `worker` when a scan starts. With `ahead` the scan is over as soon as the scene has
    been computed; otherwise it takes its dwell, band by band. `seed` draws the hidden gains and the boot ids.
    """

    functions = frozenset({3, 6, 16})

    def __init__(self, source: ScanSource, worker: Worker, seed: int, *, ahead: bool = False,
                 plate: Plate | None = None) -> None:
        self._source = source
        self._worker = worker
        self._ahead = ahead
        self.plate = plate or Plate()
        self.gains = channel_gains(seed)
        self._chance = np.random.default_rng((seed, 0xB007))
        self.fault_bits = 0
        self.reboot()

    def reboot(self) -> None:
        """Start afresh, as after a loss of power: another boot id, no schedule, no scan."""
        self._boot_id = int(self._chance.integers(1, 2**32))
        self._state = IDLE
        self._scan_id = 0
        self._next_scan_id = 0
        self._command = 0
        self._selected = NO_BAND
        self._mistake = Mistake(0, NO_BAND, 0)
        self._schedule_head = [0] * 16
        self._table = [0] * 256
        self._plans: tuple[BandPlan, ...] = ()
        self._dwell_s = 0.0
        self._began: Nanoseconds = 0
        self._elapsed_s = 0.0
        self._heard: Nanoseconds | None = None
        self._ready = 0
        self._forget()

    def _forget(self) -> None:
        """Drop the data of the last scan."""
        self._pending: Computing | None = None
        self._scan: FeltScan | None = None
        self._pages: dict[int, Page] = {}
        self._ready = 0
        self._selected = NO_BAND

    def read(self, address: int, count: int, now: Nanoseconds) -> bytes | Refusal:
        """Return registers of one block."""
        self._pass_time(now)
        if address >= 0x8000:
            page = self._page()
            return page.data[2 * (address - 0x8000):][:2 * count] if page else Refusal.ADDRESS
        for start, size, block in self._blocks():
            if start <= address < start + size:
                if address + count > start + size:
                    return Refusal.ADDRESS
                return block()[2 * (address - start):][:2 * count]
        return Refusal.ADDRESS

    def _blocks(self) -> tuple[tuple[int, int, Callable[[], bytes]], ...]:
        return (
            (0x0000, 96, self._identity), (0x0060, 32, self.plate.limits.registers), (0x0080, 16, self._status),
            (0x00A0, 8, self._control), (0x0100, 16, lambda: struct.pack(">16H", *self._schedule_head)),
            (0x0110, 256, lambda: struct.pack(">256H", *self._table)), (0x0300, 36, self._header),
        )

    def _identity(self) -> bytes:
        plate = self.plate
        return identity_block(self._boot_id, (plate.make, plate.model, plate.serial, plate.firmware))

    def _status(self) -> bytes:
        per_mille, band = self._progress
        temperature_c, standoff_m = self.plate.bay_temperature_c, self.plate.standoff_m
        if self._scan is not None:
            temperature_c, standoff_m = self._scan.bay_temperature_c, self._scan.standoff_m
        return struct.pack(
            ">HHHHIHHHHHHIHH", self._state, per_mille, band, self._ready, self._scan_id, self.fault_bits,
            self._mistake.code, self._mistake.band, self._mistake.field, centikelvin(temperature_c),
            millimetre(standoff_m), self._boot_id, centikelvin(self.plate.electronics_c), 0)

    def _control(self) -> bytes:
        return struct.pack(">IHHH", self._next_scan_id, self._command, 0, self._selected) + bytes(6)

    def _header(self) -> bytes:
        page = self._page()
        if page is None:
            return struct.pack(">H", self._selected) + bytes(70)
        return page.header + struct.pack(">II", page.crc, self._boot_id)

    def _page(self) -> Page | None:
        """Return the page of the selected band if it is readable; made when first asked for."""
        band = self._selected
        if self._scan is None or band >= self._ready:
            return None
        if band not in self._pages:
            surroundings = (centikelvin(self._scan.bay_temperature_c), millimetre(self._scan.standoff_m))
            which = (band, self._scan_id, *surroundings)
            self._pages[band] = page_of(which, self._plans[band], self._scan.bands[band], self.gains)
        return self._pages[band]

    def write(self, address: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        """Take schedule, command and band select; everything else is read-only."""
        self._pass_time(now)
        end = address + len(values)
        if address >= 0x00A0 and end <= 0x00A8:
            return self._write_control(address - 0x00A0, values, now)
        if address >= 0x0100 and end <= 0x0210:
            return self._write_schedule(address - 0x0100, values)
        return Refusal.ADDRESS

    def _write_control(self, offset: int, values: tuple[int, ...], now: Nanoseconds) -> Refusal | None:
        registers = list(struct.unpack(">8H", self._control()))
        registers[offset:offset + len(values)] = values
        scan_id = registers[0] << 16 | registers[1]
        if offset <= 2 < offset + len(values):
            refusal = self._command_given(registers[2], scan_id, now)
            if refusal:
                return refusal
        self._next_scan_id = scan_id
        if offset <= 4 < offset + len(values):
            self._selected = registers[4]
        return None

    def _command_given(self, command: int, scan_id: int, now: Nanoseconds) -> Refusal | None:
        if command not in {START, ABORT, CLEAR} or (command == START and scan_id == 0):
            return Refusal.VALUE
        if command == START and self._state != ARMED:
            return Refusal.BUSY
        if command == CLEAR and self._state == SCANNING:
            return Refusal.BUSY
        self._command = command
        self._forget()
        self._mistake = Mistake(0, NO_BAND, 0)
        self._state = SCANNING if command == START else IDLE
        if command == START:
            self._scan_id, self._began = scan_id, now
            self._pending = self._worker(partial(self._source, self._plans, scan_id))
        return None

    def _write_schedule(self, offset: int, values: tuple[int, ...]) -> Refusal | None:
        if self._state == SCANNING:
            return Refusal.BUSY
        registers = self._schedule_head + self._table
        registers[offset:offset + len(values)] = values
        self._schedule_head, self._table = registers[:16], registers[16:]
        self._forget()
        self._state = IDLE
        self._mistake = Mistake(0, NO_BAND, 0)
        if offset <= 5 and offset + len(values) >= 6:
            self._check()
        return None

    def _check(self) -> None:
        checked = check_schedule(self._schedule_head, self._table, self.plate.limits)
        if isinstance(checked, Mistake):
            self._state, self._mistake = ERROR, checked
        else:
            self._state = ARMED
            self._plans, self._dwell_s = checked

    def fail(self, code: int, band: int = NO_BAND) -> None:
        """Break down in the middle of a scan, with an error code of section 3.3."""
        self._forget()
        self._state, self._mistake = ERROR, Mistake(code, band, 0)

    def _pass_time(self, now: Nanoseconds) -> None:
        """Bring the scan up to `now`; a valid request has just come."""
        heard, self._heard = self._heard, now
        if self._state != SCANNING or self._pending is None:
            return
        if heard is not None and now - heard > LEFT_ALONE_S_MAX * 1e9:
            self.fail(8)
            return
        if self._pending.done():
            self._scan = self._pending.result()
            share = 1.0 if self._ahead else min((now - self._began) / 1e9 / self._dwell_s, 1.0)
            self._ready = int(share * len(self._plans) + 1e-9)
        if self._ready == len(self._plans):
            self._state = READY
        self._elapsed_s = (now - self._began) / 1e9

    @property
    def _progress(self) -> tuple[int, int]:
        """Per mille done, and the band being measured."""
        if self._state == READY:
            return 1000, NO_BAND
        if self._state != SCANNING:
            return 0, NO_BAND
        share = 0.0 if self._ahead else min(self._elapsed_s / self._dwell_s, 0.999)
        return int(1000 * share), min(int(share * len(self._plans)), len(self._plans) - 1)

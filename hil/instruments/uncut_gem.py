"""An emulated Uncut Gem: an ESP32 that sweeps microwaves over a diamond and prints the light. No I/O; it only talks.

Rule: it prints what the firmware prints, in its order and with its pauses; it hears nothing.

Source: QuantumVillage/UncutGem, firmware 676e291: boot line, 3.5 s, 20 sweeps without output (10 to warm up, 10
measured), then LOOP and 128 means of six readings in mV; readings above 1500 mV are taken again. That a point takes
2.3 ms is inferred. Field, contrast and width are assumptions; the resonances are at D +- sqrt((28.03 B)^2 + E^2).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from hil.emulated import Emulated, Wish

NS = 1_000_000_000
POINTS = 128
POINT_NS = 2_300_000
DELAYS_NS = 3 * NS + NS // 2
SILENT_SWEEPS = 20
LATE_NS_MAX = 2 * NS            # what a device has not been asked for by then is lost
READINGS = 6
MV_MAX = 1500
TAKEN_AGAIN_MAX = 20            # the firmware has no bound; a photodiode in full light would hang it

START_MHZ, STEP_MHZ = 2854.0, 0.25      # table `sweepArr` of the firmware
D_MHZ, MHZ_PER_UT = 2870.0, 0.02803
STRAIN_MHZ = 0.3


@dataclass(frozen=True, slots=True)
class Diamond:
    """The diamond and what lights it. Fields along the NV axis in uT; `noise_mv` of one of the six readings.

    `bump_ut` is added as a magnet passes, once every `every_s`; `bright_mv` is the light beside the resonances.
    """

    field_ut: float = 180.0
    bump_ut: float = 0.0
    every_s: float = 30.0
    bright_mv: float = 1200.0
    contrast: float = 0.03
    half_width_mhz: float = 0.8
    noise_mv: float = 5.0
    centre_mhz: float = D_MHZ

    def field_at(self, now_s: float) -> float:
        """Return the field when the magnet is where it is by then."""
        away = (now_s % self.every_s) - self.every_s / 2
        return self.field_ut + self.bump_ut / math.sqrt(1.0 + (away / 2.0) ** 2) ** 3

    def light_mv(self, f_mhz: float, now_s: float) -> float:
        """Return the photodiode's voltage at one frequency."""
        half = math.hypot(MHZ_PER_UT * self.field_at(now_s), STRAIN_MHZ)
        dips = sum(
            1.0 / (1.0 + ((f_mhz - self.centre_mhz - side * half) / self.half_width_mhz) ** 2) for side in (-1, 1))
        return self.bright_mv * (1.0 - self.contrast * dips)


class Gem:
    """One device. `boots` is one that was just plugged in, `torn` the share of lines that lose a character."""

    def __init__(self, diamond: Diamond, *, boots: bool = False, torn: float = 0.0, seed: int = 1) -> None:
        self._diamond = diamond
        self._boots = boots
        self._torn = torn
        self._chance = random.Random(seed)
        self._power_on: int | None = None
        self._due = 0
        self._point = 0

    def opened(self, now: int) -> bytes:
        """Take note of a host; the device does not care."""
        self._clock(now)
        return b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Hear nothing."""
        del chunk
        self._clock(now)
        return b""

    def poll(self, now: int) -> bytes:
        """Return the lines that are due by now."""
        start = self._clock(now)
        said = b""
        if self._boots:
            self._boots = False
            self._due = now + DELAYS_NS + SILENT_SWEEPS * POINTS * POINT_NS
            said = b"Let's cook...\r\n"
        if now - self._due > LATE_NS_MAX:
            self._due = now
        while self._due + POINT_NS <= now:
            self._due += POINT_NS
            if self._point == 0:
                said += self._line("LOOP")
            said += self._line(str(self._reading(START_MHZ + STEP_MHZ * self._point, (self._due - start) / NS)))
            self._point = (self._point + 1) % POINTS
        return said

    def reboot(self, now: int) -> None:
        """Start anew, as after a loss of power."""
        self._clock(now)
        self._boots, self._point = True, 0

    def _clock(self, now: int) -> int:
        if self._power_on is None:
            self._power_on = self._due = now
        return self._power_on

    def _reading(self, f_mhz: float, now_s: float) -> int:
        light = self._diamond.light_mv(f_mhz, now_s)
        taken = []
        for _ in range(READINGS):
            for _ in range(TAKEN_AGAIN_MAX):
                one = max(light + self._chance.gauss(0.0, self._diamond.noise_mv), 0.0)
                if one <= MV_MAX:
                    break
            taken.append(min(one, MV_MAX))
        return int(sum(taken) / READINGS)

    def _line(self, words: str) -> bytes:
        line = words.encode() + b"\r\n"
        if self._chance.random() < self._torn:
            hole = self._chance.randrange(len(line))
            line = line[:hole] + line[hole + 1:]
        return line


SCENES = {
    "quiet": Diamond(),
    "passing": Diamond(bump_ut=250.0),
    "boot": Diamond(),
    "earth": Diamond(field_ut=45.0),
    "beyond": Diamond(field_ut=900.0),
    "unresolved": Diamond(field_ut=0.0),
    "dark": Diamond(bright_mv=8.0, contrast=0.0),
    "saturated": Diamond(bright_mv=1520.0),
    "noisy": Diamond(noise_mv=60.0),
    "torn": Diamond(),
}


def _make(wish: Wish) -> Gem:
    torn = 0.002 if wish.scene == "torn" else 0.0
    return Gem(SCENES[wish.scene], boots=wish.scene == "boot", torn=torn, seed=wish.seed)


ROW = Emulated("uncut-gem", "diamond magnetometer (NV centres)", tuple(SCENES), make_bytes=_make)

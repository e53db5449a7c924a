"""An emulated QuSpin QZFM: status block, field stream, start, zeroing, calibration. No I/O; bytes in, bytes out.

Rule: it prints as the vendor's page says and as the packaged client QZFM 0.4.1 needs; never an empty line.

Source: QuSpin, "QZFM Command list"; ucn-triumf/QZFM (MIT) for what only its driver states. The words of messages, the
times of start and calibration, and how the output ends beyond the range are assumptions.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.emulated import Emulated, Wish

if TYPE_CHECKING:
    from collections.abc import Callable

NS = 1_000_000_000
DATA_NS = NS // 200
BLOCK_NS = NS * 2 // 15     # 7.5 blocks a second
LATE_NS_MAX = NS            # what a device has not been asked for by then is lost
LINES_A_POLL_MAX = 400
REPLIES_MAX = 32            # a host that sends without listening fills no memory

NOISE_PT = 0.15             # 15 fT/sqrt(Hz) in 100 Hz
CLIP_PT = 8000.0            # an assumption: the output ends some nT beyond the range
COIL_NOISE_PT = 3.0         # of the coils while zeroing is on
COIL_S = 0.8                # time constant of zeroing
ZEROED_PT = 30.0            # the lamp is lit while the coils are this near

WARM_S, LOCK_S, CALIBRATE_S = 2.0, 3.0, 2.0
GAINS = {"a": "0.33x", "`": "1x", "b": "3x", "\x1e": "0.1x"}
AXES = {"G": 0, "@": 1, "?": 2}
MODES = {"C": "Z", "F": "Y", "B": "dual"}


@dataclass(frozen=True, slots=True)
class Ambient:
    """What surrounds the sensor: a constant field (x, y, z) in pT, and a slow swing of the whole of it.

    `factors` are the sensor's calibration before it is calibrated; `steady` false keeps the coils moving.
    """

    field_pt: tuple[float, float, float] = (900.0, -640.0, 410.0)
    swing_pt: float = 0.0
    swing_s: float = 10.0
    factors: tuple[float, float, float] = (0.85, 0.91, 0.88)
    steady: bool = True

    def at(self, axis: int, now_s: float) -> float:
        """Return the field along an axis."""
        return self.field_pt[axis] + self.swing_pt * math.sin(2 * math.pi * now_s / self.swing_s)


class QzfmDevice:
    """One sensor with its electronics. `cold` is one that was just switched on; times are the caller's nanoseconds."""

    def __init__(self, ambient: Ambient, *, cold: bool = False, zeroed: bool = False, seed: int = 1) -> None:
        self._ambient = ambient
        self._chance = random.Random(seed)
        self._power_on: int | None = None
        self._due = 0
        self._replies: deque[tuple[int, str]] = deque(maxlen=REPLIES_MAX)
        self._coils = [-value for value in ambient.field_pt] if zeroed else [0.0, 0.0, 0.0]
        self._started: int | None = None        # when auto start was given; before that the laser is off
        self._cold = cold
        self._reset()
        self._is_calibrated = zeroed

    def _reset(self) -> None:
        self._printing = self._zeroing = self._is_calibrated = self._master = self._silenced = False
        self._xyz, self._axis = True, 2
        self._calibrated_at: int | None = None

    def opened(self, now: int) -> bytes:
        """Take note of a host; the device does not care."""
        self._clock(now)
        return b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Carry out single bytes; what they answer comes with the next `poll`."""
        self._clock(now)
        for command in chunk.decode("latin-1"):
            self._carry_out(command, now)
        return b""

    def poll(self, now: int) -> bytes:
        """Return what is due: field values while Print is ON, else status blocks and messages."""
        self._clock(now)
        if now - self._due > LATE_NS_MAX:
            self._due = now
        said: list[str] = []
        for _ in range(LINES_A_POLL_MAX):
            step = DATA_NS if self._printing else BLOCK_NS
            if self._due + step > now:
                break
            self._due += step
            self._zero(step / NS)
            said += [self._field(self._due)] if self._printing else self._block(self._due)
        while self._replies and self._replies[0][0] <= now and not self._printing:
            said.append("#" + self._replies.popleft()[1])
        return "".join(line + "\r\n" for line in said).encode()

    def _clock(self, now: int) -> None:
        if self._power_on is None:
            self._power_on = self._due = now
            self._say(now, "QZFM emulated, firmware EMU")
            if not self._cold:
                self._started = now - round((WARM_S + LOCK_S) * NS)

    def _say(self, at: int, words: str) -> None:
        self._replies.append((at, words))

    def _carry_out(self, command: str, now: int) -> None:
        simple: dict[str, Callable[[int], None]] = {
            "7": self._print_on, "8": self._print_off, ">": self._auto_start, "D": self._zero_on, "E": self._zero_off,
            "V": self._coils_off, "9": self._calibrate, "e": self._reboot,
        }
        if command in simple:
            simple[command](now)
        elif command in AXES:
            self._axis = AXES[command]
            self._say(now, f"Read axis {'XYZ'[self._axis]}")
        elif command in GAINS:
            self._say(now, f"Gain {GAINS[command]}")
        elif command in MODES:
            self._say(now, f"{MODES[command]} axis mode")
        elif command in "ih":
            self._xyz = command == "i"
        elif command in "qr":
            self._master = command == "q"
        elif command == "3":
            self._silenced = True

    def _print_on(self, now: int) -> None:
        self._printing, self._due = True, now

    def _print_off(self, now: int) -> None:
        self._printing, self._due = False, now

    def _auto_start(self, now: int) -> None:
        self._started = now
        self._say(now, "Auto start")

    def _zero_on(self, now: int) -> None:
        self._zeroing, self._is_calibrated, self._silenced = True, False, False
        self._say(now, "Field zero on")

    def _zero_off(self, now: int) -> None:
        self._zeroing = False
        self._say(now, "Field zero off")

    def _coils_off(self, now: int) -> None:
        self._coils = [0.0, 0.0, 0.0]
        self._is_calibrated = False
        self._say(now, "Field reset")

    def _calibrate(self, now: int) -> None:
        self._calibrated_at = now + round(CALIBRATE_S * NS)
        x, y, z = self._ambient.factors
        self._say(self._calibrated_at, f"Calibration x:{x:.2f}, y:{y:.2f}, z:{z:.2f}, (xy)0.01")

    def _reboot(self, now: int) -> None:
        self._reset()
        self._coils, self._started = [0.0, 0.0, 0.0], None
        self._replies.clear()
        self._due = now
        self._say(now, "QZFM emulated, firmware EMU")

    def _zero(self, passed_s: float) -> None:
        if not self._zeroing or not self._locked(self._due):
            return
        share = 1.0 - math.exp(-passed_s / COIL_S)
        wander = COIL_NOISE_PT if self._ambient.steady else 500.0
        for axis in range(3) if self._xyz else (1, 2):
            wanted = -self._ambient.at(axis, self._seconds(self._due)) + self._chance.gauss(0.0, wander)
            self._coils[axis] += share * (wanted - self._coils[axis])

    def _seconds(self, at: int) -> float:
        return (at - (self._power_on or 0)) / NS

    def _since_start_s(self, at: int) -> float:
        return -1.0 if self._started is None else (at - self._started) / NS

    def _locked(self, at: int) -> bool:
        return self._since_start_s(at) >= WARM_S + LOCK_S

    def _field(self, at: int) -> str:
        noise = self._chance.gauss(0.0, NOISE_PT)
        felt = 0.0
        if self._locked(at) and not self._silenced:
            felt = self._ambient.at(self._axis, self._seconds(at)) + self._coils[self._axis]
            if self._calibrated_at is not None and at >= self._calibrated_at:
                self._is_calibrated, self._calibrated_at = True, None
            felt *= 1.0 if self._is_calibrated else self._ambient.factors[self._axis]
        counts = round((min(max(felt + noise, -CLIP_PT), CLIP_PT)) * 100) + 8_388_608
        return f"!{counts:07d}"

    def _block(self, at: int) -> list[str]:
        if self._calibrated_at is not None and at >= self._calibrated_at:
            self._is_calibrated, self._calibrated_at = True, None
        since = self._since_start_s(at)
        near = all(abs(self._ambient.at(axis, self._seconds(at)) + self._coils[axis]) < ZEROED_PT
                   for axis in (range(3) if self._xyz else (1, 2)))
        lamps = (since >= 0, since >= WARM_S, self._locked(at), self._locked(at) and near, self._master)
        cold = max(0.0, 1.0 - max(since, 0.0) / WARM_S)
        error = round(8_388_608 + 524_288 * (4.0 * cold + self._chance.gauss(0.0, 2e-4)))
        x, y, z = self._coils
        return [
            *(f"|{number}{int(lit)}" for number, lit in enumerate(lamps, start=1)),
            f"~04{error:07d}", f"~05{4095 - round(1000 * cold):07d}",
            f"~07{z + 32_768:08.2f}", f"~08{y + 32_768:08.2f}", f"~09{x + 32_768:08.2f}",
        ]


SCENES = {
    "zeroed": Ambient(),
    "unzeroed": Ambient(),
    "cold": Ambient(),
    "saturated": Ambient(swing_pt=7000.0),
    "suspect": Ambient(factors=(0.9, 1.9, 0.8)),
    "restless": Ambient(steady=False),
}


def _make(wish: Wish) -> QzfmDevice:
    zeroed = wish.scene in {"zeroed", "saturated"}
    return QzfmDevice(SCENES[wish.scene], cold=wish.scene == "cold", zeroed=zeroed, seed=wish.seed)


ROW = Emulated("qzfm", "zero-field magnetometer", tuple(SCENES), make_bytes=_make)

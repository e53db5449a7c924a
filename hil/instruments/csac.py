"""An emulated SA.45s chip-scale atomic clock: commands, telemetry, checksum mode, 1PPS. No I/O; bytes in, bytes out.

Rule: written from the guide's command list and tables, with nothing of the driver's.

Source: Microchip SA.45s CSAC User Guide, revision D, pages 17 to 28. Serial and version say that it is emulated.
How fast it warms up and how its readings scatter are assumptions. Deferred commands and pulse width are left out.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hil.emulated import Emulated

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from hil.emulated import Wish

SERIAL, VERSION = "0001CSEMUL1", "1.09-EMULATED"

HEADER = "Status,Alarm,SN,Mode,Contrast,LaserI,TCXO,HeatP,Sig,Temp,Steer,ATune,Phase,DiscOK,TOD,LTime,Ver"

MODES = {"A": 0x0001, "M": 0x0004, "S": 0x0008, "D": 0x0010, "U": 0x0020, "C": 0x0040}
EXCLUDE = "MSD"             # phase measurement, auto-sync and discipline are mutually exclusive
SHORTCUTS = "6^FMSDUTm>@?"

COMMAND_BYTES_MAX = 64      # the longest command of the guide has 12

NS = 1_000_000_000
REPLY_AFTER_PPS_NS = 10_000_000     # the guide: within 20 ms of the rising edge
SYNC_S_MAX = 3                      # no reference within that, and !S answers E

# An assumed warm-up: seconds after power-on at which each status begins.
WARM_UP = ((0, 8), (30, 7), (60, 6), (65, 5), (70, 4), (75, 3), (80, 2), (85, 1), (90, 0))
ACQUIRE_S = 30              # an assumption: discipline reports 1 so long after it has lock and reference

# Of the scene "holdover": the reference is there, then gone, and so on.
REFERENCE_S, GONE_S = 20, 40

TOD_S = 1_221_578_499       # the guide's example; a clock that nobody has set counts from its power-on

SCENES = ("disciplined", "holdover", "free", "warm-up", "checksum", "alarm")


class Csac:
    """One clock, switched on at `start`; a scene of SCENES says in which state a host finds it."""

    def __init__(self, start: Nanoseconds, seed: int = 1, scene: str = "disciplined") -> None:
        self._start = start
        self._scene = scene
        self._chance = random.Random(seed)
        self._age_s = 0 if scene == "warm-up" else 1000     # how long it had run before
        self._tod_offset_s = 0 if scene == "warm-up" else TOD_S
        self._mode = {"free": 0, "checksum": MODES["C"]}.get(scene, MODES["D"])
        self._steer, self._tau_s, self._threshold_ns, self._cable = -23, 30, 20, 0
        self._sleep = (3300, 300)
        self._held = b""
        self._waiting: list[tuple[Nanoseconds, str]] = []   # answers that come at a 1PPS: when, and "T" or "S"

    def opened(self, now: Nanoseconds) -> bytes:
        """Do nothing: a serial line has no connection."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Take the host's bytes and return the answers that come at once."""
        answers = b""
        for place in range(len(chunk)):
            byte = chunk[place:place + 1]
            if byte == b"\x1b":
                self._held = b""
            elif self._held or byte == b"!":
                answers += self._typed(byte, now)
            elif byte.decode("latin-1") in SHORTCUTS and not self._mode & MODES["C"]:
                answers += self._reply(self._run(_whole(byte.decode()), now))
        return answers

    def poll(self, now: Nanoseconds) -> bytes:
        """Return the answers that have waited for a 1PPS which has come."""
        ready = [what for due, what in self._waiting if due <= now]
        self._waiting = [(due, what) for due, what in self._waiting if due > now]
        return b"".join(self._reply(str(self._tod(now)) if what == "T" else what) for what in ready)

    def _typed(self, byte: bytes, now: Nanoseconds) -> bytes:
        self._held += byte
        if byte == b"\n":
            text, self._held = self._held[1:].decode("latin-1").strip("\r\n"), b""
            return self._reply(self._checked(text, now))
        if len(self._held) > COMMAND_BYTES_MAX:
            self._held = b""
        return b""

    def _checked(self, text: str, now: Nanoseconds) -> str:
        """Run a command, its checksum proved where the mode asks for one."""
        if not self._mode & MODES["C"]:
            return self._run(text, now)
        command, _star, told = text.rpartition("*")
        return self._run(command, now) if command and told.upper() == _sum(command) else "*"

    def _reply(self, text: str) -> bytes:
        if not text:
            return b""
        bare = text in {"*", "?"} or not self._mode & MODES["C"]
        return (text if bare else f"{text}*{_sum(text)}").encode() + b"\r\n"

    def _run(self, text: str, now: Nanoseconds) -> str:
        letter, rest = text[:1], text[1:]
        if letter == "6" and not rest:
            return HEADER
        if letter == "^" and not rest:
            return self._telemetry(now)
        runs = {"M": self._modes, "F": self._steering, "D": self._discipline, "U": self._sleeping, "m": self._limit}
        if letter in runs:
            return runs[letter](rest)
        return {"T": self._time, "S": self._sync}.get(letter, _unknown)(rest, now)

    def _modes(self, rest: str) -> str:
        if rest not in {"", "?"}:
            bit = MODES.get(rest.upper())
            if bit is None:
                return "?"
            if rest.islower():
                self._mode &= ~bit
            elif rest in EXCLUDE:
                self._mode = self._mode & ~sum(MODES[letter] for letter in EXCLUDE) | bit
            else:
                self._mode |= bit
        return f"0x{self._mode:04X}"

    def _steering(self, rest: str) -> str:
        if rest[:1] in {"A", "D"} and _whole_number(rest[1:]):
            self._steer = int(rest[1:]) + (self._steer if rest[0] == "D" else 0)
        elif rest not in {"", "?"}:
            return "?"
        return f"Steer = {self._steer}"

    def _discipline(self, rest: str) -> str:
        if rest.startswith("C"):
            if _whole_number(rest[1:]) and abs(int(rest[1:])) <= 1000:
                self._cable = int(rest[1:])
            return {"L": "Phase comp latched"}.get(rest[1:], str(self._cable))
        if _whole_number(rest) and 10 <= int(rest) <= 10_000:
            self._tau_s = int(rest)
        elif rest not in {"", "?"}:
            return "?"
        return str(self._tau_s)

    def _sleeping(self, rest: str) -> str:
        sleep, _comma, wake = rest.partition(",")
        if _whole_number(sleep) and _whole_number(wake):
            self._sleep = (int(sleep), int(wake))
        elif rest not in {"", "?"}:
            return "?"
        return "{},{}".format(*self._sleep)

    def _limit(self, rest: str) -> str:
        if _whole_number(rest) and 1 <= int(rest) <= NS:
            self._threshold_ns = int(rest)
        elif rest not in {"", "?"}:
            return "?"
        return str(self._threshold_ns)

    def _time(self, rest: str, now: Nanoseconds) -> str:
        if rest in {"", "?"}:
            self._waiting.append((self._pps(now, 1) + REPLY_AFTER_PPS_NS, "T"))
            return ""
        if rest[0] not in {"A", "D"} or not _whole_number(rest[1:]):
            return "?"
        reached = self._tod(now) if rest[0] == "D" else 0
        self._tod_offset_s += (reached + int(rest[1:]) - self._tod(now)) % (1 << 32)
        return f"TimeOfDay = {self._tod(now)}"

    def _sync(self, rest: str, now: Nanoseconds) -> str:
        if rest:
            return "?"
        there = self._reference(now)
        self._waiting.append((self._pps(now, 1 if there else SYNC_S_MAX), "S" if there else "E"))
        return ""

    def _pps(self, now: Nanoseconds, ahead: int) -> Nanoseconds:
        """Return when the `ahead`-th 1PPS from now comes."""
        return self._start + ((now - self._start) // NS + ahead) * NS

    def _up_s(self, now: Nanoseconds) -> int:
        return self._age_s + (now - self._start) // NS

    def _tod(self, now: Nanoseconds) -> int:
        return (self._tod_offset_s + (now - self._start) // NS) % (1 << 32)

    def _status(self, now: Nanoseconds) -> int:
        return next(status for since_s, status in reversed(WARM_UP) if self._up_s(now) >= since_s)

    def _reference(self, now: Nanoseconds) -> bool:
        if self._scene != "holdover":
            return self._scene != "free"
        return (now - self._start) / NS % (REFERENCE_S + GONE_S) < REFERENCE_S

    def _phase(self, now: Nanoseconds) -> str:
        if not self._mode & (MODES["D"] | MODES["M"]) or self._status(now):
            return "---"
        return str(round(self._chance.gauss(0.0, 3.0))) if self._reference(now) else "NEEDREFPPS"

    def _disc_ok(self, now: Nanoseconds) -> int:
        if not self._mode & MODES["D"] or self._lock_s(now) < ACQUIRE_S:
            return 0
        return 1 if self._reference(now) else 2

    def _lock_s(self, now: Nanoseconds) -> int:
        return max(0, self._up_s(now) - WARM_UP[-1][0])

    def _telemetry(self, now: Nanoseconds) -> str:
        status = self._status(now)
        contrast = self._chance.gauss(4381, 4) if status < 2 else 12
        alarm = 0x0000
        if self._scene == "alarm":
            contrast, alarm = self._chance.gauss(800, 4), 0x0001 | 0x0040
        near = self._chance.gauss
        heater_mw = near(17.62, 0.02) if status < 8 else 80.0
        fields = (
            status, f"0x{alarm:04X}", SERIAL, f"0x{self._mode:04X}", round(contrast), f"{near(0.86, 0.005):.2f}",
            f"{near(1.573, 0.001):.3f}", f"{heater_mw:.2f}", f"{near(0.996, 0.001):.3f}",
            f"{near(28.26, 0.02):.2f}", self._steer, "1.234" if self._mode & MODES["A"] else "---", self._phase(now),
            self._disc_ok(now), self._tod(now), self._lock_s(now), VERSION,
        )
        return ",".join(map(str, fields))


def _whole(shortcut: str) -> str:
    """Return the command that a shortcut stands for: a question, except for those that have no argument."""
    return shortcut if shortcut in "6^S" else f"{shortcut}?"


def _unknown(rest: str, now: Nanoseconds) -> str:
    del rest, now
    return "?"


def _whole_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 11


def _sum(text: str) -> str:
    total = 0
    for character in text.encode("latin-1"):
        total ^= character
    return f"{total:02X}"


def _make(wish: Wish) -> Csac:
    return Csac(wish.now, wish.seed, wish.scene)


ROW = Emulated("csac", "chip-scale atomic clock", SCENES, make_bytes=_make, baud=57_600)

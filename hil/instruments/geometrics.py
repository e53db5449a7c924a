"""An emulated chain of Geometrics caesium magnetometers, from the sensors to the end of the last counter's line.

Rule: a command is carried out and echoed at the end of a line, never within one. No I/O; bytes in, bytes out.

Source: G-882 manual, pages 38 (chain) and 39 (when commands are carried out). B answers, but changes no speed: the
line is as fast as the bench makes it. What a counter prints without a Larmor signal is an assumption: zero.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from hil.emulated import Emulated, Wish
from hil.instruments.geometrics_counter import Counter, packed
from hil.scene.lane import Lane, Pass, Sensor, scalar_source

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    # (start in seconds since power-on, number of samples, rate in Hz) -> [n] in nT
    ScalarSource: TypeAlias = Callable[[float, int, float], NDArray[np.float64]]

NS = 1_000_000_000
LATE_NS_MAX = 2 * NS        # a chain that was not polled for longer has lost those lines
LINES_A_POLL_MAX = 200
COMMAND_BYTES_MAX = 64      # longer is no command
COMMANDS_MAX = 16

LEVEL = 1250                # a sensor that is well oriented shows 800 to 2000 (manual, page 85)
LEVEL_LOST = 12             # about what it shows without a signal (page 74)

TROLLEY = (2.0, 0.5, -4.0)  # A m^2, an assumption
PASS_EVERY_S, PASSES = 40.0, 2160   # for a day


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a chain: share of lines that lose a byte, times without signal, no echo, only errors."""

    torn: float = 0.0
    lost_every_s: float = 0.0   # for a quarter of each such time there is no Larmor signal
    mute: bool = False
    refuses: bool = False


class CounterChain:
    """Counters one behind the other; `sources` gives each one's field. Times are the caller's nanoseconds."""

    def __init__(
        self, sources: list[ScalarSource], *, output: str = "A", trouble: Trouble | None = None, seed: int = 1
    ) -> None:
        self.counters = [Counter(number, output=output) for number in range(len(sources))]
        self._sources = sources
        self._trouble = trouble or Trouble()
        self._chance = random.Random(seed)
        self._power_on: int | None = None
        self._due = 0
        self._typed = b""
        self._commands: list[str] = []

    def opened(self, now: int) -> bytes:
        """Take note of a host; a counter does not care."""
        self._clock(now)
        return b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes; what they ask for is done at the end of the running line."""
        self._clock(now)
        *whole, rest = (self._typed + chunk.replace(b"\n", b"")).split(b"\r")
        self._typed = rest[-COMMAND_BYTES_MAX:]
        room = COMMANDS_MAX - len(self._commands)
        self._commands += [line[:COMMAND_BYTES_MAX].decode("latin-1") for line in whole if line][:room]
        return b""

    def poll(self, now: int) -> bytes:
        """Return the lines that are due by now, and the echoes behind them."""
        start = self._clock(now)
        said = b""
        for _ in range(LINES_A_POLL_MAX):
            cycle_ns = round(self.counters[0].cycle_s * NS)
            if now - self._due > LATE_NS_MAX:
                self._due = now - cycle_ns
            if self._due + cycle_ns > now:
                break
            self._due += cycle_ns
            if self.counters[0].number == 0:    # without a counter 0 nobody begins a line (page 52)
                said += self._line((self._due - start) / NS)
            said += b"".join(self._echo(command) for command in self._commands)
            self._commands.clear()
        return said

    def _clock(self, now: int) -> int:
        if self._power_on is None:
            self._power_on = self._due = now
        return self._power_on

    def _line(self, at_s: float) -> bytes:
        every = self._trouble.lost_every_s
        lost = every > 0 and at_s % every > 0.75 * every
        parts = []
        for counter, source in zip(self.counters, self._sources, strict=True):
            (field_nt,) = source(at_s, 1, 1.0 / counter.cycle_s)
            thousandths = 0 if lost else min(max(round(field_nt * 1000), 0), 199_999_999)
            text = f"{thousandths // 1000:06d}.{thousandths % 1000:03d}"
            level = LEVEL_LOST if lost else LEVEL + self._chance.randrange(-40, 41)
            parts += [("1" if text[0] == "1" else " ") + text[1:]]
            parts += counter.analog_line({0: level, 1: 104, 2: 9900, 3: 5600, 4: 2100, 5: 1600})
            parts += counter.julian_line(at_s)
        line = self.counters[0].preamble + ",".join(parts)
        output = self.counters[0].output
        wire = line.encode("latin-1") + b"\r\n" if output == "A" else packed(line, 0x33 if output == "E" else 0)
        if self._chance.random() < self._trouble.torn:
            hole = self._chance.randrange(len(wire))
            wire = wire[:hole] + wire[hole + 1:]
        return wire

    def _echo(self, command: str) -> bytes:
        if self._trouble.mute:
            return b""
        if self._trouble.refuses:
            command = "?" + command
        for counter in self.counters:
            command = counter.take(command)
        return command.encode("latin-1") + b"\r\n"


def _make(wish: Wish) -> CounterChain:
    passes = tuple(Pass(TROLLEY, PASS_EVERY_S * (n + 0.5), closest_m=0.8) for n in range(PASSES))
    lane = Lane(seed=wish.seed, passes=passes if wish.scene in {"passing", "chain"} else ())
    sensors = 3 if wish.scene.startswith("chain") else 1
    sources = [scalar_source(lane, Sensor((0.0, 0.5 * n, 0.0), key=wish.seed + n)) for n in range(sensors)]
    output = {"packed-bcd": "P", "chain-packed-bcd": "P", "excess-3": "E"}.get(wish.scene, "A")
    return CounterChain(sources, output=output, trouble=TROUBLES.get(wish.scene), seed=wish.seed)


TROUBLES = {
    "signal-lost": Trouble(lost_every_s=20.0),
    "torn": Trouble(torn=0.05),
    "mute": Trouble(mute=True),
    "refusing": Trouble(refuses=True),
}

ROW = Emulated(
    "geometrics", "caesium magnetometers with a chain of counters",
    ("quiet", "passing", "chain", "packed-bcd", "chain-packed-bcd", "excess-3", *TROUBLES),
    make_bytes=_make, baud=9600,
)

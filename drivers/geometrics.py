"""Geometrics G-882, G-823 and G-822A caesium magnetometers with CM-201 or CM-221 counters, alone or in a chain.

Rule: a field leaves here only from a line that is whole, and one that no caesium signal can have is no number.

Quantity   total magnetic flux density in nT, one value from each counter; A/D channels in V (9999 is 5 V)
Range      20 000 to 100 000 nT; a line resolves 0.001 nT (Larmor frequency over 3.498 Hz/nT)
Rate       as the cycle time is set, 10 Hz as delivered; the line says neither rate nor number of a reading
Line       RS-232 9600 8N1 as delivered (300 to 19200 can be set); ASCII, packed BCD or excess-3; no checksum
Chain      counter 0 begins each line, every counter adds its own; A/D channel 0 is the Larmor signal level
Host       listens only, unless `configure` is set: then IV00, O and C are sent at each opening and their echo awaited
Not read   the Sandia format; clock fields (passed over in ASCII, not possible in the binary formats)
Faults     "malformed line", "overlong line", "signal lost", "gap", "wrong rate", "no answer", "command refused"
Flags      "out of range", "weak signal" (below 800 on channel 0), "layout guessed" (two or more A/D channels of a
           binary frame, where `analog` is not set: they may be another counter's field)
Source     Geometrics G-882 manual, pages 37 to 54, 74, 85; G-822A and G-823 manual, pages 20, 24, 27
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from drivers import geometrics_format as lines
from drivers.complaint import Complaint
from drivers.driver import DriverOptions, Instrument, LineSettings, SettingRefused
from drivers.geometrics_commands import Talk, setup
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

NS = 1_000_000_000

FIELD_NT_MIN, FIELD_NT_MAX = 20_000.0, 100_000.0
# A well-oriented sensor shows 800 to 2000 on channel 0 (manual, page 85); while it warms up it shows about 10 and
# its readings are erratic (page 74).
LEVEL_MIN = 800
VOLTS_PER_COUNT = 5.0 / 9999.0

COUNTERS_MAX = 20           # numbers 00 to 19
CHANNELS_MAX = 8            # 0 to 7 of a CM-221
CYCLE_MS_MAX = 5000         # a line every 5 s; `silent_s_max` leaves room for two

# Lines are missed only where nothing came for so many cycles and so long: a busy host reads late, and then all.
GAP_CYCLES, GAP_NS = 5, NS

RATE_WINDOW_NS = 20 * NS    # over which lines are counted
RATE_SHARE = 0.1            # so much of the count may be off; a cycle time of the next step differs by more

FORMATS: dict[str, tuple[lines.Format, ...]] = {
    "auto": ("ascii", "packed-bcd", "excess-3"), "ascii": ("ascii",), "packed-bcd": ("packed-bcd",),
    "excess-3": ("excess-3",),
}

OUT_OF_RANGE, WEAK, GUESSED = "out of range", "weak signal", "layout guessed"
COUNTER_CHANNELS_MIN = 2    # a counter without A/D channels has as many digits in a binary frame as two of them


class Geometrics:
    """One chain of counters at the end of one line."""

    def __init__(self, options: DriverOptions) -> None:
        given = Settings(options.settings)
        chosen = given.word("format", "auto", tuple(FORMATS))
        self._formats = FORMATS[chosen]
        self._analog = _analog(given.text("analog"))
        self._cycle_ms = given.whole("cycle_ms", 100, 10, CYCLE_MS_MAX)
        if self._cycle_ms % 5:
            raise SettingRefused(f"settings.cycle_ms = {self._cycle_ms}: must be a multiple of 5")
        preamble = given.text("preamble", "$")
        if len(preamble) != 1 or not preamble.isascii() or not preamble.isprintable() or preamble == "*":
            raise SettingRefused(f"settings.preamble = {preamble!r}: must be one printable character, not *")
        self._preamble = preamble.encode()
        configure = given.flag("configure", default=False)
        self._commands = setup(chosen, self._cycle_ms) if configure else ()
        self._talk = Talk()
        self._lost = Complaint()
        self._rate = Complaint()
        self._row = -1     # the first opening makes it 0
        self._seen_at: Nanoseconds | None = None
        self._begin()

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a line and how the chain printed, for another one may sit there now.

        When the last line came stays known, so that what was missed is said.
        """
        del now
        self._row += 1
        self._begin()

    def _begin(self) -> None:
        self._reader = lines.LineReader()
        self._joined = False                        # the tail of a line begun before we listened is no fault
        self._shape: lines.Shape | None = None
        self._strange: lines.Shape | None = None    # of the line before, where it was another one
        self._counted_from: tuple[Nanoseconds, int] | None = None
        self._firmware = ""
        self._talk.begin(self._commands)

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the command that is due, none for a driver that only listens."""
        return self._talk.ask(now)

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return a `Sample` for every line of data, and a `Fault` for what cannot be read or is not answered."""
        events: list[Event] = [*self._talk.overdue(now)]
        for token in self._reader.feed(chunk, now):
            if isinstance(token, Fault):
                events.append(token)
            else:
                events += self._take(token, now)
            self._joined = True
        return events

    def _take(self, token: lines.Token, now: Nanoseconds) -> list[Event]:
        places = self._places(token)
        if not places:
            return self._talk_or_noise(token, now)
        found: lines.Row | str = ""
        for at in places:
            found = self._read(token, token.body[at + 1:])
            if isinstance(found, lines.Row):
                noise = self._malformed(token, f"{at} bytes before the preamble", now) if at else []
                return [*noise, *self._gap(now), *self._sampled(found, token.raw[at:], now), *self._pace(now)]
        return self._malformed(token, found, now)

    def _places(self, token: lines.Token) -> list[int]:
        """Return where the data may begin, the likeliest first: a line that was cut short stands before the whole one.

        In packed BCD the preamble may also be a pair of digits, so there it is counted from the frame's end.
        """
        if token.text:
            at = token.body.rfind(self._preamble)
            return [at] if at >= 0 else []
        due = len(token.body) - _frame_bytes(self._shape) if self._shape else 0
        wanted = dict.fromkeys((due, 0, token.body.find(self._preamble)))
        return [at for at in wanted if at >= 0 and token.body.startswith(self._preamble, at)]

    def _talk_or_noise(self, token: lines.Token, now: Nanoseconds) -> list[Event]:
        known, faults = self._talk.heard(token.body, now) if token.text else (False, [])
        if not known:
            return self._malformed(token, "no preamble", now)
        if token.body.startswith(b"IV00:"):
            self._firmware = token.body[5:].decode("ascii", "replace")
        return [*faults]

    def _malformed(self, token: lines.Token, why: object, now: Nanoseconds) -> list[Event]:
        if not self._joined:
            return []
        self._row += self._shape is not None    # a line that is lost leaves a gap in the numbers
        return [Fault("malformed line", f"{why}: {_shown(token.raw)}", now)]

    def _read(self, token: lines.Token, body: bytes) -> lines.Row | str:
        """Return what a data line says, or why it is not read. A new shape is believed when it came twice."""
        found = self._candidates(token, body)
        if not found:
            return "not what a counter prints"
        for shape, row in found:
            if self._shape == shape:
                self._strange = None
                return row
        if len(found) > 1:
            return "packed BCD and excess-3 both fit"
        shape, row = found[0]
        # Four bytes of noise may be a binary frame of a layout that nobody has told: one in some thousand tokens is.
        certain = token.text or (len(self._formats) == 1 and self._analog is not None)
        if self._strange == shape or (self._shape is None and certain):
            self._shape, self._strange = shape, None
            return row
        self._strange = shape
        return f"{shape.format} with A/D channels {shape.analog}: believed when it comes twice"

    def _candidates(self, token: lines.Token, body: bytes) -> list[tuple[lines.Shape, lines.Row]]:
        if token.text:
            one = lines.read_ascii(body) if "ascii" in self._formats else None
            return [one] if one and self._analog in {None, one[0].analog} else []
        analog = self._analog or ((len(body) - 4) // 2,)
        if analog[0] not in range(CHANNELS_MAX + 1):
            return []
        shapes = [lines.Shape(form, analog) for form in self._formats if form != "ascii"]
        read = [(shape, lines.read_binary(body, shape)) for shape in shapes]
        return [(shape, row) for shape, row in read if row is not None]

    def _sampled(self, row: lines.Row, raw: bytes, now: Nanoseconds) -> list[Event]:
        flags, faults = self._judged(row, now)
        alone = len(row.field_nt) == 1
        channels: list[Channel] = []
        values: list[float] = []
        for number, (field_nt, analog) in enumerate(zip(row.field_nt, row.analog, strict=True)):
            end = "" if alone else f".{number}"
            channels.append(Channel(f"field{end}", "magnetic flux density", "nT"))
            values.append(field_nt if field_nt >= FIELD_NT_MIN else math.nan)
            for place, counts in enumerate(analog):
                channels.append(Channel(f"analog_{place}{end}", "voltage", "V"))
                values.append(counts * VOLTS_PER_COUNT)
        identity = Identity("Geometrics", "CM-201/CM-221 counter", "", self._firmware)
        table = np.array([values], dtype=np.float64)
        sample = Sample(
            identity, "counter" if alone else "chain", tuple(channels), table, 1000.0 / self._cycle_ms, self._row,
            now, raw, flags)
        self._row += 1
        self._seen_at = now
        return [*faults, sample]

    def _judged(self, row: lines.Row, now: Nanoseconds) -> tuple[tuple[str, ...], list[Fault]]:
        outside = [n for n, value in enumerate(row.field_nt) if not FIELD_NT_MIN <= value <= FIELD_NT_MAX]
        weak = [n for n, analog in enumerate(row.analog) if analog and analog[0] < LEVEL_MIN]
        flags = (OUT_OF_RANGE,) * bool(outside) + (WEAK,) * bool(weak) + (GUESSED,) * self._is_guess()
        if not outside:
            self._lost.settled()
            return flags, []
        which = ", ".join(f"counter {n:02d} reads {row.field_nt[n]:.3f} nT" for n in outside)
        rule = f"outside {FIELD_NT_MIN:.0f} to {FIELD_NT_MAX:.0f}"
        return flags, self._lost.failed("signal lost", f"{which}: {rule}", now)

    def _is_guess(self) -> bool:
        """Whether the frame may as well be a chain's: the binary formats do not mark where a counter begins."""
        shape = self._shape
        return (self._analog is None and shape is not None and shape.format != "ascii"
                and shape.analog[0] >= COUNTER_CHANNELS_MIN)

    def _gap(self, now: Nanoseconds) -> list[Event]:
        if self._seen_at is None:
            return []
        silent_ns, cycle_ns = now - self._seen_at, self._cycle_ms * 1_000_000
        if silent_ns < max(GAP_CYCLES * cycle_ns, GAP_NS):
            return []
        lost = silent_ns // cycle_ns
        self._row += lost
        self._counted_from = None
        return [Fault("gap", f"no line for {silent_ns / NS:.1f} s: about {lost} lost", now)]

    def _pace(self, now: Nanoseconds) -> list[Event]:
        """Compare how many lines come with the cycle time that the configuration gives."""
        if self._counted_from is None:
            self._counted_from = (now, self._row)
        since, row = self._counted_from
        if now - since < max(RATE_WINDOW_NS, RATE_WINDOW_NS * self._cycle_ms // 100):
            return []
        self._counted_from = (now, self._row)
        wanted = (now - since) / 1e6 / self._cycle_ms
        if abs(self._row - row - wanted) <= RATE_SHARE * wanted:
            self._rate.settled()
            return []
        words = f"{self._row - row} lines in {(now - since) / NS:.0f} s, where cycle_ms = {self._cycle_ms} "
        return [*self._rate.failed("wrong rate", f"{words}makes {wanted:.0f}", now)]


def _analog(text: str) -> tuple[int, ...] | None:
    if not text:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > COUNTERS_MAX or any(part not in map(str, range(CHANNELS_MAX + 1)) for part in parts):
        rule = f"one number from 0 to {CHANNELS_MAX} for each counter of the chain, at most {COUNTERS_MAX}, like 1,1,3"
        raise SettingRefused(f"settings.analog = {text!r}: must be {rule}")
    return tuple(int(part) for part in parts)


def _frame_bytes(shape: lines.Shape) -> int:
    return 1 + sum(4 + 2 * count for count in shape.analog)


def _shown(raw: bytes) -> str:
    """Return the beginning of a line, safe to print."""
    return repr(raw[:60])[2:-1]


INSTRUMENT = Instrument(
    name="geometrics",
    title="Geometrics G-882, G-823 or G-822A caesium magnetometer (CM-201 or CM-221 counter)",
    quantity="magnetic flux density",
    unit="nT",
    line=LineSettings(9600),
    source="Geometrics G-882 manual, pages 37 to 54; G-822A and G-823 manual, pages 20 to 27",
    make=Geometrics,
    kind="stream",
    uncertainty="lines resolve 0.001 nT; the absolute error is not on the line, by certificate",
    settings={
        "format": "what the counters print: auto, ascii, packed-bcd or excess-3",
        "analog": "A/D channels of each counter, first to last, like 1,1,3; empty: found out (not in a binary chain)",
        "cycle_ms": "cycle time the counters are set to, a multiple of 5 (100)",
        "preamble": "the character that begins each line ($)",
        "configure": "true: set format and cycle time at each opening; false: only listen",
    },
    speaks=True,
    silent_s_max=12.0,
)

"""Microchip SA.45s chip-scale atomic clock (CSAC): how the clock is, and the time of day at its 1PPS.

Rule: it only reads. Setting the time of day, the modes or the steering wears a memory of fewer than 20 000 writes
and changes the clock: a deliberate act of somebody who stands at it.

Quantity   state of lock and discipline, phase against a reference 1PPS in ns, time of day in s, health of the cell
Range      phase +-32767 ns, resolution of the meter 0.45 ns; time of day 32 bit; temperature +-2 K (guide, table 6)
Line       57600 8N1, CMOS levels, no flow control; lines of text, with a checksum where its mode says so
Rate       one sample a poll; the time of day is answered at the next 1PPS, so not more than one a second
Source     Microchip SA.45s CSAC User Guide, revision D, pages 17 to 28
Faults     "no answer", "refused", "bad checksum", "bad packet", "overlong frame"
Flags      "not locked: <status>", "alarm: <what>", "holdover", "discipline acquiring", "reference 1PPS missing",
           "time of day not at the 1PPS"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drivers import csac_telemetry as telemetry
from drivers.complaint import Complaint
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.question import Inquiry, Question
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings
from drivers.text_line import LineReader

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

MAKE, MODEL = "Microchip", "SA.45s"
STREAM = "clock"

# 140 bytes take 24 ms at 57600 baud; many times that for a clock that is busy steering, and for a busy gateway.
ANSWER_S_MAX = 0.4

# The guide, page 27: the answer comes up to 20 ms after the next 1PPS, so allow more than a second.
TOD_S_MAX = 1.5

# A late line has ended by then: 140 bytes take 24 ms.
QUIET_S = 0.05

TOD = re.compile(r"\d{1,10}")

HEADER_ASKED, TELEMETRY_ASKED, TOD_ASKED = "the header of telemetry", "telemetry", "the time of day"
COMMANDS = {HEADER_ASKED: "6", TELEMETRY_ASKED: "^", TOD_ASKED: "T?"}

TOD_SECONDS = 1 << 32
TOD_AHEAD_S_MAX = 2     # the next 1PPS after telemetry is one second on, or two if one came before the question

# A star in noise may have turned checksums on. After so many questions in vain one goes without; a clock that does want
# checksums refuses it in words.
CHECKSUM_TRIES = 3

DISCIPLINED, HOLDOVER = 1, 2    # of DiscOK; 0 is acquiring

AT_PPS = Channel("time_of_day_at_pps", "time", "s")

ALARM = "alarm: "


@dataclass(frozen=True, slots=True)
class ClockReport:
    """What a clock's sample says of time.

    `disciplined` follows a reference 1PPS, `holdover` has lost it. `tod_s` is the time of day in the clock's own
    count; where the clock answered at its 1PPS, `tod_at` is when that answer came: 20 ms after the edge at most,
    besides the line and the port's turn.
    """

    locked: bool
    disciplined: bool
    holdover: bool
    phase_ns: float | None
    tod_s: int | None
    tod_at: Nanoseconds | None
    alarms: tuple[str, ...]


def clock_report(sample: Sample) -> ClockReport | None:
    """Return what the sample says of time; None where it is not a clock's."""
    told = {channel.name: float(value) for channel, value in zip(sample.channels, sample.values[-1], strict=False)}
    if sample.stream != STREAM or "status" not in told:
        return None
    at_pps = AT_PPS.name in told
    tod_s = told.get(AT_PPS.name, told.get("time_of_day"))
    return ClockReport(
        locked=told["status"] == 0,
        disciplined=told.get("discipline") == DISCIPLINED,
        holdover=told.get("discipline") == HOLDOVER,
        phase_ns=told.get("phase"),
        tod_s=None if tod_s is None else int(tod_s),
        tod_at=sample.seen_at if at_pps else None,
        alarms=tuple(flag.removeprefix(ALARM) for flag in sample.flags if flag.startswith(ALARM)),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """Telemetry that waits for the time of day: what it says, its bytes, and when it came."""

    telemetry: telemetry.Telemetry
    raw: bytes
    seen_at: Nanoseconds


class CsacDriver:
    """Asks the clock for telemetry and then for its time of day, once each poll; the answer at the 1PPS ends it.

    Settings: `checksum` "auto" takes up checksums when the clock wants them, "on" and "off" fix it; `tod` false
    takes the time of day from telemetry alone, which may be a second off and does not wait for the 1PPS.
    """

    def __init__(self, options: DriverOptions) -> None:
        settings = Settings(options.settings)
        self._checksum = settings.word("checksum", "auto", ("auto", "on", "off"))
        self._wants_tod = settings.flag("tod", default=True)
        self._inquiry = Inquiry(options.poll_s, QUIET_S)
        self._lines = LineReader(b"\n", telemetry.LINE_BYTES_MAX)
        self._complaint = Complaint()
        self._tod_complaint = Complaint()
        self._checked = self._checksum == "on"
        self._unanswered = 0        # questions since the last telemetry
        self._polls = 0
        self._forget()

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a line and the header, for another clock may sit on the line now."""
        self._inquiry.opened(now)
        self._lines.opened()
        self._forget()

    def _forget(self) -> None:
        self._header: tuple[str, ...] | None = None
        self._told: Told | None = None

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the next question of the poll when it is due."""
        late = self._inquiry.lapsed(now)
        if late is not None:
            complaint = self._tod_complaint if late.about == TOD_ASKED else self._complaint
            self._unanswered += 1
            if self._checksum == "auto" and self._unanswered >= CHECKSUM_TRIES:
                self._checked = False
            why = f"clock: {late.about}, {late.answer_s_max:g} s"
            self._inquiry.tell_later([*complaint.failed("no answer", why, now), *self._without_tod(late, now)])
        if self._inquiry.due(now):
            self._inquiry.begin(self._round(), now)
        return self._inquiry.ask(now)

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return the sample that an answer completed, and faults."""
        events = self._inquiry.told_later()
        for found in self._lines.feed(chunk, now):
            if isinstance(found, Fault):
                self._inquiry.stray(now)
                events.append(found)
            else:
                events += self._line(found, now)
        return events

    def _round(self) -> list[Question]:
        header = [] if self._header else [HEADER_ASKED]
        tod = [TOD_ASKED] if self._wants_tod else []
        return [self._question(about) for about in (*header, TELEMETRY_ASKED, *tod)]

    def _question(self, about: str) -> Question:
        text = COMMANDS[about]
        sum_ = f"*{telemetry.checksum(text)}" if self._checked else ""
        return Question(f"!{text}{sum_}\r\n".encode(), about, TOD_S_MAX if about == TOD_ASKED else ANSWER_S_MAX)

    def _line(self, raw: bytes, now: Nanoseconds) -> list[Event]:
        asked = self._inquiry.open
        if asked is None:
            self._inquiry.stray(now)
            return []
        text, summed = telemetry.unsummed(raw.decode("ascii").strip("\r\n"))
        if text in {"*", "?"}:      # whether a refusal carries a checksum, the guide does not say
            return self._refused(text, asked, now)
        if self._checked and not summed:
            return [Fault("bad checksum", f"{asked.about}: {raw!r}: must end in *{telemetry.checksum(text)}", now)]
        return self._answer(text, raw, asked, now)

    def _answer(self, text: str, raw: bytes, asked: Question, now: Nanoseconds) -> list[Event]:
        """Take a line for the open question's answer if it has its form; any other is a late one or noise."""
        try:
            if asked.about == HEADER_ASKED and telemetry.is_header(text):
                self._header = telemetry.read_header(text)
            elif asked.about == TELEMETRY_ASKED and "," in text and not telemetry.is_header(text):
                self._told = Told(telemetry.read_telemetry(text, self._header or telemetry.HEADER), raw, now)
                self._complaint.settled()
                self._unanswered = 0
            elif asked.about == TOD_ASKED and TOD.fullmatch(text) and self._follows(int(text)):
                self._tod_complaint.settled()
            else:
                return []
        except telemetry.Unreadable as wrong:
            return [Fault("bad packet", str(wrong), now)]
        self._inquiry.answered()
        if asked.about == TOD_ASKED:
            return self._sample(now, raw)
        return [] if self._inquiry.left else self._sample(now)

    def _follows(self, tod_s: int) -> bool:
        """Tell whether a time of day fits the telemetry before it; one that is older answers an earlier question."""
        if tod_s >= TOD_SECONDS:
            return False
        before_s = dict(self._told.telemetry.numbers).get(telemetry.CHANNELS["TOD"]) if self._told else None
        return before_s is None or 0 <= (tod_s - int(before_s)) % TOD_SECONDS <= TOD_AHEAD_S_MAX

    def _without_tod(self, asked: Question, now: Nanoseconds) -> list[Event]:
        """Return the sample that a missing time of day leaves; without telemetry give the poll up."""
        if asked.about == TELEMETRY_ASKED:
            self._inquiry.give_up(now)
        return self._sample(now) if asked.about == TOD_ASKED else []

    def _refused(self, text: str, asked: Question, now: Nanoseconds) -> list[Event]:
        """Take a refusal: * wants a checksum, ? does not know the command, or not with a checksum behind it."""
        if text == "?" and not self._checked and asked.about == HEADER_ASKED:
            self._inquiry.answered()    # an old firmware: the guide's header is believed
            self._header = telemetry.HEADER
        else:
            self._inquiry.give_up(now)
        if self._checksum == "auto":
            self._checked = text == "*" or (self._checked and text != "?")
        complaint = self._tod_complaint if asked.about == TOD_ASKED else self._complaint
        words = "wants a checksum" if text == "*" else "does not know the command"
        faults = complaint.failed("refused", f"clock: {asked.about}: it {words}", now)
        return [*faults, *self._without_tod(asked, now)]

    def _sample(self, now: Nanoseconds, tod: bytes = b"") -> list[Event]:
        """Return the sample of this poll; `tod` is the line that came at the 1PPS, empty where none did."""
        held, self._told = self._told, None
        if held is None:
            return []
        told, numbers = held.telemetry, list(held.telemetry.numbers)
        if tod:
            text, _ = telemetry.unsummed(tod.decode("ascii").strip("\r\n"))
            numbers.append((AT_PPS, float(text)))
        channels, values = zip(*numbers, strict=True)
        self._polls += 1
        return [Sample(
            Identity(MAKE, MODEL, told.serial, told.firmware), STREAM, channels, np.array([values], dtype=np.float64),
            None, self._polls - 1, now if tod else held.seen_at, held.raw + tod,
            self._flags(told, self._wants_tod and not tod))]

    @staticmethod
    def _flags(told: telemetry.Telemetry, tod_missing: bool) -> tuple[str, ...]:  # noqa: FBT001  # one of two words
        discipline = dict(told.numbers).get(telemetry.CHANNELS["DiscOK"])
        flags = [f"{ALARM}{what}" for what in told.alarms]
        if told.status:
            flags.append(f"not locked: {telemetry.STATUS_WORDS[told.status]}")
        if discipline is not None and discipline != DISCIPLINED:
            flags.append("holdover" if discipline == HOLDOVER else "discipline acquiring")
        if told.needs_reference:
            flags.append("reference 1PPS missing")
        if tod_missing:
            flags.append("time of day not at the 1PPS")
        return tuple(flags)


INSTRUMENT = Instrument(
    name="csac",
    title="Microchip SA.45s chip-scale atomic clock",
    quantity="time",
    unit="s",
    line=LineSettings(baud=57_600),
    source="Microchip SA.45s CSAC User Guide, revision D, pages 17 to 28",
    make=CsacDriver,
    kind="stream",
    uncertainty="phase meter resolves 0.45 ns; temperature +-2 K; of the time itself: by its discipline",
    settings={
        "checksum": "whether commands carry a checksum: auto, on or off",
        "tod": "true: read the time of day at the 1PPS, up to a second a poll; false: from telemetry",
    },
)

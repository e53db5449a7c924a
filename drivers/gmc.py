"""GQ GMC Geiger counters: counts per minute and per second.

Rule: the replies have neither an end nor a checksum, so a poll counts only if the version text closes it in its place.
Bytes that are lost or too many are found by that; a flipped bit cannot be.

Quantity   count rate of ionising radiation in 1/min and 1/s; it names no nuclide, and a dose needs a certificate
Range      32 bits (GMC-500 and 600 families, RFC1801); 16 and, per second, 14 bits (GMC-280, 300, 320, RFC1201)
Line       USB serial 115200 8N1 (some older ones 57600)
Rate       one poll is three questions, some 50 ms; the counter refreshes once a second
Host       the once-a-second heartbeat is switched off when the line is opened: its bytes look like an answer
Source     GQ-RFC1801, GQ-RFC1201; Wikilicious/pygmc (MIT)
Faults     "no answer", "bad packet"
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from drivers.complaint import Complaint
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.question import Inquiry, Question
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

MAKE = "GQ Electronics"
STREAM = "counter"

CHANNELS = (Channel("cpm", "count rate", "1/min"), Channel("cps", "count rate", "1/s"))

VERSION, SERIAL, CPM, CPS = "the version", "the serial number", "the counts per minute", "the counts per second"
COMMANDS = {VERSION: b"<GETVER>>", SERIAL: b"<GETSERIAL>>", CPM: b"<GETCPM>>", CPS: b"<GETCPS>>"}

HEARTBEAT_OFF = b"<HEARTBEAT0>>"    # has no answer

ANSWER_S_MAX = 0.5      # a counter that is drawing its display answers late; most answer within 20 ms
QUIET_S = 0.5           # a late answer has come by then

# The version text has no end: it is over when nothing has come for so long (pygmc waits 50 ms).
SETTLED_NS = 100_000_000

SERIAL_BYTES = 7
REPLY_BYTES_MAX = 32    # the longest version text known has 15 characters

MODEL = re.compile(rb"(GMC-?[0-9A-Za-z+]{2,10}?) {0,3}(Re ?[0-9]{1,2}\.[0-9]{1,3}[A-Za-z]?)")
SHORT_COUNTS = re.compile(r"GMC-?(280|300|320)")    # the families of RFC1201

CPS_BITS_16 = 0x3FFF    # RFC1201: the two highest bits are not part of the count


class GmcDriver:
    """Asks for both rates and then for the version, which proves that the answers before it stood in their places.

    Setting `count_bits`: "auto" goes by the model, "16" and "32" fix it.
    """

    def __init__(self, options: DriverOptions) -> None:
        self._count_bits = Settings(options.settings).word("count_bits", "auto", ("auto", "16", "32"))
        self._inquiry = Inquiry(options.poll_s, QUIET_S)
        self._complaint = Complaint()
        self._polls = 0
        self._forget()

    def opened(self, now: Nanoseconds) -> None:
        """Forget who spoke and what; the line is left quiet before it is asked anything."""
        self._inquiry.opened(now)
        self._forget()

    def _forget(self) -> None:
        self._version = b""
        self._identity = Identity(MAKE, "", "", "")
        self._serial: str | None = None     # None: not asked yet
        self._part = b""
        self._heard_at: Nanoseconds = 0
        self._begun = False                 # before the first round, what comes is left over from before
        self._replies: dict[str, bytes] = {}

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the next question of the poll when it is due."""
        if self._learning() and self._part and now - self._heard_at >= SETTLED_NS:
            self._learn(now)
        late = self._inquiry.lapsed(now)
        if late is not None:
            self._lapse(late, now)
        if self._inquiry.due(now):
            self._begun, self._replies = True, {}
            self._inquiry.begin(self._round(), now)
        text = self._inquiry.ask(now)
        self._part = b"" if text else self._part
        return text

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return the sample that the version text completed, and faults."""
        events = self._inquiry.told_later()
        if not chunk:
            return events
        asked = self._inquiry.open
        if asked is None:       # what was answered before may have been such bytes too
            stray = self._out_of_step(f"{len(chunk)} bytes that nobody asked for", now)
            return [*events, stray] if self._begun else events
        self._part, self._heard_at = (self._part + chunk)[:REPLY_BYTES_MAX + 1], now
        wanted = REPLY_BYTES_MAX if self._learning() else self._reply_bytes(asked)
        if len(self._part) > wanted:
            return [*events, self._out_of_step(f"{asked.about}: more than {wanted} bytes", now)]
        if len(self._part) < wanted or self._learning():
            return events
        return [*events, *self._answer(asked, now)]

    def _learning(self) -> bool:
        """Tell whether the version is being read for the first time: how long it is, is not known yet."""
        return not self._version and self._inquiry.open is not None and self._inquiry.open.about == VERSION

    def _round(self) -> list[Question]:
        first = [] if self._version else [Question(HEARTBEAT_OFF + COMMANDS[VERSION], VERSION, ANSWER_S_MAX)]
        once = [] if self._serial is not None else [SERIAL]
        return first + [Question(COMMANDS[about], about, ANSWER_S_MAX) for about in (*once, CPM, CPS, VERSION)]

    def _reply_bytes(self, asked: Question) -> int:
        lengths = {VERSION: len(self._version), SERIAL: SERIAL_BYTES}
        return lengths.get(asked.about, 2 if self._short() else 4)

    def _short(self) -> bool:
        if self._count_bits == "auto":
            return SHORT_COUNTS.match(self._identity.model) is not None
        return self._count_bits == "16"

    def _learn(self, now: Nanoseconds) -> None:
        told = MODEL.fullmatch(self._part.rstrip(b"\0\r\n "))
        if told is None:
            words = f"version {self._part!r}: must be like GMC-500+Re 2.42"
            self._inquiry.tell_later([self._out_of_step(words, now)])
            return
        self._version = self._part
        self._identity = Identity(MAKE, told[1].decode("ascii"), "", told[2].decode("ascii"))
        self._inquiry.answered()

    def _lapse(self, late: Question, now: Nanoseconds) -> None:
        if late.about == SERIAL:
            self._replies[SERIAL] = b""     # an older counter; it has none to tell
            return
        self._inquiry.give_up(now)
        why = f"counter: {late.about}, {len(self._part)} bytes in {late.answer_s_max:g} s"
        self._inquiry.tell_later(self._complaint.failed("no answer", why, now))

    def _answer(self, asked: Question, now: Nanoseconds) -> list[Event]:
        reply, self._part = self._part, b""
        if asked.about == VERSION:
            if reply != self._version:
                return [self._out_of_step(f"{reply!r} where the version {self._version!r} was due", now)]
            self._inquiry.answered()
            return [self._sample(now)]
        self._inquiry.answered()
        self._replies[asked.about] = reply
        return []

    def _out_of_step(self, words: str, now: Nanoseconds) -> Fault:
        """Void the poll, and who the counter is as well: another may have been plugged in."""
        self._inquiry.give_up(now)
        self._part, self._version, self._serial = b"", b"", None
        return Fault("bad packet", f"counter: {words}", now)

    def _sample(self, now: Nanoseconds) -> Sample:
        self._complaint.settled()
        self._polls += 1
        if SERIAL in self._replies:
            self._serial = self._replies[SERIAL].hex()
        cpm, cps = (int.from_bytes(self._replies[about], "big") for about in (CPM, CPS))
        device = Identity(MAKE, self._identity.model, self._serial or "", self._identity.firmware)
        counts = [[cpm, cps & CPS_BITS_16 if self._short() else cps]]
        raw = self._replies[CPM] + self._replies[CPS] + self._version
        return Sample(device, STREAM, CHANNELS, np.array(counts, dtype=np.float64), None, self._polls - 1, now, raw)


INSTRUMENT = Instrument(
    name="gmc",
    title="GQ GMC-500+ Geiger counter (and GMC-280 to 600)",
    quantity="count rate",
    unit="1/min",
    line=LineSettings(baud=115_200),
    source="GQ-RFC1801, GQ-RFC1201; Wikilicious/pygmc",
    make=GmcDriver,
    kind="stream",
    uncertainty="counting statistics: the square root of the counts; dead time and efficiency by certificate",
    settings={"count_bits": "width of a count: auto (by the model), 16 or 32"},
)

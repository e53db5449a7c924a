"""Meerstetter TEC controllers (TEC-1091 and its family) over MeCom: temperatures, output, state.

Rule: it only reads. Targets, limits and the output stage stay as they were set on the controller.

Quantity   temperature of the object and of the sink in degC, current in A and voltage in V of the output
Range      as the sensor's; numbers are 32-bit floats of the controller
Line       57600 8N1: RS-485 with several controllers on a bus, USB, or TCP
Rate       eight questions a poll, each some 10 ms; a lost answer is asked for again, twice, under the same number
Source     spomjaksilp/pyMeCom (MIT; commands, parameters and errors), houlihaj/MeComPyAPI (MIT)
Faults     "no answer", "refused", "bad checksum", "bad packet", "overlong frame"
Flags      "status: <word>" unless it runs, "error number <n>", "temperature not stable", "regulation off",
           "<status, error_number or stable> not told" where it refused this once to say so
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from drivers import mecom_frame as frame
from drivers.complaint import Complaint
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.question import Inquiry, Question
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings
from drivers.text_line import LineReader

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

MAKE = "Meerstetter Engineering"
FAMILY = "TEC"      # where a controller does not know the question for its identification
STREAM = "controller"

# 32 characters there and back take 11 ms at 57600 baud; a controller on a bus may be told to wait before it answers.
ANSWER_S_MAX = 0.3

TRIES = 3   # as the vendor's clients do

SEQUENCES = 1 << 16

ADDRESS_MAX = 254   # 255 is not answered; 0 is answered by every controller, so it is for one alone on its line
INSTANCE_MAX = 4    # channels of the largest controller of the family

# Refusals that will not change until another controller sits on the line: command, parameter, instance.
NOT_THERE = frozenset({1, 5, 8})


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of the controller's numbered values."""

    number: int
    kind: Literal["whole", "real"]
    channel: Channel


STATUS = Parameter(104, "whole", Channel("status", "state", "1"))
ERROR = Parameter(105, "whole", Channel("error_number", "state", "1"))
STABLE = Parameter(1200, "whole", Channel("stable", "state", "1"))

POLLED = (
    Parameter(1000, "real", Channel("object_temperature", "temperature", "degC")),
    Parameter(1001, "real", Channel("sink_temperature", "temperature", "degC")),
    Parameter(1010, "real", Channel("target_temperature", "temperature", "degC")),
    Parameter(1020, "real", Channel("output_current", "electric current", "A")),
    Parameter(1021, "real", Channel("output_voltage", "voltage", "V")),
    STABLE,
    STATUS,
    ERROR,
)

JUDGED = (STATUS, ERROR, STABLE)    # what the flags are made of

RUNS = 2
STATUS_WORDS = {0: "initialising", 1: "ready", 2: "runs", 3: "error", 4: "bootloader", 5: "about to reset"}

STABLE_YET = 2
STABLE_WORDS = {0: "regulation off", 1: "temperature not stable"}

IDENTIFICATION, SERIAL, FIRMWARE = -1, 102, 103     # the first is no parameter
WHO = (IDENTIFICATION, SERIAL, FIRMWARE)            # asked once


class MecomDriver:
    """Asks one controller for its values once each poll.

    Settings: `address` on the bus, 0 for a controller alone on its line; `instance` is the channel of a controller
    with several.
    """

    def __init__(self, options: DriverOptions) -> None:
        settings = Settings(options.settings)
        self._address = settings.whole("address", 0, 0, ADDRESS_MAX)
        self._instance = settings.whole("instance", 1, 1, INSTANCE_MAX)
        self._inquiry = Inquiry(options.poll_s)     # answers carry their query's number: no quiet time is needed
        self._lines = LineReader(frame.END, frame.REPLY_BYTES_MAX, frame.REPLY_START)
        self._complaint = Complaint()
        self._refusal = Complaint()
        self._was_refused = False
        self._sequence = 0
        self._polls = 0
        self._forget()

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a reply and who spoke; count questions anew, so that a recording of them fits again."""
        self._inquiry.opened(now)
        self._lines.opened()
        self._sequence = 0
        self._forget()

    def _forget(self) -> None:
        self._told: dict[int, bytes] = {}       # the identity's answers
        self._absent: set[int] = set()          # what the controller does not have
        self._asked: dict[int, int] = {}        # parameter by sequence number, of this round
        self._values: dict[Channel, float] = {}
        self._raw = b""
        self._tries = 0                         # of the open question

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the next question of the poll when it is due."""
        late = self._inquiry.lapsed(now)
        if late is not None:
            self._lapse(late, now)
        if self._inquiry.due(now):
            self._values, self._raw, self._was_refused = {}, b"", False
            self._inquiry.begin(self._round(), now)
        text = self._inquiry.ask(now)
        self._tries += bool(text)
        return text

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return the sample that the last answer of a poll completed, and faults."""
        events = self._inquiry.told_later()
        for found in self._lines.feed(chunk, now):
            if isinstance(found, Fault):
                events.append(found)
                continue
            try:
                events += self._take(frame.reply(found), found, now)
            except frame.BadChecksum as wrong:
                events.append(Fault("bad checksum", str(wrong), now))
            except frame.Malformed as wrong:
                events.append(Fault("bad packet", str(wrong), now))
        return events

    def _round(self) -> list[Question]:
        self._asked.clear()
        once = [number for number in WHO if number not in self._told]
        wanted = [number for number in (*once, *(one.number for one in POLLED)) if number not in self._absent]
        return [self._question(number) for number in wanted]

    def _question(self, number: int) -> Question:
        self._sequence = (self._sequence + 1) % SEQUENCES
        self._asked[self._sequence] = number
        payload = frame.IDENTIFY if number == IDENTIFICATION else frame.read_parameter(number, self._instance)
        about = "the identification" if number == IDENTIFICATION else f"parameter {number}"
        return Question(frame.query(self._address, self._sequence, payload), about, ANSWER_S_MAX)

    def _lapse(self, late: Question, now: Nanoseconds) -> None:
        if self._tries < TRIES:
            self._inquiry.repeat(late)
            return
        self._tries = 0
        self._inquiry.give_up(now)
        why = f"controller {self._address}: {late.about}, {TRIES} times {late.answer_s_max:g} s"
        self._inquiry.tell_later(self._complaint.failed("no answer", why, now))

    def _take(self, reply: frame.Reply, raw: bytes, now: Nanoseconds) -> list[Event]:
        asked = self._inquiry.open
        mine = self._address in {0, reply.address}
        if asked is None or not mine or asked.text[3:7] != b"%04X" % reply.sequence:
            return []   # another controller's, or the answer to a question that was given up
        number = self._asked[reply.sequence]
        events: list[Event] = []
        if reply.refusal is not None:
            events += self._refused(asked, number, reply.refusal, now)
        else:
            self._keep(number, reply.data)
        self._inquiry.answered()
        self._tries = 0
        self._raw += raw
        return events if self._inquiry.left else [*events, *self._sample(now)]

    def _keep(self, number: int, data: bytes) -> None:
        """Keep an answer; raises Malformed, and then the question stays open."""
        parameter = next((one for one in POLLED if one.number == number), None)
        if parameter is not None:
            read = frame.whole_number if parameter.kind == "whole" else frame.real_number
            self._values[parameter.channel] = float(read(data))
        elif number == IDENTIFICATION:
            self._told[number] = data.strip()
        else:
            self._told[number] = b"%d" % frame.whole_number(data)

    def _refused(self, asked: Question, number: int, code: int, now: Nanoseconds) -> list[Event]:
        if code in NOT_THERE:
            self._absent.add(number)
        words = f"controller {self._address}: {asked.about}: {frame.refusal_words(code)}"
        self._was_refused = True
        return [*self._refusal.failed("refused", words, now)]

    def _sample(self, now: Nanoseconds) -> list[Event]:
        unknown = set(WHO) - self._told.keys() - self._absent
        if unknown or not self._values:
            return []   # too busy to say who it is; the next poll asks again
        self._complaint.settled()
        if not self._was_refused:
            self._refusal.settled()
        self._polls += 1
        model, serial, firmware = (self._told.get(number, b"").decode("ascii") for number in WHO)
        return [Sample(
            Identity(MAKE, model or FAMILY, serial, firmware), STREAM, tuple(self._values),
            np.array([list(self._values.values())], dtype=np.float64), None, self._polls - 1, now, self._raw,
            self._flags())]

    def _flags(self) -> tuple[str, ...]:
        status, error = self._values.get(STATUS.channel, RUNS), self._values.get(ERROR.channel, 0)
        stable = self._values.get(STABLE.channel, STABLE_YET)
        flags = []
        if status != RUNS:
            flags.append(f"status: {STATUS_WORDS.get(int(status), f'{status:g}')}")
        if error:
            flags.append(f"error number {error:g}")
        if stable != STABLE_YET:
            flags.append(STABLE_WORDS.get(int(stable), f"stability {stable:g}"))
        known = {one.channel for one in JUDGED if one.channel in self._values or one.number in self._absent}
        return (*flags, *(f"{one.channel.name} not told" for one in JUDGED if one.channel not in known))


INSTRUMENT = Instrument(
    name="mecom",
    title="Meerstetter TEC controller (TEC-1091 and its family, MeCom)",
    quantity="temperature",
    unit="degC",
    line=LineSettings(baud=57_600),
    source="spomjaksilp/pyMeCom and houlihaj/MeComPyAPI: commands, parameters, errors",
    make=MecomDriver,
    kind="stream",
    uncertainty="not stated by the protocol; the sensor's by certificate",
    settings={
        "address": "the controller's address on the bus; 0 for one alone on its line",
        "instance": "the channel of a controller with several, from 1",
    },
)

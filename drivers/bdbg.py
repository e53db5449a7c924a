"""Ecotest BDBG-09 and BDBG-09S gamma detection heads: ambient dose rate with its statistical error.

Rule: a frame is believed by its checksum, its kind and its address; bytes before and between frames are thrown away.

Quantity   dose rate of gamma radiation in uSv/h, statistical error in %; it names no nuclide
Range      32 bits of 0.01 uSv/h, or of 0.1 uSv/h where the head says so
Line       RS-485 19200 8N1, half duplex, several heads on a bus; an adapter may give back what was sent
Rate       one question a poll; the head answers within 5 to 15 ms
Source     Ecotest BDBG-09 operating manual, page 29 (BDBG-09S: page 27)
Faults     "no answer", "bad checksum"
Flags      "high-sensitivity detector failure", "low-sensitivity detector failure", "unreliable",
           "coarse resolution", "flag bit <n>"
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from drivers.complaint import Complaint
from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.question import Inquiry, Question
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.settings import Settings

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

# The protocol tells no identity; a serial number comes from the configuration.
IDENTITY = Identity(make="Ecotest", model="BDBG-09", serial="", firmware="")

STREAM = "head"
CHANNELS = (Channel("dose_rate", "ambient dose equivalent rate", "uSv/h"), Channel("statistical_error", "ratio", "%"))

START = b"\x55\xaa"
QUERY, REPLY = 0x00, 0x10       # the high half of the third byte; the low half is the address
REPLY_BYTES = 10

ADDRESS_MAX = 14                # 15 is a broadcast

FINE_USV_H, COARSE_USV_H = 0.01, 0.1
COARSE = 0x80
FLAG_WORDS = {
    0x01: "high-sensitivity detector failure", 0x02: "low-sensitivity detector failure", 0x04: "unreliable",
    COARSE: "coarse resolution",
}  # fmt: skip

# The manual: within 15 ms. An adapter's buffer (16 ms), the port's turn (25 ms) and a busy gateway come on top, and
# to wait longer costs nothing: nobody else may speak on the bus meanwhile.
ANSWER_S_MAX = 0.4

# The manual: 5 ms or more between frames; a frame that was being sent when we gave up has ended by then.
QUIET_S = 0.02


def checksum(data: bytes) -> int:
    """Return the 8-bit sum with end-around carry; 0x00 and 0xFF are the same in it, given here as 0."""
    return sum(data) % 0xFF


def query(address: int) -> bytes:
    """Return the frame that asks the head at `address`."""
    text = START + bytes((QUERY | address,))
    return text + bytes((checksum(text),))


class BdbgDriver:
    """Asks one head once each poll. Setting: `address` on the bus."""

    def __init__(self, options: DriverOptions) -> None:
        self._address = Settings(options.settings).whole("address", 1, 0, ADDRESS_MAX)
        self._question = Question(query(self._address), f"the head at address {self._address}", ANSWER_S_MAX)
        self._inquiry = Inquiry(options.poll_s, QUIET_S)
        self._complaint = Complaint()
        self._part = b""                # the beginning of a reply; shorter than one between calls
        self._polls = 0

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a frame."""
        self._inquiry.opened(now)
        self._part = b""

    def ask(self, now: Nanoseconds) -> bytes:
        """Return the question of the poll when it is due."""
        late = self._inquiry.lapsed(now)
        if late is not None:
            why = f"{late.about}, {late.answer_s_max:g} s"
            self._inquiry.tell_later(self._complaint.failed("no answer", why, now))
        if self._inquiry.due(now):
            self._inquiry.begin([self._question], now)
        text = self._inquiry.ask(now)
        self._part = b"" if text else self._part    # half a frame from before the question is nothing's beginning
        return text

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return the sample that the reply makes, and faults."""
        events = self._inquiry.told_later()
        if chunk and self._inquiry.open is None:
            self._inquiry.stray(now)
        data = self._part + chunk
        start = data.find(START)
        while 0 <= start <= len(data) - REPLY_BYTES:
            reply = data[start:start + REPLY_BYTES]
            is_reply = reply[2] & 0xF0 == REPLY
            whole = is_reply and checksum(reply[:-1]) == reply[-1] % 0xFF
            if whole:
                events += self._take(reply, now)
            elif is_reply:
                events.append(Fault("bad checksum", f"{reply.hex(' ')}: must end in {checksum(reply[:-1]):02x}", now))
            start = data.find(START, start + (REPLY_BYTES if whole else 1))
        self._part = data[start:] if start >= 0 else data[-1:].removesuffix(b"\xaa")[-1:]
        return events

    def _take(self, reply: bytes, now: Nanoseconds) -> list[Event]:
        if self._inquiry.open is None or reply[2] & 0x0F != self._address:
            return []   # a late one, or another head's
        self._inquiry.answered()
        self._complaint.settled()
        dose, error, flags = struct.unpack_from("<IBB", reply, 3)
        rate_usv_h = dose * (COARSE_USV_H if flags & COARSE else FINE_USV_H)
        self._polls += 1
        values = np.array([[rate_usv_h, error]], dtype=np.float64)
        words = tuple(FLAG_WORDS.get(1 << bit, f"flag bit {bit}") for bit in range(8) if flags >> bit & 1)
        return [Sample(IDENTITY, STREAM, CHANNELS, values, None, self._polls - 1, now, reply, words)]


INSTRUMENT = Instrument(
    name="bdbg-09",
    title="Ecotest BDBG-09 gamma detection head",
    quantity="ambient dose equivalent rate",
    unit="uSv/h",
    line=LineSettings(baud=19_200),
    source="Ecotest BDBG-09 operating manual, page 29",
    make=BdbgDriver,
    kind="stream",
    uncertainty="the head tells its statistical error with each value; calibration by certificate",
    settings={"address": "the head's address on the bus, 0 to 14"},
)

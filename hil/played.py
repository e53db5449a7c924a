"""The device's side of a recording: what it said, said again to whoever listens. No I/O and no clock here.

Rule: a device that talks by itself talks at its recorded times; one that is asked answers the same question only.

What it says of itself is what the recorded device said: only whoever runs it knows that it is a recording.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

from hil.registers import Refusal, refusal_pdu
from hil.rtu import crc16

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.capture import Chunk
    from drivers.sample import Nanoseconds

# A host may send its question in pieces; a device's own patience is about as long.
HEARD_BYTES_MAX = 4096
QUESTION_NS = 500_000_000
NEW_HOST_NS = 2_000_000_000
AGAIN_NS = 1_000_000_000


class Talker:
    """Says every recorded chunk at its time, once for each host, or again and again where it was never asked.

    A pty does not tell who opens it. So where the recorded host spoke first, the recording begins with the first word
    of a host, and begins anew with the first one after a silence that the recorded host never kept.
    """

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._said = [chunk for chunk in chunks if chunk.from_device]
        heard = [chunk.at for chunk in chunks if not chunk.from_device]
        self._waits = bool(heard and self._said) and heard[0] <= self._said[0].at
        self._quiet = max((b - a for a, b in pairwise(heard)), default=0) + NEW_HOST_NS
        self._heard_at: Nanoseconds | None = None
        self._next = 0
        self._begin: Nanoseconds | None = None

    def opened(self, now: Nanoseconds) -> bytes:
        """Begin anew, or wait for a word."""
        self._next, self._begin, self._heard_at = 0, None if self._waits else now, None
        return self.poll(now)

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Notice that a host is there; what it says is not understood."""
        del chunk
        if self._waits and (self._heard_at is None or now - self._heard_at > self._quiet):
            self._next, self._begin = 0, now
        self._heard_at = now
        return self.poll(now)

    def poll(self, now: Nanoseconds) -> bytes:
        """Return what is due."""
        if self._begin is None:
            return b""
        out = b""
        while self._next < len(self._said) and self._said[self._next].at <= now - self._begin:
            out += self._said[self._next].data
            self._next += 1
        if self._next == len(self._said) and not self._waits:
            self._next, self._begin = 0, now + AGAIN_NS
        return out


class Answerer:
    """Waits for a recorded question and gives the answers that followed it, as late as they came; round and round."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self._turns = paired(chunks)
        self._next = 0
        self._heard = b""
        self._heard_at: Nanoseconds = 0
        self._due: deque[tuple[Nanoseconds, bytes]] = deque()

    def opened(self, now: Nanoseconds) -> bytes:
        """Forget half a question."""
        self._heard, self._heard_at = b"", now
        self._due.clear()
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Look for the next recorded question that ends what was heard."""
        stale = now - self._heard_at > QUESTION_NS
        self._heard = ((b"" if stale else self._heard) + chunk)[-HEARD_BYTES_MAX:]
        self._heard_at = now
        for step in range(len(self._turns)):
            place = (self._next + step) % len(self._turns)
            question, answers = self._turns[place]
            if self._heard.endswith(question.data):
                self._due.extend((now + answer.at - question.at, answer.data) for answer in answers)
                self._next, self._heard = place + 1, b""
                break
        return self.poll(now)

    def poll(self, now: Nanoseconds) -> bytes:
        """Return the answers whose time has come."""
        out = b""
        while self._due and self._due[0][0] <= now:
            out += self._due.popleft()[1]
        return out


class RtuAnswerer(Answerer):
    """As `Answerer`, for recorded PDUs: their checksums are put on, and what is not recorded is refused."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        super().__init__(framed(chunks))

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Answer; a whole request that the recording does not hold gets an exception, as of a missing address."""
        said = super().feed(chunk, now)
        frame = self._heard
        if not said and not self._due and len(frame) >= 4 and crc16(frame[:-2]) == frame[-2:]:
            self._heard = b""
            body = frame[:1] + refusal_pdu(frame[1], Refusal.ADDRESS)
            return body + crc16(body)
        return said


def framed(chunks: Sequence[Chunk]) -> list[Chunk]:
    """Return recorded PDUs as frames of a serial line."""
    return [type(chunk)(chunk.at, chunk.from_device, chunk.data + crc16(chunk.data)) for chunk in chunks]


def paired(chunks: Sequence[Chunk]) -> list[tuple[Chunk, tuple[Chunk, ...]]]:
    """Return each recorded question with the answers up to the next one."""
    turns: list[tuple[Chunk, list[Chunk]]] = []
    for chunk in chunks:
        if not chunk.from_device:
            turns.append((chunk, []))
        elif turns:
            turns[-1][1].append(chunk)
    return [(question, tuple(answers)) for question, answers in turns]

"""Play shipped captures into drivers: whole, cut anywhere, with noise between. What every walk over `DRIVERS` uses.

Rule: it knows no driver, only rows and captures, so that a new instrument is walked as soon as it has both.
"""

from __future__ import annotations

import gc
import sys
import types
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from drivers.capture import Chunk, parse_capture
from drivers.driver import DriverOptions, ReadRegisters, exception_words
from drivers.sample import Fault, Sample, ScanCapture
from drivers.table import DRIVERS
from hil.captures import shipped_captures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from drivers.capture import Capture
    from drivers.driver import Instrument, RegisterDriver, Request, StreamDriver
    from drivers.sample import Event, Nanoseconds

    # Splits the device's bytes: how many came before this chunk, and the chunk.
    Cut: TypeAlias = Callable[[int, bytes], list[bytes]]

TURN_NS = 25_000_000            # a port's turn, drivers/port.py
PATIENCE_NS = 15_000_000_000    # a driver that does not ask for so long will not ask any more

KIND_CHARACTERS_MAX = 40
DETAIL_CHARACTERS_MAX = 1000
FLAGS_MAX = 200
ASKED_BYTES_MAX = 4096          # what a port holds for a device that does not read


@dataclass(frozen=True, slots=True)
class Case:
    """One capture and the row of its instrument."""

    name: str
    row: Instrument
    capture: Capture

    @property
    def listens(self) -> bool:
        """Whether the device speaks by itself, so that its words need no question."""
        return self.row.speaks

    @property
    def bare(self) -> bool:
        """Whether it came over TCP, where nothing marks a frame."""
        return self.capture.header.line is None

    @property
    def device_bytes(self) -> int:
        """How many bytes came from the device."""
        return sum(len(chunk.data) for chunk in self.capture.chunks if chunk.from_device)

    def driver(self) -> StreamDriver | RegisterDriver:
        """Return a fresh driver, told what it was told when the capture was made."""
        header = self.capture.header
        text = shipped_map(header.map) if header.map else ""
        return self.row.make(DriverOptions(
            poll_s=header.poll_s, packets=self.bare, settings=header.settings, map_text=text))


def cases(kind: str) -> dict[str, Case]:
    """Return every shipped capture of a driver of this kind, by the name of its file."""
    found = {}
    for file in shipped_captures():
        capture = parse_capture(file.read_text())
        row = DRIVERS.get(capture.header.instrument)
        if row is not None and row.kind == kind:
            name = file.name.removesuffix(".capture")
            found[name] = Case(name, row, capture)
    return found


def shipped_map(name: str) -> str:
    """Return the text of a register map that is shipped."""
    from importlib.resources import files

    return (files("drivers") / "maps" / f"{name}.toml").read_text()


def uncut(_before: int, data: bytes) -> list[bytes]:
    """Leave every chunk as it came."""
    return [data]


def by_byte(_before: int, data: bytes) -> list[bytes]:
    """Cut every chunk into its bytes."""
    return [data[place:place + 1] for place in range(len(data))]


def cut_at(place: int) -> Cut:
    """Return a cut at one place of the whole."""
    def cut(before: int, data: bytes) -> list[bytes]:
        inside = place - before
        return [data[:inside], data[inside:]] if 0 < inside < len(data) else [data]
    return cut


def play(case: Case, chunks: Sequence[Chunk], cut: Cut, noise: dict[int, list[bytes]] | None = None) -> list[Event]:
    """Return what a stream driver makes of the chunks; `noise` comes before the chunk of that number."""
    driver = cast("StreamDriver", case.driver())
    if not case.listens:
        return Conversing(driver).play(chunks, cut, noise or {})
    player = Listening(driver)
    player.events += player.opened()
    before = 0
    for number, chunk in enumerate(chunks):
        for piece in (noise or {}).get(number, []):
            player.hear(piece)
        if case.bare and number in (noise or {}):
            player.events += player.opened()    # bare TCP has no frame marks: only a new connection finds the step
        if chunk.from_device:
            for piece in cut(before, chunk.data):
                player.hear(piece)
            before += len(chunk.data)
        else:
            player.told(chunk)
        player.now = max(player.now, chunk.at)
    return player.events


class Listening:
    """Plays to a driver whose device speaks by itself: it is asked each time, and what it says is not waited for."""

    def __init__(self, driver: StreamDriver) -> None:
        self.driver = driver
        self.now: Nanoseconds = 0
        self.events: list[Event] = []

    def opened(self) -> list[Event]:
        """Open the line."""
        self.driver.opened(self.now)
        return []

    def hear(self, piece: bytes) -> None:
        """Feed some bytes."""
        self.events += checked(self.driver.feed(piece, self.now))

    def told(self, chunk: Chunk) -> None:
        """Let the driver say what it has to say when the host said something in the capture."""
        self.now = max(self.now, chunk.at)
        well_asked(self.driver.ask(self.now))


@dataclass(frozen=True, slots=True)
class Exchange:
    """A recorded question: noise before it, and its answer, each piece with how long after the question it came.

    `dirt` are those pieces of the answer that are noise; they come only the first time.
    """

    asked: bytes
    before: list[bytes]
    answer: list[tuple[Nanoseconds, bytes]]
    dirt: list[tuple[Nanoseconds, bytes]]


class Conversing(Listening):
    """Plays to a driver that asks: each question gets its recorded answer, so a repetition gets it again."""

    def play(self, chunks: Sequence[Chunk], cut: Cut, noise: dict[int, list[bytes]]) -> list[Event]:
        """Return what the driver makes of the recorded answers to its questions."""
        recorded = spoken(chunks, cut, noise)
        self.opened()
        place, left = 0, 4 * len(recorded) + 20
        while place < len(recorded) and left:
            while recorded[place].before:
                self.hear(recorded[place].before.pop(0))
            asked = self.question()
            if not asked:
                break
            left -= 1
            nearest = [*range(place, len(recorded)), *range(place - 1, -1, -1)]
            found = next((at for at in nearest if recorded[at].asked == asked), None)
            if found is not None:
                self.answer(recorded[found])
                place = max(place, found + 1)
        return self.events

    def question(self) -> bytes:
        """Let time go on until the driver asks; return nothing where it does not."""
        end = self.now + PATIENCE_NS
        while not (asked := well_asked(self.driver.ask(self.now))) and self.now < end:
            self.now += TURN_NS
            self.events += checked(self.driver.feed(b"", self.now))     # as a port does where nothing came
        return asked

    def answer(self, exchange: Exchange) -> None:
        """Give the answer, in its own time."""
        asked_at = self.now
        for piece in list(exchange.answer):
            self.now = max(self.now, asked_at + piece[0])
            self.hear(piece[1])
            if any(piece is noise for noise in exchange.dirt):
                exchange.answer.remove(piece)


def spoken(chunks: Sequence[Chunk], cut: Cut, noise: dict[int, list[bytes]]) -> list[Exchange]:
    """Return a capture as questions with their answers."""
    found: list[Exchange] = []
    asked_at = before = 0
    for number, chunk in enumerate(chunks):
        dirt = noise.get(number, [])
        if not chunk.from_device:
            asked_at = chunk.at
            found.append(Exchange(chunk.data, list(dirt), [], []))
            continue
        if found:
            found[-1].dirt.extend((chunk.at - asked_at, piece) for piece in dirt)
            found[-1].answer.extend(found[-1].dirt[len(found[-1].dirt) - len(dirt):])
            found[-1].answer.extend((chunk.at - asked_at, piece) for piece in cut(before, chunk.data))
        before += len(chunk.data)
    return found


def converse(driver: RegisterDriver, chunks: Sequence[Chunk]) -> list[Event]:
    """Return what a register driver makes of recorded answers, which are given by the question they answer."""
    answers = exchanges(chunks)
    events: list[Event] = []
    now, quiet_since = 0, 0
    while answers and now - quiet_since < PATIENCE_NS:
        request = driver.ask(now)
        if request is None:
            now += max(round(driver.idle_s_max * 1e9), 1_000_000)
            continue
        place = next((place for place, (asked, _) in enumerate(answers) if asks(asked, request)), None)
        quiet_since = now if place is not None else quiet_since
        answer = answers.pop(place)[1] if place is not None else b""
        events += checked(answered(driver, request, answer, now))
        now += 1_000_000
    return events


def exchanges(chunks: Iterable[Chunk]) -> list[tuple[bytes, bytes]]:
    """Return request and answer of a register capture, each unit id and PDU; an answer that is missing is empty."""
    found: list[tuple[bytes, bytes]] = []
    for chunk in chunks:
        if not chunk.from_device:
            found.append((chunk.data, b""))
        elif found:
            found[-1] = (found[-1][0], chunk.data)
    return found


def asks(recorded: bytes, request: Request) -> bool:
    """Tell whether a recorded request is this one, whatever it writes."""
    function, address = recorded[1], int.from_bytes(recorded[2:4], "big")
    if isinstance(request, ReadRegisters):
        return (function, address, int.from_bytes(recorded[4:6], "big")) == (
            request.function, request.address, request.count)
    return function in {6, 16} and address == request.address


def answered(driver: RegisterDriver, request: Request, answer: bytes, now: Nanoseconds) -> list[Event]:
    """Give the driver a recorded answer: registers, an exception or silence."""
    if len(answer) < 2:
        return driver.refuse("no answer", now)
    if answer[1] & 0x80:
        return driver.refuse(exception_words(answer[2], "recorded"), now)
    return driver.answer(registers_of(request, answer), now)


def registers_of(request: Request, answer: bytes) -> list[int]:
    """Return the registers in a recorded answer; of coils and discrete inputs, one for each bit asked for."""
    if not isinstance(request, ReadRegisters):
        return []
    body = answer[3:]
    if request.function in {1, 2}:
        bits = [byte >> place & 1 for byte in body for place in range(8)]
        return bits[:request.count]
    return [int.from_bytes(body[i:i + 2], "big") for i in range(0, len(body), 2)]


def well_asked(asked: bytes) -> bytes:
    """Return what a driver sends, if it is bytes and few enough for a port."""
    assert isinstance(asked, bytes)
    assert len(asked) <= ASKED_BYTES_MAX
    return asked


def checked(events: list[Event]) -> list[Event]:
    """Return the events, if each of them is one that the pipeline can take."""
    for event in events:
        if isinstance(event, Fault):
            assert 0 < len(event.kind) <= KIND_CHARACTERS_MAX, event
            assert len(event.detail) <= DETAIL_CHARACTERS_MAX, event
        elif isinstance(event, Sample):
            assert event.values.ndim == 2, event
            assert event.values.dtype == np.float64, event
            assert event.values.shape[0] > 0, event
            assert event.values.shape[1] == len(event.channels) > 0, event
            assert event.raw, event
            assert event.rate_hz is None or event.rate_hz > 0, event
            assert len(event.flags) <= FLAGS_MAX, event
            assert all(channel.name for channel in event.channels), event
        else:
            assert isinstance(event, ScanCapture), event
    return events


def samples(events: Iterable[Event]) -> list[Sample]:
    """Return the samples among the events."""
    return [event for event in events if isinstance(event, Sample)]


def content(sample: Sample) -> tuple[object, ...]:
    """Return what a sample says, without when it came and how many came before it."""
    return sample.device, sample.stream, sample.channels, sample.values.tobytes(), sample.rate_hz, sample.raw


def counted(events: Iterable[Event]) -> Counter[tuple[object, ...]]:
    """Return how often each content came."""
    return Counter(content(sample) for sample in samples(events))


def state_bytes(driver: object) -> int:
    """Return how many bytes everything takes that a driver holds, itself included; not what it shares as code."""
    seen: set[int] = set()
    todo, total = [driver], 0
    shared = (type, types.ModuleType, types.FunctionType, types.CodeType, types.BuiltinFunctionType)
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, shared):
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if not isinstance(one, types.FrameType | types.GeneratorType):
            todo += gc.get_referents(one)
        elif isinstance(one, types.GeneratorType) and one.gi_frame is not None:
            todo += list(one.gi_frame.f_locals.values())
    return total

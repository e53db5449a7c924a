"""A file as a port: a recording is played to the instrument's driver, at its own pace or as fast as it goes.

Rule: its beginning and its end are said, with the file's digest; a file that cannot be played is a fault, no crash.

An edge file: what a recording means is in `capture` and `replay`.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO, cast

from drivers.capture import FORMAT, LINE_CHARACTERS_MAX, CaptureHeader, CaptureReader, CaptureRefused, Chunk
from drivers.fold import FaultFold
from drivers.life import alive
from drivers.replay import marked, replay_registers, replay_stream
from drivers.sample import Event, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from drivers.driver import Instrument, RegisterDriver, StreamDriver
    from drivers.recording import FileAddress
    from drivers.replay import Moment
    from drivers.sample import Nanoseconds

END = "end of recording"

# Hours of a fast stream as text; also the largest measurement file that is worth reading on a gateway.
FILE_BYTES_MAX = 512 * 1024 * 1024
PIECE_BYTES = 4096      # as a port reads; of a file that is no capture

# Other tasks of the loop wait no longer than this for a replay that goes as fast as it can.
WORK_NS_MAX = 5_000_000
IDLE_S = 0.25


class RecordingRefused(ValueError):
    """The file cannot be played to this driver; the message says why."""


def recorded_header(address: FileAddress) -> CaptureHeader | None:
    """Return the header of a capture, None for another file or one that cannot be read."""
    try:
        with _opened(Path(address.path)) as file:
            return _header(_lines(file))
    except (OSError, CaptureRefused):
        return None


async def run_replay(  # noqa: PLR0913, PLR0917  # where, what, who, out, time, proof of life: the doors of a port
    address: FileAddress,
    row: Instrument,
    driver: StreamDriver | RegisterDriver,
    deliver: Callable[[Event], None],
    now: Callable[[], Nanoseconds],
    beat: Callable[[], None],
) -> NoReturn:
    """Run until cancelled: play the file, once or in a loop; then idle. `beat` is called at least every 0.5 s.

    Fault kinds: "replay" (it begins: file, digest, source), "end of recording", "recording missing",
    "recording refused", "replay differs", and the driver's.
    """
    fold = FaultFold()

    def tell(events: Iterable[Event]) -> None:
        for event in fold.take([marked(event, now()) for event in events], now()):
            deliver(event)

    try:
        tell([await alive(_announced(address), beat)])
        player = _Player(address, tell, now, beat)
        await player.play(row, driver)
        while address.loop:
            await alive(asyncio.sleep(IDLE_S), beat)
            await player.play(row, driver)
        tell([Fault(END, f"{address}: nothing more will come", now())])
    except OSError as wrong:
        tell([Fault("recording missing", f"{address}: {wrong.strerror or wrong}; is the path right?", now())])
    except (CaptureRefused, RecordingRefused) as wrong:
        tell([Fault("recording refused", f"{address}: {wrong}", now())])
    while True:
        beat()
        for event in fold.due(now()):
            deliver(event)
        await asyncio.sleep(IDLE_S)


class _Player:
    """Plays a file, any number of times. Its driver's time never goes back, though a fast replay runs ahead."""

    def __init__(self, address: FileAddress, tell: Callable[[Iterable[Event]], None], now: Callable[[], Nanoseconds],
                 beat: Callable[[], None]) -> None:
        self._address = address
        self._tell = tell
        self._now = now
        self._beat = beat
        self._reached: Nanoseconds = 0

    async def play(self, row: Instrument, driver: StreamDriver | RegisterDriver) -> None:
        """Play to the end; raises OSError, CaptureRefused or RecordingRefused."""
        with _opened(Path(self._address.path)) as file:
            lines = _lines(file)
            header = _header(lines)
            if header is not None and header.instrument != row.name:
                raise RecordingRefused(f"of {header.instrument}, not of {row.name}")
            if header is None and row.kind == "registers":
                raise RecordingRefused(f"is no capture: must begin with {FORMAT!r}")
            begin = max(self._now(), self._reached)
            if header is None:
                await self._pass(replay_stream(cast("StreamDriver", driver), _pieces(self._address), begin), begin)
                return
            reader = CaptureReader()
            file.seek(0)
            chunks = reader.chunks(_lines(file))
            moments = (replay_stream(cast("StreamDriver", driver), chunks, begin) if row.kind == "stream"
                       else replay_registers(cast("RegisterDriver", driver), chunks, begin))
            await self._pass(moments, begin)

    async def _pass(self, moments: Iterator[Moment], begin: Nanoseconds) -> None:
        worked_from = self._now()
        for at, events in moments:
            self._reached = begin + at
            wait_ns = 0 if self._address.fast else begin + at - self._now()
            if wait_ns > 0:
                await alive(asyncio.sleep(wait_ns / 1e9), self._beat)
                worked_from = self._now()
            elif self._now() - worked_from > WORK_NS_MAX:
                self._beat()
                await asyncio.sleep(0)
                worked_from = self._now()
            self._tell(events)


async def _announced(address: FileAddress) -> Fault:
    """Return what the journal is to know of a recording before anything that comes of it."""
    digest = await asyncio.to_thread(_digest, Path(address.path))
    header = recorded_header(address)
    source = f"; {header.instrument}, {header.source}, made {header.made or 'at an unknown time'}" if header else ""
    return Fault("replay", f"{address}: sha256 {digest}{source}", 0)


def _digest(path: Path) -> str:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise RecordingRefused(f"{path.stat().st_size} bytes: must be at most {FILE_BYTES_MAX}")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _opened(path: Path) -> TextIO:
    if not path.is_file() and path.exists():
        raise RecordingRefused("is no regular file")
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def _lines(file: TextIO) -> Iterator[str]:
    """Give bounded lines; one that is too long comes in pieces, which no reader takes for a capture's."""
    while line := file.readline(LINE_CHARACTERS_MAX + 1):
        yield line


def _header(lines: Iterator[str]) -> CaptureHeader | None:
    """Return the header of a capture, None where the first line says that it is none. Raises CaptureRefused."""
    first = next(lines, "")
    if first.strip() != FORMAT:
        return None
    reader = CaptureReader()
    reader.take(first)
    for line in lines:
        if reader.take(line) is not None:
            break
    return reader.header()


def _pieces(address: FileAddress) -> Iterator[Chunk]:
    """Give a file that is no capture as the bytes of a stream, in pieces without time."""
    with Path(address.path).open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield Chunk(0, True, piece)

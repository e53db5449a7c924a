"""The core's control socket: one JSON line in, one JSON line out. Edge.

Only who may open the socket file may ask; a request is bounded, typed and answered, never obeyed half, and never
obeyed after its caller has given up.
"""

from __future__ import annotations

import asyncio
import pwd
import select
import socket
import struct
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from gateway.claims import NOTHING, Claims
from gateway.detection.verdict import LOOKS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUEST_BYTES_MAX = 4096       # the longest request has a label of 200 characters and every claim
ANSWER_BYTES_MAX = 1_048_576   # a status with 64 instruments is about 40 kB
ANSWER_S_MAX = 5.0             # the loop answers within milliseconds, or it hangs
CALLERS_MAX = 16               # whoever calls and says nothing may not use up the descriptors that ports and disk need


class ControlRefused(ValueError):
    """The daemon could not be asked, or said no."""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may be asked: the status, or to start or stop a scan of one head (the only one, where `head` is empty).

    A load is scanned until it is decided, at most `looks` times; 1 is one scan, 0 as the gateway is configured.
    Or a calibrant scan of it (`thermometer`), or to take it as it is for what it should be (`reset`, and `because`).
    `claims` are about the load; `via` names the way by which they came, where the caller passes on another's order.
    """

    what: Literal["status", "start", "stop", "thermometer", "reset"]
    head: Annotated[str, msgspec.Meta(max_length=63)] = ""
    claims: Claims = NOTHING
    looks: Annotated[int, msgspec.Meta(ge=0, le=LOOKS_MAX)] = 0
    via: Annotated[str, msgspec.Meta(max_length=80, pattern=r"^[ -~]*\Z")] = ""
    because: Annotated[str, msgspec.Meta(max_length=300)] = ""


class InstrumentStatus(msgspec.Struct, frozen=True):
    """One instrument: its last datum and its last fault are both kept, with their ages in seconds."""

    name: str
    driver: str
    port: str
    device: str
    calibrated: bool
    calibration: str
    last_value: str
    last_value_age_s: float | None
    last_fault: str
    last_fault_age_s: float | None
    readings: int
    faults: int
    scan_progress: float | None = None
    silent_s_max: float = 10.0
    drift: str = ""  # state of the drift watch of a head: learning, ok, degraded or inhibited, and what
    look: str = ""  # of a load that is scanned until it is decided
    learning: tuple[str, ...] = ()  # streams of a lane magnetometer in which no passage would be noticed yet


class Status(msgspec.Struct, frozen=True):
    """What the core says of itself."""

    gateway: str
    version: str
    running_s: float
    records: int
    stalled: list[str]
    clock: str
    key_id: str
    model_sha256: str
    last_verdict: str
    instruments: list[InstrumentStatus]
    last_scan_record: int | None = None     # of the scan that the last verdict is on


class Answer(msgspec.Struct, frozen=True):
    """Either what was asked for, or in `refused` why not."""

    refused: str = ""
    scan_id: int | None = None
    status: Status | None = None


async def serve(path: Path, answer: Callable[[Ask, str], Answer]) -> asyncio.Server:
    """Listen on `path` (replaced if it is a stale socket; mode 0660) and answer each line by `answer`.

    It is told who asks: the kernel's word for the user at the other end, not the caller's own.
    """
    callers: set[asyncio.StreamWriter] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(callers) >= CALLERS_MAX:
            writer.close()
            return
        callers.add(writer)
        try:
            line = await asyncio.wait_for(reader.readuntil(b"\n"), ANSWER_S_MAX)
            if has_left(writer):  # it was told that nobody answers; by now another load may be in the bay
                return
            writer.write(msgspec.json.encode(reply(line, answer, caller(writer))) + b"\n")
            await asyncio.wait_for(writer.drain(), ANSWER_S_MAX)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
            pass  # who asks nothing, too much, or leaves, gets no answer
        finally:
            callers.discard(writer)
            writer.close()

    path.unlink(missing_ok=True)  # noqa: ASYNC240  a socket file, once, before anything runs
    server = await asyncio.start_unix_server(talk, path, limit=REQUEST_BYTES_MAX)
    path.chmod(0o660)  # noqa: ASYNC240  the same
    return server


def caller(writer: asyncio.StreamWriter) -> str:
    """Return the user at the other end of a Unix socket (SO_PEERCRED, unix(7)); by number where it has no name."""
    line: socket.socket = writer.get_extra_info("socket")
    _pid, user, _group = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def has_left(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the caller has closed its end, or died (poll(2): POLLHUP); one that only stopped talking has not."""
    if writer.is_closing():
        return True
    look = select.poll()
    look.register(writer.get_extra_info("socket").fileno(), 0)
    return bool(look.poll(0))


def reply(line: bytes, answer: Callable[[Ask, str], Answer], who: str) -> Answer:
    """Return the answer to one line; a line that is no request is refused with what is wrong in it."""
    try:
        return answer(msgspec.json.decode(line, type=Ask), who)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # the latter for text in it that is no UTF-8
        return Answer(refused=f"not a request: {error}")


def ask(path: Path, request: Ask) -> Answer:
    """Ask the running core. Raises `ControlRefused` where none answers or it says no."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(ANSWER_S_MAX)
        try:
            line.connect(str(path))
            line.sendall(msgspec.json.encode(request) + b"\n")
            with line.makefile("rb") as stream:
                text = stream.readline(ANSWER_BYTES_MAX)
        except OSError as error:
            raise ControlRefused(f"{path}: no running gateway answers ({error.strerror or error})") from error
    try:
        answer = msgspec.json.decode(text, type=Answer)
    except msgspec.DecodeError as error:
        raise ControlRefused(f"{path}: the gateway closed without an answer; is it overloaded?") from error
    if answer.refused:
        raise ControlRefused(answer.refused)
    return answer

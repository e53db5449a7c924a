"""The control socket: bounded, typed, and never silent to whoever asks properly."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from pathlib import Path

import pytest

from gateway.claims import Claims
from gateway.control import CALLERS_MAX, REQUEST_BYTES_MAX, Answer, Ask, ControlRefused, ask, reply, serve


def agree(asked: Ask, _who: str) -> Answer:
    """Answer every request."""
    return Answer(scan_id=len(asked.claims.label))


@pytest.mark.parametrize("line", [
    b"\n", b"null\n", b"[]\n", b'{"what":"start","head":7}\n', b'{"what":"reboot"}\n', b'{"what":"start","why":""}\n',
    b'{"what":"start","claims":{"label":"' + b"x" * 201 + b'"}}\n', b'{"what":"start","head":"\xff"}\n', b"\xd8\n",
    b'{"what":"start","head":"\\ud800"}\n', b'{"what":"start","claims":{"colour":"red"}}\n',
])
def test_a_line_that_is_no_request_is_refused_with_the_reason(line: bytes) -> None:
    """Nothing is obeyed half."""
    answer = reply(line, agree, "somebody")
    assert answer.scan_id is None
    assert answer.refused.startswith("not a request")


async def test_a_proper_request_is_answered_on_a_socket_that_only_the_group_may_open() -> None:
    """Mode 0660, also where a dead socket stood before; too long a line is dropped, and the next one answered."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "control.sock"
        for _ in range(2):      # the second time over the socket file that the first one left
            server = await serve(path, agree)
            assert path.stat().st_mode & 0o777 == 0o660
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"x" * (REQUEST_BYTES_MAX * 3))
            assert await reader.read() == b""
            writer.close()
            answer = await asyncio.to_thread(ask, path, Ask("start", claims=Claims(label="four")))
            assert answer.scan_id == 4
            server.close()


def test_where_nobody_answers_the_refusal_names_the_socket(tmp_path: Path) -> None:
    """A technician learns that the gateway is down, not that a file is missing."""
    with pytest.raises(ControlRefused, match="no running gateway answers"):
        ask(tmp_path / "control.sock", Ask("status"))


async def test_callers_who_say_nothing_use_up_no_descriptors(tmp_path: Path) -> None:
    """Beyond a bound they are hung up on; when one of them leaves, the next is answered."""
    server = await serve(tmp_path / "c", agree)
    silent = [await asyncio.open_unix_connection(tmp_path / "c") for _ in range(CALLERS_MAX + 3)]
    turned_away = [await asyncio.wait_for(reader.read(), 1.0) for reader, _ in silent[CALLERS_MAX:]]
    assert turned_away == [b""] * 3
    silent[0][1].close()
    await silent[0][1].wait_closed()
    await asyncio.sleep(0.05)
    assert (await asyncio.to_thread(ask, tmp_path / "c", Ask("start", claims=Claims(label="four")))).scan_id == 4
    for _, writer in silent[1:]:
        writer.close()
    server.close()


async def test_a_request_whose_caller_gave_up_is_not_obeyed(tmp_path: Path) -> None:
    """It was told that nobody answers; what would be scanned now may be another load. Who only hangs on is answered."""
    obeyed: list[str] = []

    def obey(asked: Ask, _who: str) -> Answer:
        obeyed.append(asked.head)
        return Answer()

    server = await serve(tmp_path / "c", obey)
    for name, leaves in (("gone", True), ("there", False)):
        line = socket.socket(socket.AF_UNIX)
        line.connect(str(tmp_path / "c"))
        line.sendall(b'{"what":"start","head":"%s"}\n' % name.encode())  # the loop takes it when this test waits
        line.shutdown(socket.SHUT_WR)
        if leaves:
            line.close()
        await asyncio.sleep(0.1)
        line.close()
    assert obeyed == ["there"]
    server.close()

"""The search on one port, where the device does not take kindly to what it is asked."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

from drivers.address import TcpAddress
from drivers.probe import Candidate
from drivers.probe_port import PortProbe
from drivers.table import DRIVERS
from hil.instruments.gmc import GeigerCounter

AT_ONCE = struct.pack("ii", 1, 0)   # SO_LINGER: the connection is reset, not ended


async def count_or_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Be a Geiger counter to who speaks its language, and reset the connection of all others."""
    counter = GeigerCounter(time.monotonic_ns())
    while asked := await reader.read(100):
        if not asked.startswith(b"<"):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            break
        writer.write(counter.feed(asked, time.monotonic_ns()))
    writer.close()


async def test_a_device_that_resets_the_connection_is_asked_the_next_question() -> None:
    """One that closes with something unread does so: it is no reason to end the search."""
    server = await asyncio.start_server(count_or_reset, "127.0.0.1", 0)
    address = TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    candidates = [Candidate(DRIVERS[name]) for name in ("bdbg-09", "gmc")]
    report = await PortProbe(address, candidates, [], time.monotonic_ns, lambda _step: None).run()
    server.close()
    assert not report.trouble
    assert [found.candidate.row.name for found in report.found] == ["gmc"]

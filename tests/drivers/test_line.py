"""A line is opened without waiting for anything but its own device."""

from __future__ import annotations

import asyncio
import socket
import threading

from drivers.address import TcpAddress
from drivers.driver import LineSettings
from drivers.line import numeric, open_line
from drivers.port import OPEN_S_MAX

LOOKUPS = 64    # more than asyncio has threads for


async def test_an_address_in_figures_is_opened_while_a_name_server_hangs() -> None:
    """Another instrument's name that nobody answers for keeps no other device away."""
    answered = threading.Event()
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    hanging = [loop.run_in_executor(None, answered.wait) for _ in range(LOOKUPS)]
    try:
        port = server.sockets[0].getsockname()[1]
        line = await asyncio.wait_for(open_line(TcpAddress("127.0.0.1", port), LineSettings(9600)), OPEN_S_MAX)
        line.close()
    finally:
        answered.set()
        await asyncio.gather(*hanging)
        server.close()


def test_only_figures_are_taken_for_an_address() -> None:
    """Both families, with what the kernel wants to have of each; a name has to be looked up."""
    assert numeric(TcpAddress("192.0.2.1", 502)) == (socket.AF_INET, socket.SOCK_STREAM, 0, ("192.0.2.1", 502))
    assert numeric(TcpAddress("2001:db8::1", 502)) == (
        socket.AF_INET6, socket.SOCK_STREAM, 0, ("2001:db8::1", 502, 0, 0))
    assert numeric(TcpAddress("head.example.org", 502)) is None

"""What a link takes for an answer over TCP, where no checksum and no length of the line stands behind it."""

from __future__ import annotations

import asyncio

import pytest

from drivers.address import TcpAddress
from drivers.driver import LineSettings, ReadRegisters
from drivers.modbus_link import Failure, Link

REQUEST = ReadRegisters(0, 1)


async def answered(pdu: bytes) -> tuple[int, ...] | Failure:
    """Return what comes of one request that a server answers with `pdu`, in a good header."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(12)
        writer.write(asked[:4] + (len(pdu) + 1).to_bytes(2, "big") + asked[6:7] + pdu)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    link = Link(TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1]), LineSettings(9600), lambda: None)
    await link.open()
    try:
        return await link.exchange(1, REQUEST)
    finally:
        link.close()
        server.close()


async def test_a_whole_answer_is_taken() -> None:
    """As a check of the server that the others share."""
    assert await answered(bytes((3, 2, 1, 2))) == (258,)


@pytest.mark.parametrize("pdu", [
    bytes((3, 3, 1, 2, 3)), bytes((3, 2, 1, 2, 3, 4)), bytes((3, 4, 1, 2)), bytes((3, 2, 1)), bytes((3,)),
], ids=["half a register", "more than announced", "fewer than announced", "half of it", "nothing"])
async def test_an_answer_whose_length_contradicts_itself_is_none(pdu: bytes) -> None:
    """What remains would be a guess at what the device meant."""
    assert isinstance(await answered(pdu), Failure)

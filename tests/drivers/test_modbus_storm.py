"""A device that comes and goes many times a second fills no journal, and each of its failures is counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from drivers.address import TcpAddress
from drivers.complaint import Complaint
from drivers.eurotherm import INSTRUMENT, Eurotherm
from drivers.modbus_port import run_registers
from drivers.sample import Event, Fault

SECOND = 1_000_000_000
WATCHED_S = 3.0
HEADER_BYTES, REGISTERS = 12, 5


async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request for five registers, and hang up at the next."""
    asked = await reader.readexactly(HEADER_BYTES)
    writer.write(asked[:2] + b"\0\0" + bytes([0, 3 + 2 * REGISTERS]) + asked[6:8] + bytes([2 * REGISTERS] + [0] * 10))
    await reader.read(HEADER_BYTES)
    writer.close()


async def test_a_device_that_hangs_up_after_each_answer_says_so_once_a_second() -> None:
    """Each kind of fault comes at most once a second and once more, and samples go on."""
    server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
    address = TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    events: list[Event] = []
    port = asyncio.create_task(run_registers(
        address, INSTRUMENT.line, [(1, Eurotherm(poll_s=0.01), events.append)], time.monotonic_ns, lambda: None))
    await asyncio.sleep(WATCHED_S)
    port.cancel()
    await asyncio.gather(port, return_exceptions=True)
    server.close()
    faults = Counter(event.kind for event in events if isinstance(event, Fault))
    assert faults["port lost"]
    assert faults["no answer"]
    assert max(faults.values()) <= WATCHED_S + 2
    assert len(events) - sum(faults.values()) > max(faults.values())


def test_a_complaint_that_comes_back_at_once_is_counted_and_told_when_a_second_is_over() -> None:
    """Failing and answering by turns is not a new story each time."""
    complaint = Complaint()
    told = []
    for at in range(30):
        told += complaint.failed("no answer", "gone", at * SECOND // 10)
        complaint.settled()
    assert [fault.seen_at // SECOND for fault in told] == [0, 1, 2]
    assert "10 failures" in told[1].detail


def test_a_device_that_fails_again_and_then_stays_away_is_told_of_within_a_second() -> None:
    """The minute between reminders begins with what was told of this absence, not of the one before."""
    complaint = Complaint()
    assert complaint.failed("no answer", "gone", 0)
    complaint.settled()
    told = [fault for at in range(5, 50) for fault in complaint.failed("no answer", "gone", at * SECOND // 10)]
    assert [fault.seen_at for fault in told] == [SECOND]

"""The emulated magnetometer satisfies the protocol's golden frames and the vendor's own client."""

from __future__ import annotations

import asyncio
import json
import platform
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.instruments.twinleaf_hub import Hub
from hil.instruments.twinleaf_packets import Nameplate, on_serial_line, packet
from hil.wire import PtyEnd, TcpEnd, Wire
from tests.drivers.tio_vectors import RECORDS, WIRES

if TYPE_CHECKING:
    from pathlib import Path

    from hil.wire import ByteDevice

SECOND = 1_000_000_000
CLIENT_S_MAX = 20

# The vendor's client in a process of its own: it has threads of its own and no bound on its waits.
CLIENT = """
import json, sys, twinleaf
device = twinleaf.Device(sys.argv[1])
said = {"name": device.settings.dev.name().decode(), "rate_before": device.settings.data.rate()}
said["rate_written"] = device.settings.data.rate(50.0)
said["rate_after"] = device.settings.data.rate()
said["session"] = device.settings.dev.session()
said["hash"] = device.settings._rpc.hash()
said["metadata"] = device._get_metadata()
said["field"] = device.samples.field(20)
said["x"] = device.samples.field.vector.x(2)
print(json.dumps(said))
"""

# The same client, of what stands at a route; only as many samples as are asked for.
ROUTED_CLIENT = """
import json, sys, twinleaf
device = twinleaf.Device(sys.argv[1], sys.argv[2])
rows = device.samples.field(int(sys.argv[3]))
print(json.dumps({"name": device.settings.dev.name().decode(), "rows": rows[1:]}))
"""


def device(*, bare: bool = True, rate_hz: float = 100.0, samples_max: int = 1 << 24) -> TwinleafDevice:
    """Return a fresh device in a steady field."""
    source = steady_field(np.random.default_rng(3))
    return TwinleafDevice(source, bare=bare, rate_hz=rate_hz, samples_max=samples_max)


def split(data: bytes) -> list[bytes]:
    """Return the bare packets one by one."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[2:4], "little")
        found.append(data[:end])
        data = data[end:]
    return found


def call(to: TwinleafDevice, name: str, argument: bytes = b"", now: int = 0) -> bytes:
    """Return kind, value or error code, of one remote call."""
    request = packet(2, struct.pack("<HH", 7, 0x8000 | len(name)) + name.encode() + argument)
    answers = [p for p in split(to.feed(request, now)) if p[0] in {3, 4}]
    assert len(answers) == 1
    assert answers[0][4:6] == b"\x07\x00"
    return answers[0][:1] + answers[0][6:]


def test_the_golden_records_are_what_the_device_says_of_itself() -> None:
    """Device, stream, segment and column byte for byte, for the defaults are those of the frames."""
    said = split(device().opened(0))
    update = [golden[:5] + b"\x02" + golden[6:] for _record, golden, _wire in RECORDS]
    assert [golden in said for golden in update] == [True] * 4
    assert said[1] == bytes.fromhex("05 00 04 00 cd ab 34 12")
    assert said[0][:14] == bytes.fromhex("0c 00 0e 00 08 00 72 70 63 2e 68 61 73 68")
    assert [p[5] for p in said[2:]] == [2, 2, 2, 2, 2, 2, 6]


@pytest.mark.parametrize(("asked", "answer"), [("request", "reply"), ("routed", None), ("heartbeat", None)])
def test_the_golden_calls_are_answered_as_the_vendor_answers(asked: str, answer: str | None) -> None:
    """The name is told; a call for a hub's branch and a host's heartbeat get no answer."""
    to = device(bare=False)
    to.feed(b"\xc0", 0)     # the greeting is over
    assert to.feed(WIRES[asked], 0) == (WIRES[answer] if answer else b"")


def test_metadata_is_told_whole_or_by_record() -> None:
    """An empty argument gives all that fits; records are told in the order asked for."""
    to = device()
    to.opened(0)
    whole = call(to, "dev.metadata")
    assert whole[1:].startswith(WIRES["metadata reply"][7:7 + 46])
    columns = call(to, "dev.metadata", bytes((4, 1, 1, 4, 1, 0)))
    assert columns.index(b"vector.y") < columns.index(b"vector.x")


@pytest.mark.parametrize(("name", "argument", "code"), [
    ("no.such", b"", 2), ("dev.name", b"x", 6), ("data.rate", b"\x00", 4),
    ("data.rate", b"\x00\x00\xc0\x7f", 5), ("data.rate", struct.pack("<f", 5000.0), 17),
    ("rpc.listinfo", b"\xff\xff", 5), ("rpc.listinfo", b"\x00", 4),
    ("rpc.info", b"no.such", 5), ("rpc.id", b"no.such", 5), ("dev.metadata", b"\x01", 4),
    ("dev.metadata", b"\x04\x01\x09", 5), ("dev.metadata", b"\x02\x02\x00", 5),
    ("dev.port.rate", b"\x01\0\0\0", 17),
])
def test_a_wrong_call_is_refused_with_the_protocol_s_code(name: str, argument: bytes, code: int) -> None:
    """Not found 2, wrong size 4, invalid 5, read-only 6, out of range 17."""
    to = device()
    to.opened(0)
    assert call(to, name, argument) == b"\x04" + code.to_bytes(2, "little")


def test_the_table_of_calls_describes_itself() -> None:
    """Number, name and properties agree among the calls that tell them."""
    to = device()
    to.opened(0)
    count = int.from_bytes(call(to, "rpc.list")[1:], "little")
    for index in range(count):
        at = index.to_bytes(2, "little")
        name = call(to, "rpc.name", at)[1:]
        assert call(to, "rpc.list", at)[1:] == name
        assert call(to, "rpc.id", name)[1:] == at
        assert call(to, "rpc.listinfo", at)[1:] == call(to, "rpc.info", name)[1:] + name
    assert call(to, "rpc.info", b"data.rate")[1:] == b"\x42\x83"
    assert call(to, "dev.port.rate.near", struct.pack("<I", 100_000))[1:] == struct.pack("<I", 115_200)
    assert call(to, "dev.desc")[1:].decode() == Nameplate().description


def test_samples_come_at_their_rate_and_in_batches_when_the_line_would_not_carry_them() -> None:
    """100 Hz singly; 480 Hz by five; numbers without a gap."""
    for rate_hz, batch in ((100.0, 1), (480.0, 5)):
        to = device(rate_hz=rate_hz)
        to.poll(0)
        turns = range(0, SECOND + 1, SECOND // 200)
        packets = [p for now in turns for p in split(to.poll(now)) if p[0] == 129]
        assert len(packets) == rate_hz / batch
        assert [int.from_bytes(p[4:7], "little") for p in packets] == list(range(0, int(rate_hz), batch))


def test_a_change_of_rate_is_announced_before_its_first_sample() -> None:
    """The answer, then the new segment, then its sample 0."""
    to = device()
    to.poll(0)
    assert call(to, "data.rate", struct.pack("<f", 50.0), SECOND)[1:] == struct.pack("<f", 50.0)
    after = split(to.poll(SECOND + SECOND // 10))
    stream = [p for p in after if p[0] == 129]
    assert {p[7] for p in stream} == {1}
    assert int.from_bytes(stream[0][4:7], "little") == 0
    assert call(to, "dev.metadata", bytes((3, 1, 1)), SECOND)[0] == 3
    assert call(to, "dev.metadata", bytes((3, 1, 0)), SECOND)[0] == 4


def test_the_sample_number_never_wraps() -> None:
    """A segment ends before its number would not fit into 24 bits; time goes on without a break."""
    to = device(samples_max=30)
    packets = [p for now in range(0, SECOND + 1, SECOND // 100) for p in split(to.poll(now))]
    stream = [(p[7], int.from_bytes(p[4:7], "little")) for p in packets if p[0] == 129]
    assert stream == [(n // 30, n % 30) for n in range(100)]
    announced = [p[8] for p in packets if p[0] == 11 and p[4] == 3 and p[5] == 2]
    assert announced == [1, 2, 3]


def test_noise_from_the_host_is_dropped_and_the_device_lives_on() -> None:
    """100 kB of rubbish on the line, then a call is answered."""
    rng = np.random.default_rng(8)
    to = device(bare=False)
    for _ in range(100):
        to.feed(rng.bytes(1000), 0)
    to.feed(b"\xc0", 0)
    assert to.feed(WIRES["request"], 0) == WIRES["reply"]


def test_a_host_that_speaks_after_silence_is_greeted() -> None:
    """On a serial line nobody tells the device of a new host; its first word after 2 s does."""
    to = device(bare=False)
    beat = on_serial_line(packet(5, b""))
    assert len(to.feed(beat, 0)) > 100
    assert to.feed(beat, SECOND) == b""
    assert len(to.feed(beat, 4 * SECOND)) > 100


async def ask_the_vendor(*arguments: str, client: str = CLIENT) -> dict[str, Any]:
    """Return what the vendor's client read, or fail with what it complained of."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", client, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        out, errors = await asyncio.wait_for(child.communicate(), CLIENT_S_MAX)
    except TimeoutError:
        child.kill()
        out, errors = await child.communicate()
        pytest.fail(f"the vendor's client did not end: {errors.decode()}")
    assert child.returncode == 0, errors.decode()
    said: dict[str, Any] = json.loads(out)
    return said


async def read_by_the_vendor(
    to: ByteDevice, kind: str, folder: Path, *arguments: str, client: str = CLIENT,
) -> dict[str, Any]:
    """Return what the vendor's client read of a device on a TCP port or a pty at 115200 baud."""
    end = TcpEnd() if kind == "tcp" else PtyEnd(folder / "ttyTIO")
    wire = Wire(to, end, time.monotonic_ns, 11_520)
    wire.replug()
    running = asyncio.create_task(wire.run())
    url = f"tcp://127.0.0.1:{end.port}" if isinstance(end, TcpEnd) else f"serial://{folder}/ttyTIO"
    said = await ask_the_vendor(url, *arguments, client=client)
    running.cancel()
    return said


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the vendor publishes it for x86-64 alone")
@pytest.mark.parametrize("kind", ["tcp", "pty"])
async def test_the_vendor_s_own_client_reads_the_emulated_device(kind: str, tmp_path: Path) -> None:
    """Metadata, calls (read and write) and samples reach it over TCP and over a pty at 115200 baud."""
    said = await read_by_the_vendor(device(bare=kind == "tcp"), kind, tmp_path)
    assert said["name"] == "VMR"
    assert (said["rate_before"], said["rate_written"], said["rate_after"]) == (100.0, 50.0, 50.0)
    assert said["session"] == 0x1234ABCD
    assert said["metadata"]["device"]["serial_number"] == "VMR.R8.SIM"
    columns = said["metadata"]["streams"]["field"]["columns"]
    assert {name: column["units"] for name, column in columns.items()} == {
        "vector.x": "nT", "vector.y": "nT", "vector.z": "nT", "therm": "C"}
    title, *rows = said["field"]
    assert title == ["time", "vector.x", "vector.y", "vector.z", "therm"]
    assert np.allclose(np.array(rows)[:, 1:4], [21000.5, -500.25, 43210.5], atol=1.0)
    assert np.allclose(np.diff(np.array(rows)[:, 0]), 0.02, atol=1e-3)
    assert len(said["x"]) == 3


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the vendor publishes it for x86-64 alone")
@pytest.mark.parametrize("kind", ["tcp", "pty"])
async def test_the_vendor_s_own_client_reads_the_sensor_behind_two_hubs(kind: str, tmp_path: Path) -> None:
    """Its calls find the way to /0/2 and back, and the samples are those of that sensor."""
    source = steady_field(np.random.default_rng(3))
    far = TwinleafDevice(source, bare=True, plate=Nameplate(name="FAR"))
    to = Hub({0: Hub({2: far}, bare=True), 1: device()}, bare=kind == "tcp")
    said = await read_by_the_vendor(to, kind, tmp_path, "/0/2", "20", client=ROUTED_CLIENT)
    assert said["name"] == "FAR"
    assert np.allclose(np.diff(np.array(said["rows"])[:, 0]), 0.01, atol=1e-3)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the vendor publishes it for x86-64 alone")
async def test_the_vendor_s_own_client_reads_on_where_the_24_bit_number_ends(tmp_path: Path) -> None:
    """A new segment begins after 1 s; its start is told in whole seconds, so the times may be off by one there."""
    to = TwinleafDevice(steady_field(np.random.default_rng(3)), first_sample=(1 << 24) - 100)
    said = await read_by_the_vendor(to, "pty", tmp_path, "/", "150", client=ROUTED_CLIENT)
    steps_s = np.diff(np.array(said["rows"])[:, 0])
    assert len(steps_s) == 149
    assert np.sum(np.abs(steps_s - 0.01) > 1e-3) <= 1
    assert np.abs(steps_s).max() < 1.02

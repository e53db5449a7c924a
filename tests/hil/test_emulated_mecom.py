"""The emulated TEC controller answers the golden frames, satisfies an independent client, and is read by the driver."""

from __future__ import annotations

import asyncio
import binascii
import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from drivers.driver import DriverOptions
from drivers.mecom import MecomDriver
from hil.instruments.mecom import SCENES, TecController
from hil.stand import standing
from hil.table import EMULATED
from tests.drivers.conversation import SECOND, Conversation, faults, samples, value, wish

if TYPE_CHECKING:
    from pathlib import Path

CLIENT_S_MAX = 20

# The vendor's protocol in somebody else's hands. It imports the library of a USB chip, which is not needed on a pty.
CLIENT = """
import json, sys, types
stub = types.ModuleType("ftd2xx")
stub.__getattr__ = lambda name: type(name, (), {})
for name in ("ftd2xx", "ftd2xx.ftd2xx", "ftd2xx.defines"):
    sys.modules[name] = stub
from mecompyapi.tec import MeerstetterTEC
tec = MeerstetterTEC()
tec.connect_serial_port(port=sys.argv[1], instance=1)
tec.set_temperature(temp_degc=86.5)
print(json.dumps({
    "address": tec.address, "identification": tec.get_firmware_identification_string(broadcast=True),
    "type": tec.get_device_type(),
    "status": tec.get_device_status().name, "object": tec.get_temperature(), "sink": tec.get_sink_temperature(),
    "target": tec.get_setpoint_temperature(), "current": tec.get_tec_current(), "voltage": tec.get_tec_voltage(),
    "version": tec.get_firmware_version(), "serial": tec.get_serial_number(),
}))
"""


def asked(device: TecController, text: bytes) -> bytes:
    """Return what the controller answers."""
    return device.feed(text, SECOND)


def framed(text: bytes) -> bytes:
    """Return a frame with its checksum."""
    return text + b"%04X" % binascii.crc_hqx(text, 0) + b"\r"


def test_the_golden_write_is_acknowledged_with_the_request_s_checksum() -> None:
    """And the target is what was written."""
    device = TecController(0)
    assert asked(device, b"#02C481VS0BB80141F00000D14F\r") == b"!02C481D14F\r"
    assert asked(device, framed(b"#02C47E?VR0BB801")) == framed(b"!02C47E41F00000")


def test_the_golden_read_is_answered_and_an_unknown_parameter_is_refused() -> None:
    """Eight hex digits behind the same number; error 5 byte for byte."""
    device = TecController(0)
    answer = asked(device, b"#02C47E?VR03E8018AFB\r")
    assert (answer[:7], len(answer)) == (b"!02C47E", 20)
    assert asked(device, framed(b"#02C47E?VR7FFF01")) == b"!02C47E+05EBC4\r"


@pytest.mark.parametrize(("payload", "code"), [
    (b"XX", b"+01"), (b"?VR03E8", b"+04"), (b"VS7FFF0100000000", b"+05"), (b"VS03E80100000000", b"+06"),
    (b"VS0BB80143FA0000", b"+07"), (b"?VR03E802", b"+08"),
])
def test_a_wrong_request_is_refused_with_the_protocol_s_code(payload: bytes, code: bytes) -> None:
    """Not available 1, format 4, no parameter 5, read-only 6, out of range 7, no instance 8."""
    assert asked(TecController(0), framed(b"#020001" + payload)) == framed(b"!020001" + code)


def test_the_identification_is_twenty_characters_and_says_that_it_is_emulated() -> None:
    """With and without an instance behind it, repeated under the same number, and to a broadcast."""
    device = TecController(0)
    first = asked(device, b"#00C47D?IFAFCA\r")
    assert (first[7:11], len(first[7:-5])) == (b"EMUL", 20)
    assert asked(device, b"#00C47D?IFAFCA\r") == first


@pytest.mark.parametrize("text", [
    b"#02C47E?VR03E8018AFC\r", framed(b"#03C47E?VR03E801"), b"?VR03E801\r", b"\r", framed(b"#FFC47D?IF"),
])
def test_what_is_damaged_or_for_another_controller_is_not_answered(text: bytes) -> None:
    """A wrong checksum, another address, no frame at all."""
    assert asked(TecController(0), text) == b""


@pytest.mark.parametrize(("scene", "flags"), [
    ("settled", ()), ("off", ("status: ready", "regulation off")), ("cold", ("temperature not stable",)),
    ("error", ("status: error", "error number 101", "regulation off")),
])
def test_the_driver_reads_every_scene_once_a_second(scene: str, flags: tuple[str, ...]) -> None:
    """One sample a poll and no fault."""
    events = Conversation(MecomDriver(DriverOptions()), TecController(0, scene=scene)).run(10)
    assert (faults(events), len(samples(events))) == ([], 10)
    assert samples(events)[-1].flags == flags
    assert samples(events)[-1].device.model == "EMULATED TEC-1091"


def test_a_cold_cell_warms_up_to_its_target() -> None:
    """85 degrees within two minutes, and stable."""
    found = samples(Conversation(MecomDriver(DriverOptions(poll_s=5.0)), TecController(0, scene="cold")).run(200))
    assert value(found[0], "object_temperature") < 30.0
    assert value(found[-1], "object_temperature") == pytest.approx(85.0, abs=0.1)
    assert found[-1].flags == ()


def test_a_busy_controller_is_read_as_far_as_it_answers() -> None:
    """A value that it was too busy for is left out of that sample, and said."""
    events = Conversation(MecomDriver(DriverOptions()), TecController(0, scene="busy")).run(20)
    assert set(faults(events)) == {"refused"}
    assert len(samples(events)) in {18, 19, 20}     # the first polls may be too busy to say who it is
    assert len({len(sample.channels) for sample in samples(events)}) > 1


def test_a_poll_never_writes() -> None:
    """In every scene nothing but ?IF and ?VR goes out."""
    for scene in SCENES:
        talking = Conversation(MecomDriver(DriverOptions()), TecController(0, scene=scene))
        talking.run(10)
        assert {text[7:10] for _, way, text in talking.lines if way == ">"} == {b"?IF", b"?VR"}


def test_a_damaged_reply_costs_a_repetition_and_no_sample() -> None:
    """One of twenty replies has a bit flipped: said, asked for again under its number, and read."""
    replies = 0

    def hurt(said: bytes) -> bytes:
        nonlocal replies
        replies += bool(said)
        return said[:9] + bytes((said[9] ^ 1,)) + said[10:] if said and replies % 20 == 0 else said

    events = Conversation(MecomDriver(DriverOptions()), TecController(0), wire=hurt).run(20)
    assert len(samples(events)) == 20
    assert set(faults(events)) <= {"bad checksum", "bad packet"}
    assert faults(events)


async def test_an_independent_client_reads_and_writes_the_emulator_on_a_pty(tmp_path: Path) -> None:
    """The client mecompyapi finds address, identification, values, and the target it has set."""
    async with standing(EMULATED["mecom"], wish("settled"), tmp_path / "tec", time.monotonic_ns) as port:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT, port, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await asyncio.wait_for(client.communicate(), CLIENT_S_MAX)
    assert client.returncode == 0, f"mecompyapi must be installed and read the emulator: {err.decode()[-2000:]}"
    told = json.loads(out.splitlines()[-1])
    assert (told["address"], told["type"], told["status"], told["target"]) == (2, 1091, "RUN", 86.5)
    assert told["identification"] == "EMULATED TEC-1091   "
    assert 84.0 < told["object"] < 87.0
    assert told["voltage"] == pytest.approx(1.5 * told["current"], rel=0.2)

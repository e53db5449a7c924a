"""The emulated Geiger counter answers as GQ's documents say, satisfies an independent client, and is read."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers.driver import DriverOptions
from drivers.gmc import GmcDriver
from hil.instruments.gmc import SCENES, GeigerCounter
from hil.stand import standing
from hil.table import EMULATED
from tests.drivers.conversation import SECOND, Conversation, faults, samples, value, wish

if TYPE_CHECKING:
    from pathlib import Path

CLIENT_S_MAX = 20

CLIENT = """
import json, sys, pygmc
counter = {model}(sys.argv[1])
print(json.dumps({{"version": counter.get_version(), "serial": counter.get_serial(), "cpm": counter.get_cpm(),
                  "more": [counter.get_cpm() for _ in range(3)]{cps}}}))
"""


def test_the_commands_are_answered_without_an_end_and_the_rest_is_passed_over() -> None:
    """Version, 32 bits, a command in two pieces, and silence for what is none."""
    counter = GeigerCounter(0)
    assert counter.feed(b"<GETVER>>", 0) == b"GMC-500+Re 0.00"
    assert counter.feed(b"noise<GETS", 0) == b""
    assert counter.feed(b"ERIAL>>", 0) == b"EMULATE"
    assert len(counter.feed(b"<GETCPM>><GETCPS>>", 0)) == 8
    assert counter.feed(b"<GETNOTHING>><getver>>", 0) == b""


def test_the_counts_of_a_minute_are_the_sum_of_its_seconds() -> None:
    """Sixty answers per second add up to the answer per minute; the background is about 0.5 a second."""
    counter = GeigerCounter(0)
    seconds = [int.from_bytes(counter.feed(b"<GETCPS>>", n * SECOND), "big") for n in range(1, 61)]
    assert int.from_bytes(counter.feed(b"<GETCPM>>", 60 * SECOND), "big") == sum(seconds)
    assert 15 <= sum(seconds) <= 50


def test_the_heartbeat_comes_every_second_until_it_is_switched_off() -> None:
    """Four bytes that look like an answer."""
    counter = GeigerCounter(0, scene="heartbeat")
    assert len(counter.poll(3 * SECOND)) == 12
    counter.feed(b"<HEARTBEAT0>>", 3 * SECOND)
    assert counter.poll(9 * SECOND) == b""


@pytest.mark.parametrize("scene", SCENES)
def test_the_driver_reads_every_scene_once_a_second(scene: str) -> None:
    """No fault once the first second is over, and the heartbeat is silenced."""
    talking = Conversation(GmcDriver(DriverOptions()), GeigerCounter(0, scene=scene))
    talking.driver.opened(0)
    events = talking.run(20)
    found = samples(events)
    assert faults(events) == []
    assert len(found) in {18, 19, 20}
    assert found[-1].device.serial == b"EMULATE".hex()
    rate_hz = SCENES[scene][2]
    assert np.mean([value(sample, "cps") for sample in found]) == pytest.approx(rate_hz, abs=4 * (rate_hz / 18) ** 0.5)
    assert value(found[-1], "cpm") == pytest.approx(60 * rate_hz, abs=4 * (60 * rate_hz) ** 0.5)


def test_a_heartbeat_that_cannot_be_silenced_never_becomes_a_reading() -> None:
    """A counter that goes on talking: bytes nobody asked for are said, and every sample is still a true one."""
    class Stubborn(GeigerCounter):
        def _run(self, command: bytes) -> bytes:
            return b"" if command.startswith(b"HEARTBEAT") else super()._run(command)

    talking = Conversation(GmcDriver(DriverOptions(poll_s=0.3)), Stubborn(0, scene="heartbeat"))
    talking.driver.opened(0)
    events = talking.run(60)
    assert "bad packet" in faults(events)
    assert len(samples(events)) > 10
    assert all(10 <= value(sample, "cpm") <= 60 for sample in samples(events))


@pytest.mark.parametrize(("scene", "model", "cps"), [
    ("background", "pygmc.GMC500Plus", ', "cps": counter.get_cps()'), ("source", "pygmc.GMC500Plus", ""),
    ("gmc-320", "pygmc.GMC320", ""),
])
async def test_an_independent_client_reads_the_emulator_on_a_pty(
    scene: str, model: str, cps: str, tmp_path: Path,
) -> None:
    """The client pygmc finds version, serial number and counts, with 32 and with 16 bits."""
    async with standing(EMULATED["gmc"], wish(scene), tmp_path / "gmc", time.monotonic_ns) as port:
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CLIENT.format(model=model, cps=cps), port,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        out, err = await asyncio.wait_for(client.communicate(), CLIENT_S_MAX)
    assert client.returncode == 0, f"pygmc must be installed and read the emulator: {err.decode()[-2000:]}"
    told = json.loads(out)
    version, _, rate_hz, _ = SCENES[scene]
    assert (told["version"], told["serial"]) == (version.decode(), b"EMULATE".hex())
    assert told["cpm"] == pytest.approx(60 * rate_hz, abs=5 * (60 * rate_hz) ** 0.5)
    assert told.get("cps", 0) <= 10

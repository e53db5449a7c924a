"""The emulated QZFM prints what the vendor's page says and satisfies the packaged client; our driver starts it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from drivers.driver import DriverOptions
from drivers.qzfm import SATURATED, Qzfm
from drivers.sample import Event, Fault, Sample
from hil.emulated import Wish
from hil.instruments.qzfm import ROW, SCENES, Ambient, QzfmDevice
from hil.stand import standing

if TYPE_CHECKING:
    from pathlib import Path

NS = 1_000_000_000
TURN = NS // 50
CLIENT_S_MAX = 45

# The packaged client in a process of its own: it has no bound on its waits. Status, data, zeroing, calibration.
CLIENT = """
import json, sys, time, serial
from QZFM import QZFM
q = QZFM()
q.ser = serial.Serial(sys.argv[1], **QZFM.serial_settings)
said = {}
q.update_status()
said["led_before"] = dict(q.led)
said["coils_before"] = [q.sensor_par[f"B{axis} field (pT)"] for axis in "zy0"]
q.field_zero(True, show=False)
end = time.monotonic() + 10
while not q.led["field zeroed (LED4)"] and time.monotonic() < end:
    q.update_status()
q.field_zero(False, show=False)
said["led_after"] = dict(q.led)
said["coils_after"] = [q.sensor_par[f"B{axis} field (pT)"] for axis in "zy0"]
said["temperature_error"] = q.sensor_par["cell temp error"]
q.calibrate(show=False)
said["messages"] = [text for text, _ in q.messages]
times, field = q.read_data(1.0)
said["field"] = list(field)
q.update_status()
said["led_again"] = dict(q.led)
print(json.dumps(said))
"""


def lines(device: QzfmDevice, until: int, start: int = 0) -> list[str]:
    """Return the lines that come from `start` to `until`."""
    return b"".join(device.poll(now) for now in range(start, until + 1, TURN)).decode().splitlines()


def test_the_status_block_comes_seven_and_a_half_times_a_second() -> None:
    """Five lamps and five parameters, in the page's forms, and no empty line."""
    said = lines(QzfmDevice(Ambient()), 2 * NS)
    assert sum(line.startswith("|1") for line in said) == 15
    assert all(re.fullmatch(r"\|[1-5][01]|~0[45]\d{7}|~0[789]\d{5}\.\d\d|#.+", line) for line in said)
    assert [line for line in said if line.startswith("#")] == ["#QZFM emulated, firmware EMU"]


def test_print_on_gives_nothing_but_field_lines_of_ten_bytes_at_200_hz() -> None:
    """Whatever is said to it meanwhile: an answer waits until Print OFF."""
    device = QzfmDevice(Ambient(), zeroed=True)
    device.poll(0)
    device.feed(b"7G`", 0)
    data = b"".join(device.poll(now) for now in range(0, NS + 1, TURN))
    assert len(data) == 200 * 10
    assert all(re.fullmatch(rb"!\d{7}", line) for line in data.splitlines())
    device.feed(b"8", NS)
    assert {"#Read axis X", "#Gain 1x"} <= set(lines(device, 2 * NS, NS))


def test_zeroing_brings_the_coils_against_the_field_and_lights_the_lamp() -> None:
    """1.2 nT around it are compensated in a few seconds; Y and Z alone leave X as it is."""
    for command, x_pt in ((b"iD", -900.0), (b"hD", 0.0)):
        device = QzfmDevice(Ambient())
        assert "|40" in lines(device, NS)
        device.feed(command, NS)
        said = lines(device, 7 * NS, NS)
        assert said[-7:-5] == ["|41", "|50"]
        coils = [float(line[3:]) - 32768 for line in said[-3:]]
        assert coils == pytest.approx([-410.0, 640.0, x_pt], abs=20.0)


def test_a_cold_sensor_locks_only_after_auto_start_and_a_reboot_makes_it_cold() -> None:
    """Laser, then the cell, then the lock."""
    device = QzfmDevice(Ambient(), cold=True)
    assert lines(device, NS)[-10:-7] == ["|10", "|20", "|30"]
    device.feed(b">", NS)
    assert lines(device, 2 * NS, NS)[-10:-7] == ["|11", "|20", "|30"]
    assert lines(device, 7 * NS, 2 * NS)[-10:-7] == ["|11", "|21", "|31"]
    device.feed(b"e", 7 * NS)
    assert lines(device, 8 * NS, 7 * NS)[-10:-7] == ["|10", "|20", "|30"]


def test_noise_from_the_host_is_taken_without_harm() -> None:
    """100 kB of rubbish fill no memory, and the device still does what it is told."""
    device, rng = QzfmDevice(Ambient()), np.random.default_rng(8)
    for n in range(100):
        device.feed(rng.bytes(1000), n * TURN)
        device.poll(n * TURN)
    assert len(device._replies) <= 32
    device.feed(b"8e", 4 * NS)
    assert "|10" in lines(device, 6 * NS, 4 * NS)


def run(scene: str, seconds: float, **settings: Any) -> tuple[list[Sample], list[Sample], list[Fault]]:
    """Return field samples, status samples and faults of driver and device in each other's hands, without a wire."""
    made = Qzfm(DriverOptions(settings=settings))
    assert ROW.make_bytes
    device = ROW.make_bytes(Wish(scene, 1, 0, worker=None))  # type: ignore[arg-type]  # it computes nothing
    made.opened(0)
    events: list[Event] = []
    for now in range(0, round(seconds * NS), TURN):
        device.feed(made.ask(now), now)
        events += made.feed(device.poll(now), now)
    samples = [event for event in events if isinstance(event, Sample)]
    return ([s for s in samples if s.stream == "field"], [s for s in samples if s.stream == "status"],
            [event for event in events if isinstance(event, Fault)])


def test_the_driver_starts_zeroes_and_calibrates_a_cold_sensor() -> None:
    """Its progress is in the status readings' flags; the field that then streams is unflagged and near zero."""
    field, status, faults = run("cold", 25.0, start_on_start=True, zero_on_start=True, calibrate_on_start=True)
    assert faults == []
    seen = [flag for flag, _ in {s.flags[0]: None for s in status if s.flags}.items() if flag.endswith("ing")]
    assert seen == ["starting", "zeroing", "calibrating"]
    assert {s.flags for s in field} == {()}
    assert len(field) > 1000
    values = np.concatenate([s.values for s in field])
    assert abs(values.mean()) < 20.0
    assert values.std() == pytest.approx(0.15, rel=0.1)


def test_an_unzeroed_sensor_streams_with_its_flags() -> None:
    """410 pT along z, read with the factor of an uncalibrated sensor."""
    field, _, faults = run("unzeroed", 5.0)
    assert faults == []
    assert {s.flags for s in field} == {("field not zeroed", "no calibration seen")}
    assert np.concatenate([s.values for s in field]).mean() == pytest.approx(410.0 * 0.88, abs=0.1)


@pytest.mark.parametrize(("scene", "settings", "kinds"), [
    ("saturated", {}, []), ("suspect", {"zero_on_start": True, "calibrate_on_start": True}, ["calibration suspect"]),
    ("restless", {"zero_on_start": True}, ["zeroing failed"]),
])
def test_every_other_scene_shows_its_fault(scene: str, settings: dict[str, Any], kinds: list[str]) -> None:
    """A swing beyond 5 nT is flagged where it is; a bad factor and restless coils are said."""
    field, _, faults = run(scene, 75.0 if scene == "restless" else 25.0, **settings)
    assert [fault.kind for fault in faults] == kinds
    assert {(SATURATED in s.flags) for s in field} == ({True, False} if scene == "saturated" else {False})
    assert all((abs(s.values[0, 0]) >= 5000.0) == (SATURATED in s.flags) for s in field)


async def ask_the_client(port: str) -> dict[str, Any]:
    """Return what the packaged client read, or fail with what it complained of."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, port, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "MPLBACKEND": "Agg"})
    try:
        out, errors = await asyncio.wait_for(child.communicate(), CLIENT_S_MAX)
    except TimeoutError:
        child.kill()
        out, errors = await child.communicate()
        pytest.fail(f"the client did not end: {errors.decode()}")
    assert child.returncode == 0, f"PyPI QZFM 0.4.1 must be installed and run: {errors.decode()}"
    said: dict[str, Any] = json.loads(out.splitlines()[-1])
    return said


async def test_the_packaged_client_reads_the_emulated_sensor(tmp_path: Path) -> None:
    """Status, field zeroing on and off, calibration, 200 samples with the right mean: over a pty at 115200 baud."""
    wish = Wish("unzeroed", 1, time.monotonic_ns(), worker=None)  # type: ignore[arg-type]  # it computes nothing
    async with standing(ROW, wish, tmp_path / "ttyQZFM", time.monotonic_ns) as port:
        said = await ask_the_client(port)
    before, after = said["led_before"], said["led_after"]
    assert before["laser on (LED1)"]
    assert before["laser lock (LED3)"]
    assert not before["field zeroed (LED4)"]
    assert said["coils_before"] == [0.0, 0.0, 0.0]
    assert after["field zeroed (LED4)"]
    assert said["coils_after"] == pytest.approx([-410.0, 640.0, -900.0], abs=20.0)
    assert abs(said["temperature_error"]) < 0.002
    assert any(text.startswith("Calibration x:0.85, y:0.91, z:0.88") for text in said["messages"])
    assert len(said["field"]) == 200
    assert np.mean(said["field"]) == pytest.approx(SCENES["unzeroed"].field_pt[2] + said["coils_after"][0], abs=0.1)
    assert said["led_again"]["laser on (LED1)"]

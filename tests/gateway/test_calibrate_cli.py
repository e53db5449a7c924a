"""The technician's command, from an emulated sensor on a pty to a certificate that the gateway applies."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from calibration.apply import calibrate
from calibration.certificate import read_certificate
from calibration.correction import VectorMagnetometer
from drivers.sample import Channel, Identity, Sample
from gateway.cli.attitude_screen import sphere_map
from hil.instruments.twinleaf import TwinleafDevice
from hil.scene.tumble import Tumble, tumble_source
from hil.wire import PtyEnd, TcpEnd, Wire

ROOT = Path(__file__).parent.parent.parent
# The command as a process of its own, without the distribution being installed.
PROGRAM = ("import argparse, sys; from gateway.cli import calibrate; top = argparse.ArgumentParser(); "
           "calibrate.add_parser(top.add_subparsers(dest='command', required=True)); "
           "words = top.parse_args(); sys.exit(words.run(words))")
COMMAND = [sys.executable, "-c", PROGRAM, "calibrate", "vector-magnetometer"]
BYTES_PER_S = 11_520    # 115200 8N1
TUMBLE = Tumble(hold_s=0.38, turn_s=0.12, attitudes=14, seed=4)


def words(out: Path, **changes: str) -> list[str]:
    """Return the command line; a change names an option with underscores."""
    options = {"port": "/dev/nowhere", "reference_nt": "49500", "reference_u_nt": "1",
               "reference_standard": "emulated scalar magnetometer", "out": str(out), "attitudes": "12",
               "hold_s": "0.2", **changes}
    return COMMAND + [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]


async def session(end: PtyEnd | TcpEnd, command: list[str], tumble: Tumble = TUMBLE) -> tuple[int, str, str]:
    """Run the command against an emulated sensor on this line; return exit code and what it wrote."""
    device = TwinleafDevice(tumble_source(tumble), rate_hz=100.0, bare=isinstance(end, TcpEnd))
    wire = Wire(device, end, time.monotonic_ns, BYTES_PER_S)
    wire.replug()
    if isinstance(end, TcpEnd):
        command = [*command, "--port", f"tcp://127.0.0.1:{end.port}"]
    serving = asyncio.create_task(wire.run())
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    serving.cancel()
    return process.returncode or 0, out.decode(), err.decode()


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that needs no sensor."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


async def test_an_emulated_sensor_on_a_pty_gets_a_true_certificate_within_20_seconds(tmp_path: Path) -> None:
    """The parameters agree with the sensor's true errors within the certificate's own covariance."""
    link, out = tmp_path / "sensor", tmp_path / "vm.toml"
    begun = time.monotonic()
    code, text, err = await session(PtyEnd(link), [*words(out, port=str(link)), "--json"])
    assert code == 0, err
    assert time.monotonic() - begun < 20.0
    told = json.loads(text)
    certificate = read_certificate(out)
    assert (told["ok"], told["sha256"]) == (True, certificate.sha256.hex())
    assert certificate.statement.instrument.serial == "VMR.R8.SIM"
    model = certificate.statement.model
    assert isinstance(model, VectorMagnetometer)
    error = np.array([*model.offset, *model.scale, *model.angle_rad]) - np.array(
        [*TUMBLE.offset_nt, *TUMBLE.scale, *TUMBLE.lean_rad])
    u = np.array([*model.u_offset, *model.u_scale, *model.u_angle_rad])
    covariance = np.array(model.correlation) * np.outer(u, u)
    assert error @ np.linalg.solve(covariance, error) < stats.chi2(9).ppf(0.9999)
    np.testing.assert_allclose(model.u_noise, 1.0, rtol=0.15)


async def test_over_tcp_each_attitude_is_a_plain_line_and_the_certificate_calibrates(tmp_path: Path) -> None:
    """Without a terminal there are no control codes, and what was written turns readings into tesla."""
    out = tmp_path / "vm.toml"
    code, text, err = await session(TcpEnd(), words(out))
    assert code == 0, err
    lines = text.splitlines()
    assert re.fullmatch(r"attitude 1 of 12 held, 1 of 8 octants; next: (hold still|turn .+)", lines[0])
    assert "\x1b" not in text
    assert any(line.startswith("offset x ") for line in lines)
    assert lines[-1] == f"SHA-256 {read_certificate(out).sha256.hex()}"
    statement = read_certificate(out).statement
    values = tumble_source(TUMBLE)(0.0, 50, 100.0)
    channels = tuple(Channel(f"vector.{axis}", "magnetic flux density", "nT") for axis in "xyz")
    device = Identity("Twinleaf", "VMR", "VMR.R8.SIM", "abc123")
    sample = Sample(device, "field", channels, values, 100.0, 0, 0, b"")
    reading = calibrate(sample, read_certificate(out), statement.issued.timestamp() + 1, clock_trusted=True)
    assert reading.trust.calibrated
    length_nt = np.linalg.norm(reading.values, axis=1) / 1e-9
    assert abs(length_nt.mean() - 49_500.0) < 5.0 * float(np.linalg.norm(reading.u)) / 1e-9


async def test_a_session_that_ends_too_early_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """Exit 1, the numbers in words, no file."""
    out = tmp_path / "vm.toml"
    code, text, _ = await session(TcpEnd(), [*words(out, seconds_max="3"), "--json"])
    told: dict[str, Any] = json.loads(text)
    assert code == 1
    assert (told["ok"], told["error"]) == (False, "TooFewAttitudes")
    assert told["reason"] == f"attitudes = {told['attitudes']}: at least 12 are needed"
    assert 1 <= told["attitudes"] < 12
    assert not out.exists()


def test_a_missing_port_is_said_with_its_reason(tmp_path: Path) -> None:
    """Exit 2: it could not be tried."""
    done = run([*words(tmp_path / "vm.toml", port=str(tmp_path / "nothing"), seconds_max="1")])
    assert done.returncode == 2
    assert "no sample came; port missing" in done.stderr
    assert not (tmp_path / "vm.toml").exists()


@pytest.mark.parametrize(("change", "message"), [
    ({"port": "dev/ttyUSB0"}, "port = 'dev/ttyUSB0': must be"),
    ({"reference_nt": "nan"}, "--reference-nt: 'nan': must be a number from 1 to 1e+06"),
    ({"reference_u_nt": "-1"}, "--reference-u-nt: '-1': must be a number from 0 to 10000"),
    ({"attitudes": "11"}, "--attitudes: '11': must be a whole number from 12 to 500"),
    ({"reference_standard": ""}, "--reference-standard: must be one line of 1 to 300 characters"),
    ({"channels": "x,y,x"}, "--channels: 'x,y,x': must be three different names"),
    ({"instrument": "toaster"}, "--instrument: invalid choice: 'toaster'"),
])
def test_a_wrong_word_is_refused_before_anything_is_opened(tmp_path: Path, change: dict[str, str],
                                                           message: str) -> None:
    """Key, value and rule, and exit 2."""
    done = run(words(tmp_path / "vm.toml", **change))
    assert done.returncode == 2
    assert message in done.stderr


def test_a_certificate_is_never_written_over_another_file(tmp_path: Path) -> None:
    """Said before the work, not after it; a missing folder likewise."""
    (tmp_path / "old.toml").write_text("precious")
    done = run(words(tmp_path / "old.toml"))
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "old.toml").read_text() == "precious"
    assert "does not exist" in run(words(tmp_path / "no" / "vm.toml")).stderr


def test_the_map_shows_what_is_held_and_where_the_field_is_now() -> None:
    """Poles at top and bottom, +x in the middle."""
    lines = sphere_map(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), np.array([1.0, 0.0, 0.0]))
    assert lines[0].startswith("+z ")
    assert lines[0].count("o") == 1
    assert lines[8].count("o") == 1
    assert lines[4].index("@") - 3 == 18
    assert lines[9].index("+x") - 3 == 18
    assert "@" not in "".join(sphere_map(np.empty((0, 3)), np.zeros(3)))

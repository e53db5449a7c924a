"""Register maps in the configuration: found, refused by name, journaled as read, and read out by the commands."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.apply import STATED, calibrate
from drivers.driver import SettingRefused
from drivers.map_shipped import shipped_text
from drivers.sample import Channel, Identity, Sample
from gateway.acquisition import check_drivers
from gateway.assembly import assemble
from gateway.checks import Finding, register_map
from gateway.cli.main import main
from gateway.config import load
from gateway.evidence import keys
from gateway.evidence.act import ConfigurationBody
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode
from gateway.maps import MapUnreadable, read_maps
from gateway.publisher.journal import payload_of
from hil.instruments.lane_plc import LanePlc
from hil.modbus_wire import TcpServer

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Loaded

CONFIG = """
[gateway]
id = "bay-1"
state_dir = "."
run_dir = "."
publisher_dir = "pub"
[key]
file = "gateway.key"
[[instrument]]
name = "plc"
driver = "modbus-map"
map = "lane-plc"
port = "tcp://127.0.0.1:9"
[[instrument]]
name = "gauge"
driver = "modbus-map"
map = "maps/gauge.toml"
port = "tcp://127.0.0.1:9"
unit = 2
"""


def configured(folder: Path, text: str = CONFIG) -> Loaded:
    """Return a configuration whose second map is a file beside it."""
    (folder / "maps").mkdir(exist_ok=True)
    (folder / "maps" / "gauge.toml").write_text(f"# ours\n{shipped_text('eurotherm-3200')}")
    (folder / "gateway.toml").write_text(text)
    return load(folder / "gateway.toml")


def test_a_map_is_a_shipped_name_or_a_file_beside_the_configuration(tmp_path: Path) -> None:
    """Both are read, and the drivers are made with them."""
    loaded = configured(tmp_path)
    maps = read_maps(loaded.config.instrument, loaded.folder)
    assert maps["lane-plc"] == shipped_text("lane-plc")
    assert maps["maps/gauge.toml"].startswith("# ours\n")
    check_drivers(loaded.config.instrument, maps)


@pytest.mark.parametrize(("before", "after", "words"), [
    ('"lane-plc"', '"lane-pcl"',
     "instrument[0].map = 'lane-pcl': must be a file that ends in .toml, or one of: eurotherm-3200, lane-plc"),
    ("maps/gauge", "maps/absent", "instrument[1].map = 'maps/absent.toml': "),
    ('map = "lane-plc"', "", "instrument[0].map = '': must name a register map"),
    ('driver = "modbus-map"\nmap = "maps', 'driver = "eurotherm-3200"\nmap = "maps',
     "instrument[1].map = 'maps/gauge.toml': eurotherm-3200 reads no register map"),
])
def test_a_map_that_is_not_there_is_refused_with_key_value_and_rule(
    before: str, after: str, words: str, tmp_path: Path,
) -> None:
    """A spelling mistake stops the core before anything is opened."""
    loaded = configured(tmp_path, CONFIG.replace(before, after))
    with pytest.raises((MapUnreadable, SettingRefused), match=re.escape(words)):
        assemble(loaded)
    assert not (tmp_path / "journal.db").exists()


def test_a_map_that_is_no_map_is_refused(tmp_path: Path) -> None:
    """Too long, not text, or with a mistake in it: each in one line that names the instrument."""
    loaded = configured(tmp_path)
    gauge = tmp_path / "maps" / "gauge.toml"
    for content, words in ((b"#" * 60_000, "longer than 49152 bytes"), (b"\xff", "not UTF-8"),
                           (b"format = 2", "instrument[1].map: format = 2: must be one of: 1")):
        gauge.write_bytes(content)
        with pytest.raises((MapUnreadable, SettingRefused), match=re.escape(words)):
            assemble(loaded)


def test_every_map_is_journaled_as_it_was_read(tmp_path: Path) -> None:
    """An auditor finds the text by which the raw data are decoded, once for each map."""
    keys.create(tmp_path / "gateway.key", tmp_path / "gateway.pub.pem")
    assembly = assemble(configured(tmp_path))
    assembly.close()
    with reader_of(assembly.places.journal) as reader:
        bodies = [decode(payload_of(stored.message)).body for stored in reader.records(0)]
    told = {body.name: body.text for body in bodies if isinstance(body, ConfigurationBody)}
    assert list(told) == ["gateway.toml", "map lane-plc", "map maps/gauge.toml"]
    assert told["map lane-plc"] == shipped_text("lane-plc")
    assert told["map maps/gauge.toml"] == (tmp_path / "maps" / "gauge.toml").read_text()


def measured(u: list[float] | None) -> Sample:
    """Return a sample of two channels."""
    return Sample(Identity("a", "b", "c", ""), "s", (Channel("x", "temperature", "degC"), Channel("n", "count", "1")),
                  np.array([[20.0, 3.0]]), None, 0, 5, b"raw", (), None if u is None else np.array(u))


def test_a_stated_uncertainty_is_shown_and_certifies_nothing() -> None:
    """The reading has the map's u, says that nobody certified it, and stays uncalibrated."""
    reading = calibrate(measured([0.5, float("nan")]), None, 0.0, True)
    assert reading.u[0] == 0.5
    assert np.isnan(reading.u[1])
    assert not reading.trust.calibrated
    assert reading.flags == (STATED,)
    bare = calibrate(measured(None), None, 0.0, True)
    assert np.isnan(bare.u).all()
    assert bare.flags == ()
    assert reading.raw_sha256 == hashlib.sha256(b"raw").digest()


async def test_read_prints_what_a_map_makes_of_a_device(capsys: pytest.CaptureFixture[str]) -> None:
    """`spingate read modbus-map --map lane-plc` shows contacts and counters of the emulated controller."""
    server = TcpServer({1: LanePlc(time.monotonic_ns())}, time.monotonic_ns)
    await server.start()
    words = ["read", "modbus-map", "--map", "lane-plc", "--port", f"tcp://127.0.0.1:{server.port}", "--seconds", "1",
             "--json"]
    code = await asyncio.to_thread(main, words)
    await server.stop()
    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert {one["stream"] for one in said["readings"]} == {"lane", "program"}
    assert said["readings"][0]["device"].endswith("EMULATED-1")
    assert said["readings"][0]["channels"]["gate_closed"] == {"value": 1.0, "unit": "1", "u": None}


def test_check_tells_what_a_map_promises(tmp_path: Path) -> None:
    """One line for each instrument with a map, and a FAIL for one that cannot be used."""
    loaded = configured(tmp_path)
    good, gauge = loaded.config.instrument
    assert register_map(loaded, good) == Finding(
        "OK", "plc map", "lane PLC, example profile: 6 values in 2 groups, after docs/register-map.md, the lane PLC")
    (tmp_path / "maps" / "gauge.toml").write_text("format = 2")
    bad = register_map(loaded, gauge)
    assert bad.word == "FAIL"
    assert "maps/gauge.toml: format = 2: must be one of: 1" in bad.found


def test_check_refuses_a_bad_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`spingate check` finds it before the service does."""
    configured(tmp_path, CONFIG.replace('"lane-plc"', '"lane-pcl"'))
    assert main(["check", "--config", str(tmp_path / "gateway.toml")]) != 0
    assert "instrument[0].map = 'lane-pcl': must be a file" in capsys.readouterr().err

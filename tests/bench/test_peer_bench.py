"""What a bench for gateways starts, and how it takes our payloads apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway.acquisition import check_drivers
from gateway.clock import Now
from gateway.config import load
from gateway.drafts import Drafter
from gateway.evidence import cose, keys
from gateway.evidence.record import Provenance, encode
from gateway.maps import read_maps
from hil.bench.peer import lay_out
from hil.bench.peer_reading import readings

if TYPE_CHECKING:
    from pathlib import Path

TASK = {
    "BENCH_MODBUS_HOST": "127.0.0.1", "BENCH_MODBUS_PORT": "1502", "BENCH_REGS": "100", "BENCH_HZ": "100",
    "BENCH_MQTT_HOST": "127.0.0.1", "BENCH_MQTT_PORT": "1883",
}
DRAFTER = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
NOW = Now(1_000, 2_000, "unsynchronised", None)
KEY = keys.generate()


@pytest.mark.parametrize(("rate_hz", "poll_ms"), [("100", 10), ("10", 100), ("0", 0)])
def test_the_task_becomes_a_configuration_that_the_gateway_takes(tmp_path: Path, rate_hz: str, poll_ms: int) -> None:
    """As many registers as wanted are one poll at the wanted rate; the key outlives a second start."""
    config = lay_out(tmp_path, TASK | {"BENCH_HZ": rate_hz})
    key = (tmp_path / "gateway.key").read_bytes()
    lay_out(tmp_path, TASK)
    assert (tmp_path / "gateway.key").read_bytes() == key
    lay_out(tmp_path, TASK | {"BENCH_HZ": rate_hz})
    loaded = load(config)
    check_drivers(loaded.config.instrument, read_maps(loaded.config.instrument, loaded.folder))
    assert [one.poll_ms for one in loaded.config.instrument] == [poll_ms]


def test_further_instruments_stand_beside_the_measured_one(tmp_path: Path) -> None:
    """A dead device, for example, must change nothing: it is named in a file."""
    beside = tmp_path / "beside.toml"
    beside.write_text('\n[[instrument]]\nname = "dead"\ndriver = "eurotherm-3200"\nport = "tcp://127.0.0.1:1"\n')
    loaded = load(lay_out(tmp_path, TASK | {"BENCH_BESIDE": str(beside)}))
    assert [one.name for one in loaded.config.instrument] == ["registers", "dead"]


def test_a_signed_reading_gives_its_values_by_channel_and_everything_else_gives_none() -> None:
    """Faults, tree heads and the JSON of the status topic are no readings."""
    channels = tuple(Channel(f"r{number}", "count", "1") for number in range(3))
    reading = Reading(Identity("bench", "registers", "", ""), "registers", channels, np.array([[7.0, 8.0, 9.0]]),
                      np.full(3, np.nan), None, 0, 0, bytes(32), Trust(calibrated=False, certificate_sha256=None))
    body = DRAFTER.reading(NOW, "registers", reading)
    fault = DRAFTER.component_fault(NOW, "journal", "disk nearly full", "")
    signed, other = (cose.sign(encode(one, "bench", 1), KEY.ed25519, KEY.kid) for one in (body, fault))
    assert readings(signed) == {"r0": 7.0, "r1": 8.0, "r2": 9.0}
    assert [readings(payload) for payload in (other, b"", b'{"state": "online"}', b"spingate/bench\n7\n")] == [{}] * 4

"""Run the gateway as one peer of a bench that gives every gateway the same device, broker and subscriber. Edge.

The bench starts `python -m hil.bench.peer` with the task in BENCH_* variables, and takes the payloads apart with
`hil.bench.peer_reading:readings`. Rule: no process of ours leaves the process group, so that what it costs, and what
a kill -9 ends, is all of it; and all that must outlive a kill lies in BENCH_DIR.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.evidence import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

MAP = """format = 1
title = "registers of a bench"
source = "the bench: register i holds a counter + i"

[identity]
make = "bench"
model = "registers"

[[group]]
name = "registers"

[[group.register]]
name = "r"
address = 0
count = {registers}
quantity = "count"
unit = "1"
"""
CONFIG = """[gateway]
id = "bench"
state_dir = "."
run_dir = "."
publisher_dir = "publisher"

[key]
file = "gateway.key"

[clock]
require_synchronised = false

[publisher]
broker = "{broker}"
port = {broker_port}
reconnect_s_max = 1.0

[[instrument]]
name = "registers"
driver = "modbus-map"
map = "registers.toml"
port = "tcp://{device}:{device_port}"
poll_ms = {poll_ms}
"""


def lay_out(folder: Path, task: Mapping[str, str]) -> Path:
    """Write map and configuration, make a key where there is none yet, and return the configuration.

    The task: BENCH_MODBUS_HOST, BENCH_MODBUS_PORT, BENCH_REGS (holding registers from 0 on, unit 1), BENCH_HZ (0: as
    fast as it goes), BENCH_MQTT_HOST, BENCH_MQTT_PORT; BENCH_BESIDE, where given, names a file of further instruments.
    """
    rate_hz = float(task["BENCH_HZ"])
    words = CONFIG.format(
        broker=task["BENCH_MQTT_HOST"], broker_port=task["BENCH_MQTT_PORT"],
        device=task["BENCH_MODBUS_HOST"], device_port=task["BENCH_MODBUS_PORT"],
        poll_ms=round(1000 / rate_hz) if rate_hz else 0,
    )
    beside = task.get("BENCH_BESIDE")
    (folder / "registers.toml").write_text(MAP.format(registers=int(task["BENCH_REGS"])))
    (folder / "gateway.toml").write_text(words + (Path(beside).read_text() if beside else ""))
    if not (folder / "gateway.key").exists():
        keys.create(folder / "gateway.key", folder / "gateway.pub.pem")
    return folder / "gateway.toml"


def main() -> None:
    """Start the publisher and become the core: a third process would only be one more to pay for."""
    config = lay_out(Path(os.environ["BENCH_DIR"]), os.environ)
    command = [sys.executable, "-m", "gateway.cli.main"]
    subprocess.Popen([*command, "publish", "--config", str(config)])
    os.execv(command[0], [*command, "run", "--config", str(config)])  # noqa: S606  # the very same program


if __name__ == "__main__":
    main()

"""An installed gateway in a folder: configuration, certificates, key, and its two processes. Edge.

The processes are the real commands, started as systemd would start them, and stopped by pid.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.certificate_text import certificate_text
from hil.demo.bay import OVEN_SERIAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calibration.certificate import Statement

READY_S_MAX = 40.0
STOP_S_MAX = 20.0

CONFIG = """# Written by `spingate demo`: an emulated bay. Every key is described in docs/configuration.md.
[gateway]
id = "demo-bay"
state_dir = "."
run_dir = "{run}"
publisher_dir = "publisher"

[key]
file = "gateway.key"

[clock]
# A demonstration must run on a machine whose clock nobody disciplines; an installed gateway keeps the default.
require_synchronised = false

[scan]
trigger = "request"
dwell_s = 300.0

[publisher]
broker = "{host}"
port = {port}

[[instrument]]
name = "head"
driver = "nqr-head"
port = "{head}"
certificate = "certificates/head.toml"

[[instrument]]
name = "lane"
driver = "twinleaf"
port = "{lane}"
block_ms = 50
certificate = "certificates/lane.toml"

[[instrument]]
name = "oven"
driver = "eurotherm-3200"
port = "{oven}"
serial = "{serial}"
certificate = "certificates/oven.toml"
"""


class ProcessFailed(RuntimeError):
    """One of the gateway's processes did not become ready, or ended by itself."""


@dataclass(slots=True)
class Service:
    """One process of the gateway, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def resident_mb(self) -> float:
        """Return the most memory it ever held resident, in MB (VmHWM)."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def stop(self) -> int:
        """End it in order and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S_MAX)


@dataclass(slots=True)
class Site:
    """The folder of a gateway. `run` is a short path for its sockets."""

    folder: Path
    run: Path
    services: list[Service] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """Return the configuration file."""
        return self.folder / "gateway.toml"

    @property
    def public_pem(self) -> bytes:
        """Return the public key file's content."""
        return (self.folder / "gateway.pub.pem").read_bytes()

    def lay_out(
        self, ports: Mapping[str, str], certificates: Mapping[str, Statement], broker: tuple[str, int]
    ) -> None:
        """Write configuration and certificates, and make a key with the real command."""
        (self.folder / "certificates").mkdir(parents=True)
        for name, statement in certificates.items():
            (self.folder / "certificates" / f"{name}.toml").write_text(certificate_text(statement))
        words = CONFIG.format(run=self.run, host=broker[0], port=broker[1], serial=OVEN_SERIAL, **ports)
        self.config.write_text(words)
        subprocess.run([*command(), "keys", "new", self.folder / "gateway.key", "--json"], check=True,
                       stdout=subprocess.DEVNULL)

    def start(self, name: str, words: Sequence[str] = ()) -> Service:
        """Start `spingate NAME`, or `words` in its place, and return when it says READY.

        Raises ProcessFailed with the end of its log.
        """
        log = self.folder / f"{name}.log"
        address = self.run / f"{name}.notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, log.open("ab") as output:
            address.unlink(missing_ok=True)
            listener.bind(str(address))
            listener.settimeout(1.0)
            process = subprocess.Popen(
                words or [*command(), name, "--config", str(self.config)], stdout=output, stderr=output,
                env={**os.environ, "NOTIFY_SOCKET": str(address)},
            )
            service = Service(name, process, log)
            if not heard_ready(listener, process):
                process.kill()
                process.wait()
                raise ProcessFailed(f"spingate {name} is not ready: {log.read_text()[-2000:]}")
        self.services.append(service)
        return service

    def stop(self) -> None:
        """End every process that still runs, the publisher last: it carries out the core's last words."""
        for service in reversed(self.services):
            if service.process.poll() is None:
                service.stop()
        self.services.clear()


def command() -> list[str]:
    """Return how to call this very spingate."""
    return [sys.executable, "-m", "gateway.cli.main"]


def heard_ready(listener: socket.socket, process: subprocess.Popen[bytes]) -> bool:
    """Wait for READY=1 as systemd does; false where the process ends or stays silent."""
    for _ in range(round(READY_S_MAX)):
        try:
            while True:
                if b"READY=1" in listener.recv(4096):
                    return True
        except TimeoutError:
            if process.poll() is not None:
                return False
    return False

"""A gateway installed in the container as docs/installation.md tells, with emulated instruments and a real broker.

The document's own commands are run. What a container without the Internet cannot do has a stand-in, named here.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibration.certificate_text import certificate_text
from hil.demo.bay import OVEN_SERIAL, Bay

if TYPE_CHECKING:
    from tests.systemd.container import Container

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "installation.md"
SOURCE, PYTHON, DEPENDENCIES = "/opt/source", "/opt/python", "/opt/dependencies"
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
# Every section with commands that are proven here; test_services.py follows them in this order.
SECTIONS = ("Programs, users, units", "Signing key", "Configuration", "Check", "Start", "See that it works")
BLOCK = re.compile(r"^```sh( not-proven)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SEED = 7
BROKER_PORT, HEAD_PORT, LANE_PORT = 1883, 5020, 7855  # the container has a network of its own: nobody else is there
READY_S_MAX = 40.0

CONFIG = f"""
[gateway]
id = "bay-1"
[clock]
require_synchronised = false  # the container shares the clock of a machine that nobody may have disciplined
[publisher]
broker = "127.0.0.1"
port = {BROKER_PORT}
reconnect_s_max = 1.0
[[instrument]]
name = "head"
driver = "nqr-head"
port = "tcp://127.0.0.1:{HEAD_PORT}"
certificate = "certificates/head.toml"
[[instrument]]
name = "lane"
driver = "twinleaf"
port = "tcp://127.0.0.1:{LANE_PORT}"
block_ms = 100
certificate = "certificates/lane.toml"
[[instrument]]
name = "oven"
driver = "eurotherm-3200"
port = "/run/bay/oven"
serial = "{OVEN_SERIAL}"
certificate = "certificates/oven.toml"
"""
MOSQUITTO = f"user root\nlistener {BROKER_PORT} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 100000\n"
# The only changes to the shipped units. WatchdogSec: the product waits 20 s, a test cannot. IPAddressAllow: this is the
# instruments.conf of an installation whose instruments are at 127.0.0.1.
QUICK = "[Service]\nWatchdogSec=6\n"
ALLOWED = "[Service]\nIPAddressAllow=127.0.0.1\n"


def binds() -> dict[Path, str]:
    """Return what of this machine the installation needs: sources, interpreter, the packages of the lock file.

    The interpreter may live in a home folder, which services cannot see: so it is bound below /opt.
    """
    packages = next(Path(entry) for entry in sys.path if (Path(entry) / "numpy").is_dir())
    return {ROOT: SOURCE, Path(sys.base_prefix): PYTHON, packages: DEPENDENCIES}


def commands(section: str) -> list[str]:
    """Return the proven command blocks of one section of the document."""
    text = DOCUMENT.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [block for unproven, block in BLOCK.findall(text) if not unproven]


def follow(container: Container, section: str) -> str:
    """Run one section's commands in the folder of the sources, stopping at the first that fails."""
    return "".join(
        container.inside("bash", "-euc", f"cd {SOURCE}\n{block}").stdout for block in commands(section)
    )


def stand_in_environment(container: Container) -> None:
    """Make the environment that the document makes from the lock file: the same packages, from this machine."""
    if Path(sys.base_prefix) != Path("/usr"):
        container.write("/etc/ld.so.conf.d/python.conf", f"{PYTHON}/lib\n")
        container.inside("ldconfig")
    container.inside(f"{PYTHON}/bin/{VERSION}", "-m", "venv", "--without-pip", "/opt/spingate")
    container.write(f"/opt/spingate/lib/{VERSION}/site-packages/dependencies.pth", f"{DEPENDENCIES}\n")
    container.write("/opt/spingate/bin/pip", '#!/bin/sh\nexec /opt/spingate/bin/python -m pip "$@"\n')
    container.inside("chmod", "755", "/opt/spingate/bin/pip")


def run_in_background(container: Container, unit: str, *words: str, output: str = "null") -> None:
    """Have systemd run something beside the gateway: an emulated instrument, a broker, a subscriber."""
    container.inside("systemd-run", "-q", f"--unit={unit}", "-p", f"StandardOutput={output}", *words)


def build_bay(container: Container) -> None:
    """Switch the emulated instruments on: two on TCP, the oven on a serial line that belongs to dialout."""
    spingate = "/opt/spingate/bin/spingate"
    container.inside("mkdir", "/run/bay")
    head = ("hil", "nqr-head", "--tcp", str(HEAD_PORT), "--ahead", "--seed", str(SEED))
    run_in_background(container, "bay-head", spingate, *head)
    run_in_background(container, "bay-lane", spingate, "hil", "twinleaf", "--tcp", str(LANE_PORT))
    run_in_background(container, "bay-oven", spingate, "hil", "eurotherm-3200", "--link", "/run/bay/oven")
    # As the udev rule does it for a real port: the core gets in through the group alone.
    waiting = "until [ -e /run/bay/oven ]; do sleep .05; done; chgrp dialout $(readlink -f /run/bay/oven)"
    container.inside("bash", "-euc", f"{waiting}; chmod 660 $(readlink -f /run/bay/oven)")


def start_broker(container: Container) -> None:
    """Start mosquitto and a subscriber that writes down everything it hears, from the first message on."""
    container.write("/run/bay/mosquitto.conf", MOSQUITTO)
    run_in_background(container, "broker", "/usr/sbin/mosquitto", "-c", "/run/bay/mosquitto.conf")
    listening = f"until mosquitto_pub -p {BROKER_PORT} -t test -m 1 2>/dev/null; do sleep .05; done"
    container.inside("bash", "-euc", listening)
    hear = ("mosquitto_sub", "-p", str(BROKER_PORT), "-t", "spingate/#", "-q", "1", "-F", "%t %x")
    run_in_background(container, "subscriber", "/usr/bin/stdbuf", "-oL", *hear, output="file:/run/bay/heard")


def configure(container: Container, folder: Path) -> None:
    """Write the configuration and the certificates of the emulated bay over the example."""
    for name, statement in Bay(folder, SEED, time.monotonic_ns).certificates(time.time()).items():
        container.write(f"/etc/spingate/certificates/{name}.toml", certificate_text(statement))
    container.write("/etc/spingate/gateway.toml", CONFIG)
    for unit in ("spingate", "spingate-publish"):
        container.write(f"/etc/systemd/system/{unit}.service.d/quick.conf", QUICK)
    container.write("/etc/systemd/system/spingate.service.d/instruments.conf", ALLOWED)


def status(container: Container) -> dict[str, Any]:
    """Return what `spingate status --json` says."""
    said = container.inside("/opt/spingate/bin/spingate", "status", "--json", check=False)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def publisher_backlog(container: Container) -> int:
    """Return how many records of the journal the publisher has still to publish, as it wrote it down itself."""
    words = container.inside("cat", "/var/lib/spingate-publish/publisher-status.json").stdout
    found: int = json.loads(words)["backlog"]
    return found


def heard(container: Container, part: str) -> list[bytes]:
    """Return the payloads that the subscriber has heard on topics with `part` in them, in order of arrival."""
    lines = container.inside("cat", "/run/bay/heard").stdout.splitlines()
    pairs = [line.split(" ", 1) for line in lines if " " in line]
    return [bytes.fromhex(payload) for topic, payload in pairs if part in topic]

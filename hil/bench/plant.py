"""One gateway of a measurement: its folder, its configuration, its two processes.

The processes are the real commands; only their instruments and their broker are emulated or on loopback.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.evidence import keys
from hil.demo.site import Service, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADING = """[gateway]
id = "bench"
state_dir = "."
run_dir = "{run}"
publisher_dir = "publisher"

[key]
file = "gateway.key"

[clock]
require_synchronised = false

[publisher]
port = {port}
"""
POLLED = """
[[instrument]]
name = "stopwatch-{unit}"
driver = "eurotherm-3200"
port = "{place}"
unit = {unit}
poll_ms = {poll_ms}
"""


@dataclass(frozen=True, slots=True)
class Plant:
    """A gateway that runs."""

    site: Site
    core: Service
    publisher: Service


def polling(run: Path, broker_port: int, place: str, units: int, poll_ms: int) -> str:
    """Return a configuration that polls so many stopwatches at this pace."""
    polled = [POLLED.format(unit=unit, place=place, poll_ms=poll_ms) for unit in range(1, units + 1)]
    return HEADING.format(run=run, port=broker_port) + "".join(polled)


@contextmanager
def running(folder: Path, run: Path, config: str) -> Iterator[Plant]:
    """Run a gateway in a new folder under this configuration, and stop it in order."""
    site = lay_out(folder, run, config)
    try:
        publisher = site.start("publish")
        yield Plant(site, site.start("run"), publisher)
    finally:
        site.stop()


def lay_out(folder: Path, run: Path, config: str) -> Site:
    """Write the configuration and make a key."""
    site = Site(folder, run)
    folder.mkdir(parents=True)
    site.config.write_text(config)
    keys.create(folder / "gateway.key", folder / "gateway.pub.pem")
    return site

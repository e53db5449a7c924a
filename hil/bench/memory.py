"""Resident memory of the two processes: at rest with three instruments, and after NQR scans. Edge.

The kernel's own figures (proc(5), VmRSS and VmHWM); shared pages are counted in both processes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import clock
from gateway.control import Ask, ask
from hil.bench.figures import Memory, MemoryFigures
from hil.bench.instruments import SEED, instruments
from hil.bench.listener import VERDICTS, listening
from hil.demo.bay import Bay
from hil.demo.site import Site

if TYPE_CHECKING:
    from hil.demo.site import Service

SETTLE_S = 2.0          # connections made, first readings out
VERDICT_S_MAX = 60.0


def resident(service: Service) -> Memory:
    """Return what a process holds now and held at most."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    held = {line.split()[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS:", "VmHWM:"))}
    return Memory(round(held["VmRSS:"], 1), round(held["VmHWM:"], 1))


def measure_memory(broker_port: int, folder: Path, scans: int) -> MemoryFigures:
    """Measure all four; `scans` scans of an emulated head are decided in between."""
    with instruments("bay", folder) as ports, listening(broker_port, VERDICTS) as verdicts:
        site = Site(folder / "bay", folder)
        certificates = Bay(folder, SEED, clock.monotonic_ns).certificates(clock.wall_ns() / 1e9)
        site.lay_out(ports, certificates, ("127.0.0.1", broker_port))
        try:
            publisher, core = site.start("publish"), site.start("run")
            time.sleep(SETTLE_S)
            idle = resident(core), resident(publisher)
            for number in range(1, scans + 1):
                ask(folder / "control.sock", Ask("start"))
                if not verdicts.await_count(number, VERDICT_S_MAX):
                    raise TimeoutError(f"no verdict on scan {number} within {VERDICT_S_MAX:g} s")
            return MemoryFigures(*idle, resident(core), resident(publisher), scans)
        finally:
            site.stop()

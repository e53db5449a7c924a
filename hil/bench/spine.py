"""Measure the spine: memory, signed and committed records a second, and latency beside the floor. Edge.

Real processes, a real broker, the disk under the temporary folder. It prints and asserts nothing.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from hil.bench.figures import Machine, SpineFigures
from hil.bench.instruments import instruments
from hil.bench.latency import measure_latency
from hil.bench.memory import measure_memory
from hil.bench.rates import measure_rates
from hil.demo.brokers import broker
from hil.demo.site import command

if TYPE_CHECKING:
    from collections.abc import Callable

START_REPEATS = 3


def measure_spine(
    wanted_broker: str, seconds: float, repeats: int, scans: int, say: Callable[[str], None]
) -> SpineFigures:
    """Measure everything; `say` hears what is being measured. `seconds` is the length of each window."""
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spingate-bench-")))
        _host, port, name = stack.enter_context(broker(wanted_broker, folder))
        say(f"broker: {name}; load of the last minute: {load_before:.2f}")
        say("start-up ...")
        start_s = {word: start_seconds(word) for word in ("--version", "status --help")}
        say(f"memory, {scans} scans ...")
        memory = measure_memory(port, folder, scans)
        place = stack.enter_context(instruments("stopwatch", folder))["stopwatch"]
        say(f"records per second, 4 runs of {seconds:g} s ...")
        rates = measure_rates(port, place, folder, seconds)
        say(f"latency, {repeats} pairs of {seconds:g} s ...")
        latencies = measure_latency(port, place, folder, seconds, repeats)
    machine = Machine(
        processor(), os.cpu_count() or 1, platform.python_version(), name, load_before, os.getloadavg()[0]
    )
    return SpineFigures(machine, start_s, memory, rates, latencies)


def start_seconds(words: str) -> float:
    """Return how long a command takes that only says something, the fastest of a few tries."""
    tries = []
    for _ in range(START_REPEATS):
        began = time.monotonic()
        subprocess.run([*command(), *words.split()], check=True, stdout=subprocess.DEVNULL)
        tries.append(time.monotonic() - began)
    return round(min(tries), 3)


def processor() -> str:
    """Return the processor's name as the kernel tells it, else the architecture."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{platform.machine()}, {line.partition(':')[2].strip()}"
    return platform.machine()

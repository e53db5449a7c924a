"""Is the core's event loop ever held? A bay at full stream load, scans without a pause, and a probe in the loop. Edge.

Rule: an idle process is measured at the same time, so that a busy machine is not taken for a slow gateway.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hil.bench.lag_figures import LoopFigures, lag_of
from hil.bench.load import SEATS, WARM_UP_S_MAX, bay, configuration, tally
from hil.bench.plant import lay_out
from hil.demo.brokers import broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

STOP_S_MAX = 20.0
# What the emulators cost is told apart by the probe, and without scans there would be nothing to look at.
NICE = 0
# Emulated heads that are done as soon as their scene is drawn: a scan each second or two, alarms among them.
AHEAD = tuple((name, driver, place + '\nahead = true\nscene = "nitrate"' if driver == "nqr-head" else place)
              for name, driver, place in SEATS)


def measure_loop(wanted_broker: str, seconds: float, say: Callable[[str], None],
                 seats: Sequence[tuple[str, str, str]] = AHEAD) -> LoopFigures:
    """Run a bay of these (name, driver, place) for so long; `say` hears how it goes."""
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spingate-loop-")))
        _host, port, name = stack.enter_context(broker(wanted_broker, folder))
        say(f"broker: {name}; {len(seats)} instruments; {seconds:g} s ...")
        tables = stack.enter_context(bay(folder, seats, NICE))
        site = lay_out(folder / "gateway", folder, configuration(folder, port, tables))
        stack.callback(site.stop)
        site.start("publish")
        probed = [sys.executable, "-m", "hil.bench.loop_core", str(folder / "core.npz"), str(site.config)]
        core = site.start("run", probed)
        time.sleep(min(WARM_UP_S_MAX, seconds))
        with idling(folder / "idle.npz"):
            began = time.monotonic()
            time.sleep(seconds)
            measured_s = time.monotonic() - began
        core.stop()
        turns, alone = read(folder / "core.npz"), read(folder / "idle.npz")
        scans = sum(one.verdicts for one in tally(folder / "gateway" / "journal.db").of.values())
    busy, warm = turns["busy"].astype(bool), np.cumsum(turns["late_ms"] + 1.0) > min(WARM_UP_S_MAX, seconds) * 1e3
    return LoopFigures(
        measured_s, scans, load_before, os.getloadavg()[0], lag_of(turns, busy & warm), lag_of(turns, ~busy & warm),
        lag_of(alone, np.ones(len(alone["late_ms"]), bool)))


@contextmanager
def idling(out: Path) -> Iterator[None]:
    """Run the control beside what is measured."""
    process = subprocess.Popen([sys.executable, "-m", "hil.bench.loop_core", str(out)], stdout=subprocess.PIPE)
    if process.stdout is None:
        raise RuntimeError("no pipe to the control")
    process.stdout.readline()
    try:
        yield
    finally:
        process.terminate()
        process.wait(STOP_S_MAX)
        process.stdout.close()


def read(file: Path) -> Mapping[str, NDArray[np.float64]]:
    """Return what a probe wrote."""
    with np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}

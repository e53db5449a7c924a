"""What a decision costs: CPU time and peak resident memory of `spingate detect` in a process of its own. Edge.

Measured by the kernel when the process ends, so what this process holds is not counted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from gateway.scan_file import write_scan
from hil.bench.detection.scenes import Laid, mixed
from hil.scene.bay import Tier

SCANS: Final = 6
# What the product promises of a scan of all bands.
DECIDE_MS_MAX: Final = 250.0
RESIDENT_MB_MAX: Final = 120.0
KIB_PER_MB: Final = 1024.0


def measure_cost(seed: int) -> str:
    """Decide mixed scans of all bands from files, and say in a line what it took."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"scan-{number}.npz" for number in range(SCANS)]
        for number, path in enumerate(paths):
            rng = np.random.default_rng((seed, number))
            path.write_bytes(write_scan(Laid(mixed(Tier.B, rng), number).scan, "npz"))
        (_, _, start_s), (spent_ms, resident_mb, cpu_s) = _detect(paths[:1]), _detect(paths)
    each_ms = (cpu_s - start_s) * 1e3 / (SCANS - 1)
    limits = (("time", each_ms > DECIDE_MS_MAX), ("memory", resident_mb > RESIDENT_MB_MAX))
    short = ", ".join(word for word, missed in limits if missed)
    return (f"decisions of a fresh process, {SCANS} mixed scans of 14 bands: {each_ms:.0f} ms of CPU each, reading "
            f"included; by the clock {spent_ms[0]:.0f} ms for the first, {statistics.median(spent_ms):.0f} ms then; "
            f"{resident_mb:.0f} MB resident at most; {start_s:.1f} s of CPU until the first was decided"
            + (f"  SHORT: {short}" if short else ""))


def _detect(paths: list[Path]) -> tuple[list[float], float, float]:
    """Milliseconds of each decision, peak resident MB, and CPU seconds of the whole process."""
    command = [sys.executable, "-m", "hil.bench.detection.spent",
               sys.executable, "-m", "gateway.cli.main", "detect", "--json", *map(str, paths)]
    # An alarm is exit code 1 and no failure; what went wrong otherwise leaves no lines to read.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    resident_kib, cpu_s = done.stderr.splitlines()[-1].split()
    spent_ms = [float(json.loads(line)["decide_ms"]) for line in done.stdout.splitlines()]
    return spent_ms, float(resident_kib) / KIB_PER_MB, float(cpu_s)

"""What a look of the network costs: CPU time of one scan, and peak memory of a process that does nothing else.

`python -m hil.training.cost MODEL` is that process: it loads the bytes, looks often, and prints two numbers.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import self_test_inputs
from gateway.detection.runtime import TfliteNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOOKS: Final = 60
WARM_UP: Final = 5
CHILD_S_MAX: Final = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Median CPU milliseconds of one look, and the resident memory in MB that the network's process had at most.

    `bare_mb` is the same of a process that loads the interpreter's libraries and no network.
    """

    look_ms: float
    peak_mb: float
    bare_mb: float


def cost_of(model: Path) -> Cost:
    """Measure a model in processes of their own. Raises `subprocess.CalledProcessError` where it does not run."""
    look_ms, peak_mb = _told(model)
    return Cost(look_ms, peak_mb, _told(None)[1])


def _told(model: Path | None) -> tuple[float, float]:
    command = [sys.executable, "-m", "hil.training.cost", *([str(model)] if model else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True,
                          timeout=CHILD_S_MAX)
    look_ms, peak_mb = (float(word) for word in done.stdout.split()[-2:])
    return look_ms, peak_mb


def main() -> None:
    """Look at a fixed picture again and again."""
    spent_ms = [0.0]
    if sys.argv[1:]:
        network, picture = TfliteNetwork(Path(sys.argv[1]).read_bytes()), self_test_inputs()[0]
        spent_ms = [_one_ms(network, picture) for _ in range(LOOKS)][WARM_UP:]
    sys.stdout.write(f"{np.median(spent_ms):.3f} {_peak_mb():.1f}\n")


def _peak_mb() -> float:
    """The most that was resident since this program began; getrusage would count its parent's memory too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmHWM:"))


def _one_ms(network: TfliteNetwork, picture: NDArray[np.float32]) -> float:
    began_s = time.process_time()
    network.score(picture)
    return (time.process_time() - began_s) * 1e3


if __name__ == "__main__":
    main()

"""What a look of the network costs: CPU time of one scan, and peak memory of a process that does nothing else.

`python -m hil.training.cost MODEL` is that process: it loads the bytes, looks often, and prints two numbers.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

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
    done = subprocess.run(command, capture_output=True, text=True, check=True,  # noqa: S603  our interpreter, our module
                          timeout=CHILD_S_MAX)
    look_ms, peak_mb = (float(word) for word in done.stdout.split()[-2:])
    return look_ms, peak_mb


def main() -> None:
    """Look at a fixed picture again and again."""
    from gateway.detection.model_card import self_test_inputs  # noqa: PLC0415  what this process loads is what it measures
    from gateway.detection.runtime import TfliteNetwork  # noqa: PLC0415  the same

    spent_ms = [0.0]
    if sys.argv[1:]:
        network, picture = TfliteNetwork(Path(sys.argv[1]).read_bytes()), self_test_inputs()[0]
        spent_ms = [_one_ms(network, picture) for _ in range(LOOKS)][WARM_UP:]
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    sys.stdout.write(f"{np.median(spent_ms):.3f} {peak_mb:.1f}\n")


def _one_ms(network: object, picture: np.ndarray) -> float:
    began_s = time.process_time()
    network.score(picture)  # type: ignore[attr-defined]  # a TfliteNetwork, imported where it is measured
    return (time.process_time() - began_s) * 1e3


if __name__ == "__main__":
    main()

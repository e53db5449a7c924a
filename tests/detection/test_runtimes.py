"""The same decisions from both TFLite runtimes, the old one in an environment of its own.

tflite-runtime has wheels up to Python 3.11 and needs numpy below 2; elsewhere there is nothing to compare with.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "gateway" / "models" / "nqr"
ENVIRONMENT = ROOT / ".venv-tflite"
NEEDED = ("tflite-runtime==2.14.0", "numpy<2", "msgspec")
# float32 differs by rounding alone; the probabilities are printed with four digits.
PROBABILITY_TOLERANCE = 0.002


def decided_by(python: str) -> tuple[list[str], list[list[float]], str]:
    """Outcomes with names, network probabilities, and the runtime's name, from a process of that Python."""
    run = subprocess.run([python, "-m", "tests.detection.decide_with_runtime", str(MODEL)], cwd=ROOT,
                         capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    *rows, runtime = run.stdout.strip().splitlines()
    parts = [row.split("|") for row in rows]
    return [f"{a}|{b}" for a, b, _ in parts], [[float(x) for x in c.split()] for *_, c in parts], runtime


@pytest.fixture(scope="module")
def older_python() -> str:
    """The Python of an environment with tflite-runtime, made once and kept beside the sources."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "complete").exists():
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        made = subprocess.run([str(python), "-m", "pip", "install", "-q", *NEEDED], capture_output=True, text=True,
                              check=False)
        assert made.returncode == 0, f"cannot install {NEEDED}: {made.stderr[-1000:]}"
        (ENVIRONMENT / "complete").touch()
    return str(python)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime 2.14.0 has no wheel for this Python")
@pytest.mark.timeout(180)
def test_both_runtimes_decide_twenty_scans_alike(older_python: str) -> None:
    """Outcomes and named substances are equal, and the network's probabilities within rounding."""
    default, default_network, default_name = decided_by(sys.executable)
    older, older_network, older_name = decided_by(older_python)
    assert default_name.startswith("ai-edge-litert")
    assert older_name.startswith("tflite-runtime 2.14")
    assert older == default
    assert np.abs(np.array(older_network) - np.array(default_network)).max() <= PROBABILITY_TOLERANCE
    assert len({row.split("|")[0] for row in default}) > 1, "the scans must not all get the same answer"

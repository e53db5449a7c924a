"""Decide the scans of an archive and print what was decided: run by the test of both runtimes, in each environment.

Usage: python -m tests.detection.decide_with_runtime MODEL_DIR; prints one line a scan and the runtime's name last.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.detection.detector import Detector, Policy
from hil.training.emulated import emulate

SEED = 909
SCANS = 20


def main() -> None:
    """Decide twenty emulated scans with the model in the folder given."""
    detector = Detector.load(Path(sys.argv[1]), Policy())
    for number in range(SCANS):
        verdict = detector.decide(emulate(SEED, number)[0])
        named = ",".join(score.substance for score in verdict.scores if score.alarmed)
        network = " ".join(f"{score.network:.4f}" for score in verdict.scores)
        sys.stdout.write(f"{verdict.outcome.value}|{named}|{network}\n")
    sys.stdout.write(f"{detector.runtime}\n")


if __name__ == "__main__":
    main()

"""spingate bench sequential: loads scanned until they are decided, beside a fixed scan.

Emulated scans through the daemon's own sequence, and the same test on chi-square statistics; nothing is asserted.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from gateway.cli.words import print_json

if TYPE_CHECKING:
    import argparse

SUBSTANCE = "RDX (alpha)"  # the most looks of all substances: no other is decided by rarer chances


def run_sequential(arguments: argparse.Namespace) -> int:
    """Measure, then print."""
    from gateway.detection.detector import Detector
    from gateway.detection.policy import Policy
    from gateway.judgement import SHIPPED_MODEL
    from hil.bench.detection.looks import SUBSTANCES
    from hil.bench.sequential import TRIALS, measure_sequential, simulated
    from hil.bench.sequential_page import all_lines, case_line

    wanted = tuple(arguments.substance or (SUBSTANCE,))
    for name in wanted:
        if name not in SUBSTANCES:
            raise ValueError(f"--substance {name!r}: must be one of {', '.join(SUBSTANCES)}")
    spending = list(simulated(wanted, arguments.seed))
    detector = Detector.load(arguments.model or SHIPPED_MODEL, Policy())
    cases = []
    for case in measure_sequential(detector, wanted, arguments.trials or TRIALS, arguments.seed):
        cases.append(case)
        print(case_line(case), file=sys.stderr, flush=True)
    if arguments.json:
        print_json({"spending": [{"substance": name, **asdict(found)} for name, found in spending],
                    "cases": [asdict(one) | {"bound95": one.bound95} for one in cases],
                    "model_sha256": detector.model_sha256.hex()})
    else:
        print("\n".join(all_lines(spending, cases)))
    return 0

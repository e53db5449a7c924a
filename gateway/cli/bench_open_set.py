"""spingate bench open-set: what is said of crystals that nobody covers, and of substances whose lines collide.

Emulated scans through the daemon's own decision; nothing is asserted.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from gateway.cli.words import print_json

if TYPE_CHECKING:
    import argparse


def run_open_set(arguments: argparse.Namespace) -> int:
    """Measure, then print."""
    from gateway.judgement import SHIPPED_MODEL
    from hil.bench.detection.crew import crew_of
    from hil.bench.open_set import measure_open_set
    from hil.bench.open_set_page import open_set_lines

    with crew_of(arguments.model or SHIPPED_MODEL, arguments.workers) as crew:
        found = measure_open_set(crew, arguments.trials, arguments.seed, _say)
    if arguments.json:
        print_json(asdict(found))
    else:
        print("\n".join(open_set_lines(found)))
    return 0


def _say(line: str) -> None:
    """Tell on standard error how far it is: a run takes minutes."""
    print(line, file=sys.stderr, flush=True)

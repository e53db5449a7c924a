"""spingate bench detection: detection and false-alarm probabilities with bounds, and the distance from the limit.

Emulated scans through the daemon's own decision; nothing is asserted but that nobody beats the clairvoyant limit.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hil.bench.detection.bench import Measured, Order

TRIALS, NULLS, SEED = 200, 999, 1
TIERS = ("A", "B", "C", "D")
ABOVE_THE_LIMIT = 1
WORKERS_MAX = 64        # more cores than any machine this was tried on


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this topic to those of `spingate bench`."""
    group = parser.add_argument_group("detection, lane, sequential (the last two take --trials, --seed)")
    group.add_argument("--trials", type=count, metavar="N",
                       help=f"scans of each case at its reference point, and on the mass axis ({TRIALS}); or loads")
    group.add_argument("--nulls", type=count, default=NULLS, metavar="N",
                       help=f"scans without a substance, and as many others that judge their p-values ({NULLS})")
    group.add_argument("--seed", type=int, default=SEED, metavar="S", help=f"of all trials ({SEED})")
    group.add_argument("--tier", action="append", choices=TIERS, help="sensor tier, more than once for several (B)")
    group.add_argument("--substance", action="append", metavar="NAME", help="one covered substance, or several (all)")
    group.add_argument("--scene", action="append", metavar="NAME",
                       help="white, mixed, or either with ', second generator' (all four)")
    group.add_argument("--figures", type=Path, metavar="DIR", help="write ROC and Pd curves as PNG there")
    group.add_argument("--workers", type=workers, default=1, metavar="N",
                       help="processes that share the trials; what they find does not depend on it (1)")
    group.add_argument("--markdown", action="store_true", help="print the tables of docs/detection.md as well")
    group.add_argument("--coverage", type=Path, metavar="FILE", help="write the figures that `spingate coverage` shows")
    group.add_argument("--model", type=Path, metavar="DIR", help="model package to measure (the one that is shipped)")


def count(text: str) -> int:
    """Return a number of scans."""
    if not text.isdigit() or not 5 <= int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"{text}: must be from 5 to 100000")
    return int(text)


def workers(text: str) -> int:
    """Return a number of processes."""
    if not text.isdigit() or not 1 <= int(text) <= WORKERS_MAX:
        raise argparse.ArgumentTypeError(f"{text}: must be from 1 to {WORKERS_MAX}")
    return int(text)


def run_detection(arguments: argparse.Namespace) -> int:
    """Measure, then print. Exit 1 where a detector beats the clairvoyant limit."""
    from hil.bench.detection.bench import AboveTheLimit, measure
    from hil.bench.detection.crew import crew_of
    from hil.bench.detection.plots import draw
    from hil.bench.detection.report import case_line

    folder, order, found = arguments.model or _shipped(), _order(arguments), []
    with crew_of(folder, arguments.workers) as crew:
        try:
            for one in measure(crew, order, _say):
                found.append(one)
                _say(case_line(one))
                if arguments.figures is not None:
                    arguments.figures.mkdir(parents=True, exist_ok=True)
                    draw(one, arguments.figures)
        except AboveTheLimit as wrong:
            print(f"spingate: {wrong}", file=sys.stderr)
            return ABOVE_THE_LIMIT
    _print_all(arguments, found, card_sha256(folder))
    return 0


def _print_all(arguments: argparse.Namespace, found: Sequence[Measured], digest: str) -> None:
    from hil.bench.detection.bench import case_of
    from hil.bench.detection.cost import measure_cost
    from hil.bench.detection.page import coverage_file, page
    from hil.bench.detection.report import lines
    from hil.bench.detection.theory import DWELL_S, STANDOFF_M

    if arguments.coverage is not None:
        arguments.coverage.write_text(coverage_file(found, digest))
    if arguments.json:
        cases = [asdict(case_of(one, STANDOFF_M, DWELL_S)) for one in found]
        print_json({"cases": cases, "model_sha256": digest})
        return
    said = [*page(found), "", *lines(found)] if arguments.markdown else lines(found)
    print("\n".join([*said, "", measure_cost(arguments.seed),
                     f"{len(found)} cases; seed {arguments.seed}; digest of the model's card: {digest}"]))


def card_sha256(folder: Path) -> str:
    """Return the digest of a model package's card, as it stands in every record."""
    return hashlib.sha256((folder / "model.toml").read_bytes()).hexdigest()


def _say(line: str) -> None:
    """Tell on standard error how far it is: a run takes minutes."""
    print(line, file=sys.stderr, flush=True)


def _shipped() -> Path:
    from gateway.judgement import SHIPPED_MODEL

    return SHIPPED_MODEL


def _order(arguments: argparse.Namespace) -> Order:
    from hil.bench.detection.bench import Order
    from hil.bench.detection.looks import SUBSTANCES
    from hil.bench.detection.trials import Scene
    from hil.scene.bay import Tier

    substances, scenes = arguments.substance or SUBSTANCES, arguments.scene or tuple(Scene)
    _known("--substance", substances, SUBSTANCES)
    _known("--scene", scenes, tuple(scene.value for scene in Scene))
    return Order(arguments.trials or TRIALS, arguments.nulls, arguments.seed,
                 tuple(Tier[name] for name in arguments.tier or ("B",)), tuple(substances),
                 tuple(Scene(scene) for scene in scenes))


def _known(option: str, given: Sequence[str], allowed: Sequence[str]) -> None:
    for word in given:
        if word not in allowed:
            print(f"spingate: {option} {word!r}: must be one of {', '.join(allowed)}", file=sys.stderr)
            raise SystemExit(2)

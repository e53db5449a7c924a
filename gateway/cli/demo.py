"""spingate demo: the whole way from bytes on a wire to a verified alert, on emulated hardware, in under a minute.

Exit 0: everything that it claims was seen to hold. 1: something was not, and it says what.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate demo`."""
    parser = subparsers.add_parser("demo", help="screen four emulated objects and verify every alert")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave configuration, journal and public key there")
    parser.add_argument(
        "--broker", default="auto", metavar="auto|embedded|HOST:PORT",
        help="auto: mosquitto where it is installed, else the embedded one",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demonstration; with --json nothing but the summary is printed."""
    from hil.demo.brokers import NoBroker
    from hil.demo.show import refuse_used, run_demo
    from hil.demo.site import ProcessFailed

    keep = arguments.keep.resolve() if arguments.keep else None
    if keep is not None:
        refuse_used(keep)
    try:
        summary = run_demo(arguments.broker, keep, silent if arguments.json else say)
    except (NoBroker, ProcessFailed) as error:
        raise ValueError(str(error)) from error
    if arguments.json:
        print_json(asdict(summary))
    return 0 if summary.ok else 1


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)


def silent(line: str) -> None:
    """Say nothing: a program reads the summary."""

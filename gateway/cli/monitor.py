"""spingate monitor: a live view of the running gateway in the terminal.

It reads the journal and asks the core; it orders nothing, and several may look at once.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gateway.cli.words import add_config

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate monitor`."""
    parser = subparsers.add_parser("monitor", help="a live view: spectrum, magnetometers, health, faults, alerts")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the screen until q is pressed."""
    from gateway.cli.status import verdict_of
    from gateway.config import load
    from gateway.monitor.screen import Monitor
    from gateway.monitor.source import Source
    from gateway.places import places

    loaded = load(arguments.config)
    if not sys.stdout.isatty():
        raise ValueError("a live view needs a terminal; `spingate status --json` is for programs")
    source = Source(places(loaded))
    try:
        Monitor(source, loaded.config.gateway.id, verdict_of).run()
    finally:
        source.close()
    return 0

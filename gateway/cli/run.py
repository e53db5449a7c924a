"""spingate run: the core. Reads instruments, decides, signs, journals.

It ends with exit 0 on SIGTERM or SIGINT after the last record is on disk; anything else is a failure.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.cli.words import add_config, start_log

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate run`."""
    parser = subparsers.add_parser("run", help="the core: read instruments, decide, sign, keep the journal (a service)")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the core until it is told to stop."""
    from gateway.assembly import assemble
    from gateway.config import load
    from gateway.core import Core

    start_log()
    assembly = assemble(load(arguments.config))
    try:
        asyncio.run(Core(assembly).run())
    finally:
        assembly.close()
    return 0

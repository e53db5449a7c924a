"""spingate run: the core. Reads instruments, decides, signs, journals.

It ends with exit 0 on SIGTERM or SIGINT after the last record is on disk; anything else is a failure.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

from gateway.cli.words import add_config, innermost, start_log

if TYPE_CHECKING:
    import argparse

    from gateway.config import Loaded


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate run`."""
    parser = subparsers.add_parser("run", help="the core: read instruments, decide, sign, keep the journal (a service)")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the core until it is told to stop. A journal that cannot be written or trusted ends it with the reason."""
    from gateway.config import load
    from gateway.evidence.journal_file import ChainBroken, JournalCorrupt, JournalLocked
    from gateway.evidence.writer import JournalFailed

    start_log()
    stopped = None
    try:
        measure(load(arguments.config))
    except* (ChainBroken, JournalCorrupt, JournalLocked, JournalFailed, sqlite3.Error) as group:
        stopped = innermost(group)
    if stopped is not None:
        untrusted = isinstance(stopped, ChainBroken | JournalCorrupt)
        fix = "; find out why, then `spingate journal set-aside` lets a new one begin" if untrusted else ""
        raise ValueError(f"{stopped}{fix}") from stopped
    return 0


def measure(loaded: Loaded) -> None:
    """Open everything, run, and put everything down in order."""
    from gateway.assembly import assemble
    from gateway.core import Core

    assembly = assemble(loaded)
    try:
        asyncio.run(Core(assembly).run())
    finally:
        assembly.close()

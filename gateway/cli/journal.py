"""spingate journal set-aside: what an operator does when the core refuses a journal that is not what it left.

Nothing is deleted or repaired: the old journal keeps its bytes under another name, and the new one names its last head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate journal set-aside`."""
    parser = subparsers.add_parser("journal", help="set a broken journal aside, so that a new one can begin")
    commands = parser.add_subparsers(dest="action", required=True, metavar="set-aside")
    aside = commands.add_parser("set-aside", help="move the journal out of the way; the core must be stopped")
    add_config(aside)
    aside.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Move the journal aside and say where it is now."""
    from gateway.config import load
    from gateway.evidence.journal import set_aside
    from gateway.evidence.journal_file import JournalLocked
    from gateway.places import places

    journal = places(load(arguments.config)).journal
    if not journal.exists():
        raise ValueError(f"{journal}: there is no journal to set aside")
    try:
        kept, note = set_aside(journal)
    except JournalLocked as error:
        raise ValueError(f"{error}; stop the core first: systemctl stop spingate") from error
    print(f"the old journal is now {kept}: keep it, it is evidence")
    print("its last tree head will stand in the new journal's first record" if note else "it had no tree head")
    return 0

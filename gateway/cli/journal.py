"""spingate journal set-aside: what an operator does when the core refuses a journal that is not what it left.

Nothing is deleted or repaired: the old journal keeps its bytes under another name, and the new one names its last head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.words import add_config

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from gateway.config import Loaded


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate journal set-aside`."""
    parser = subparsers.add_parser("journal", help="set a broken journal aside, so that a new one can begin")
    commands = parser.add_subparsers(dest="action", required=True, metavar="set-aside")
    aside = commands.add_parser("set-aside", help="move the journal out of the way; the core must be stopped")
    aside.add_argument("--sound", action="store_true", help="also where nothing is wrong with it: to begin a new one")
    add_config(aside)
    aside.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Move the journal aside and say where it is now."""
    from gateway.config import load
    from gateway.evidence.journal import set_aside
    from gateway.evidence.journal_file import JournalLocked
    from gateway.places import places

    loaded = load(arguments.config)
    journal = places(loaded).journal
    if not journal.exists():
        raise ValueError(f"{journal}: there is no journal to set aside")
    try:
        why = what_is_wrong(loaded, journal)
        if not why and not arguments.sound:
            raise ValueError(f"{journal}: nothing is wrong with it; --sound sets it aside all the same")
        kept, note = set_aside(journal)
    except JournalLocked as error:
        raise ValueError(f"{error}; stop the core first: systemctl stop spingate") from error
    if why:
        print(f"what was wrong with it: {why}")
    print(f"the old journal is now {kept}: keep it, it is evidence")
    print("its last tree head will stand in the new journal's first record" if note else "it had no tree head")
    return 0


def what_is_wrong(loaded: Loaded, journal: Path) -> str:
    """Open the journal as the core would, and return why that fails; empty where it does not. Raises JournalLocked."""
    from gateway.assembly import find_key
    from gateway.evidence.journal import open_journal
    from gateway.evidence.journal_file import ChainBroken, JournalCorrupt

    try:
        open_journal(journal, loaded.config.gateway.id, find_key(loaded)).close()
    except (ChainBroken, JournalCorrupt) as broken:
        return str(broken)
    return ""

"""spingate verify: is it genuine? A journal, a proof, a record, a null set or a bench report, by the public key.

Exit 0: valid. 1: invalid, with the first bad record and why. 2: it could not be read.
"""

from __future__ import annotations

import contextlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import add_json, coloured, print_json, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from gateway.evidence.verification import Verification


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate verify`."""
    parser = subparsers.add_parser("verify", help="check a journal, proof, record, null set or bench report")
    parser.add_argument("path", type=Path, metavar="PATH", help="journal.db, a proof, record, null set or bench report")
    parser.add_argument("--key", type=Path, required=True, metavar="PUB.pem", help="the gateway's public key")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Verify one file and show what was checked."""
    from gateway.evidence.keys import load_public
    from gateway.evidence.verify import verify_file

    keys = load_public(arguments.key)
    with progress(shown=sys.stderr.isatty() and not arguments.json) as advance:
        result = verify_file(arguments.path, keys, advance)
    if arguments.json:
        print_json(asdict(result))
    else:
        show(arguments.path, result)
    return result.status.exit_code


@contextlib.contextmanager
def progress(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows how many records of how many are done; on a terminal as a bar."""
    from gateway.evidence.verification import ignore_progress

    if not shown:
        yield ignore_progress
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("records", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show(path: Path, result: Verification) -> None:
    """Print the result for a person: the answer, how much stands behind it, and what was not checked."""
    word = "OK" if result.status == "valid" else "FAIL"
    print(f"{coloured(word)} {path}: {result.what} {result.status}")
    if result.why:
        place = f"first bad record: {result.first_bad}; " if result.first_bad is not None else ""
        print(f"     {place}{result.where}{': ' if result.where else ''}{printable(result.why)}")
    if result.status != "unreadable":
        print(f"     checked: {result.records} records, {result.checkpoints} checkpoints, {result.raw} raw data blocks")
    for line in result.shown:
        print(f"     {printable(line)}")
    for note in result.notes:
        print(f"     not shown: {note}")

"""spingate export: one record with the proof that it stands in the log, as one text file for somebody else.

Who receives it needs the gateway's public key and nothing else: spingate verify FILE --key PUB.pem.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.limits import whole_number
from gateway.cli.words import add_config

if TYPE_CHECKING:
    import argparse

INDEX_MAX = 2**63 - 1  # an SQLite integer


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate export`."""
    parser = subparsers.add_parser("export", help="write one record with its proof of inclusion to a file")
    parser.add_argument(
        "index", type=whole_number(0, INDEX_MAX), metavar="INDEX", help="the record's number in the journal, from 0"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write; must not exist")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="journal to read instead of the configured one")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the proof. A record that is not in the journal, or not yet under a checkpoint, is refused."""
    from gateway.config import load
    from gateway.evidence.export import NotInJournal, export
    from gateway.evidence.journal_file import ChainBroken, JournalCorrupt, JournalUnavailable
    from gateway.evidence.reader import reader_of
    from gateway.places import places

    journal = arguments.journal or places(load(arguments.config)).journal
    try:
        with reader_of(journal) as reader:
            proof = export(reader, arguments.index)
    except (NotInJournal, JournalUnavailable, JournalCorrupt, ChainBroken) as error:
        raise ValueError(str(error)) from error
    with arguments.out.open("xb") as file:
        file.write(proof)
    print(f"record {arguments.index} with its proof: {arguments.out}")
    return 0

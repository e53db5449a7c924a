"""spingate export: one record with its proof, or one scan with its points, as a file for somebody else.

A proof needs the gateway's public key and nothing else: spingate verify FILE --key PUB.pem. A scan file proves nothing:
it is there to be decided again, by spingate detect FILE.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.limits import whole_number
from gateway.cli.words import add_config

if TYPE_CHECKING:
    import argparse

    from gateway.evidence.reader import JournalReader

INDEX_MAX = 2**63 - 1  # an SQLite integer


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate export`."""
    parser = subparsers.add_parser("export", help="write one record with its proof of inclusion, or a scan, to a file")
    parser.add_argument(
        "index", type=whole_number(0, INDEX_MAX), metavar="INDEX", help="the record's number in the journal, from 0"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write; must not exist")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="journal to read instead of the configured one")
    parser.add_argument("--scan", action="store_true", help="write the scan itself, calibrated, for spingate detect;"
                        " INDEX is that of the scan or of its verdict")
    parser.add_argument("--form", choices=("npz", "cbor"), default="npz", help="form of a scan file (npz)")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file. A record that is not in the journal, or not yet under a checkpoint, is refused."""
    from gateway.evidence.export import NotInJournal, export
    from gateway.evidence.journal_file import ChainBroken, JournalCorrupt, JournalUnavailable
    from gateway.evidence.reader import reader_of

    try:
        with reader_of(journal_of(arguments)) as reader:
            what, data = scan_file(reader, arguments) if arguments.scan else (
                f"record {arguments.index} with its proof", export(reader, arguments.index))
    except (NotInJournal, JournalUnavailable, JournalCorrupt, ChainBroken) as error:
        raise ValueError(str(error)) from error
    with arguments.out.open("xb") as file:
        file.write(data)
    print(f"{what}: {arguments.out}")
    return 0


def journal_of(arguments: argparse.Namespace) -> Path:
    """Return the journal that is meant: the one named, or else the configured one."""
    from gateway.config import load
    from gateway.places import places

    return Path(arguments.journal or places(load(arguments.config)).journal)


def scan_file(reader: JournalReader, arguments: argparse.Namespace) -> tuple[str, bytes]:
    """Return what was found and its file. Raises NotRebuilt or ScanFileRefused."""
    from gateway.recorded_scan import recorded_scan
    from gateway.scan_file import write_scan

    found = recorded_scan(reader, arguments.index)
    said = f", signed verdict {found.verdict.outcome} in record {found.verdict_index}" if found.verdict else ""
    return f"scan {found.scan.scan_id} of record {found.index}{said}", write_scan(found.scan, arguments.form)

"""spingate explain: why is this verdict what it is? Its lines, their decay, what is left, the network, the rivals.

It explains a signed verdict of the journal as it was signed, or a scan file as it is decided now; it changes nothing.
Exit 0: explained. 2: it could not be, and the message says why.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import DEFAULT_CONFIG, add_json, print_json

if TYPE_CHECKING:
    import argparse

    from calibration.reading import CalibratedScan
    from gateway.detection.account import Account
    from gateway.detection.beam import Beam
    from gateway.detection.detector import Detector
    from gateway.detection.verdict import Verdict
    from gateway.recorded_scan import RecordedScan

COLUMNS_MAX = 100   # wider than this a braille spectrum has more dots than bins


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate explain`."""
    parser = subparsers.add_parser("explain", help="show why a verdict is what it is, in lines and as a picture",
                                   description="Explains a record of the journal, by its number (that of a verdict or "
                                               "of its scan), or a scan file (docs/scan-format.md).")
    parser.add_argument("what", metavar="INDEX|FILE", help="a number: a record; anything else: a scan file")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw spectrum, template, residual; must not exist")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="journal to read instead of the configured one")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help=f"configuration ({DEFAULT_CONFIG} for a record; of a file, that of an empty one)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Find, explain, show."""
    from gateway.cli.account_words import account_lines, account_tree, plots
    from gateway.cli.scan_verdict import detector_of
    from gateway.detection.account import account_of

    detector = detector_of(arguments.config)
    where, scan, verdict, beams = taken(arguments, detector)
    account = account_of(detector, scan, verdict, beams)
    if arguments.png:
        draw(arguments.png, account, where)
    if arguments.json:
        print_json({"of": where, **account_tree(account)})
        return 0
    lines = account_lines(account, where)
    if verdict.model_sha256 != detector.model_sha256:
        lines.append("the network asked here is another than the one that the verdict was made with")
    if not arguments.png:
        lines += plots(account, min(shutil.get_terminal_size().columns - 4, COLUMNS_MAX))
    print("\n".join(lines))
    return 0


def taken(arguments: argparse.Namespace,
          detector: Detector) -> tuple[str, CalibratedScan, Verdict, tuple[Beam, ...] | None]:
    """Return what is explained in words, the scan, the verdict (signed, or else decided now), and joined beams."""
    from gateway.cli.scan_verdict import answer, read_scan_file
    from gateway.detection.joined import joined

    if not arguments.what.isdigit():
        scan = read_scan_file(Path(arguments.what))
        return arguments.what, scan, answer(detector, scan)[0], None
    found, before = recorded(arguments)
    if found.verdict is None:
        where = f"record {found.index}, a scan without a signed verdict"
        return where, found.scan, answer(detector, found.scan)[0], None
    where = f"record {found.verdict_index}, signed, on the scan in record {found.index}"
    if not before:
        return where, found.scan, found.verdict, None
    whole = joined((scan, detector.looks_from(scan)) for scan in (*before, found.scan))
    return f"{where} and {len(before)} before it", whole.scan, found.verdict, whole.beams()


def recorded(arguments: argparse.Namespace) -> tuple[RecordedScan, tuple[CalibratedScan, ...]]:
    """Return a scan of the journal, and those of the same load that its verdict rests on beside it.

    Raises ValueError where they cannot be had.
    """
    from gateway.config import load
    from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable
    from gateway.evidence.reader import reader_of
    from gateway.places import places
    from gateway.recorded_scan import recorded_scan, scans_before

    journal = arguments.journal or places(load(arguments.config or DEFAULT_CONFIG)).journal
    index = int(arguments.what[:20])
    try:
        with reader_of(journal) as reader:
            found = recorded_scan(reader, min(index, 2**63 - 1))
            return found, scans_before(reader, found)
    except (JournalUnavailable, JournalCorrupt) as error:
        raise ValueError(str(error)) from error


def draw(path: Path, account: Account, where: str) -> None:
    """Write the picture."""
    from gateway.picture.explained import picture

    data = picture(account, f"{account.verdict.outcome.upper()}: scan {account.verdict.scan_id}, {where}")
    with path.open("xb") as file:
        file.write(data)

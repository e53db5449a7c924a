"""spingate explain: why is this verdict what it is? Its lines, their decay, what is left, the network, the rivals.

It explains a verdict of the journal as it was signed, works it out again from the raw data and says where that differs,
or a scan file as it is decided now; it changes nothing.
Exit 0: explained. 2: it could not be, and the message says why.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.words import DEFAULT_CONFIG, add_json, print_json, printable

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
    from gateway.cli.account_words import account_lines, account_tree, disagreement, plots
    from gateway.cli.scan_verdict import detector_of
    from gateway.detection.account import account_of

    detector = detector_of(arguments.config)
    found = taken(arguments, detector)
    if found.scan is None:
        return signed_alone(arguments, found)
    account = account_of(detector, found.scan, found.verdict, found.beams)
    signed = found.verdict if found.signed else None
    differs = disagreement(signed, decided_again(detector, found)) if signed else []
    if arguments.png:
        draw(arguments.png, account, found.where)
    if arguments.json:
        print_json({"of": found.where, **account_tree(account, signed), "differs": differs})
        return 0
    lines = [*account_lines(account, found.where, signed), *differs]
    if not arguments.png:
        lines += plots(account, min(shutil.get_terminal_size().columns - 4, COLUMNS_MAX))
    print("\n".join(printable(line) for line in lines))
    return 0


def decided_again(detector: Detector, found: Taken) -> Verdict:
    """Return what is decided now of the scans that a signed verdict rests on, at the rate that its look had."""
    from gateway.cli.scan_verdict import answer
    from gateway.detection.spending import rate_of

    if found.scan is None:
        raise ValueError(found.gone)
    look = found.verdict.look
    if look is None:
        return answer(detector, found.scan)[0]
    again = detector.at(rate_of(look, detector.policy.pfa_per_scan))
    return again.decide(found.scan) if found.beams is None else again.decide_on(found.scan, found.beams)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is explained: `where` in words, its verdict, whether that stands in a record, and the scan.

    `scan` is None where the journal no longer holds what it was made of; `gone` then says why. `beams` are the joined
    ones, and `scan` what the joined scans are as one, where the verdict rests on several.
    """

    where: str
    verdict: Verdict
    signed: bool
    scan: CalibratedScan | None
    gone: str = ""
    beams: tuple[Beam, ...] | None = None


def taken(arguments: argparse.Namespace, detector: Detector) -> Taken:
    """Return what is explained; of a scan without a signed verdict the one that is given now."""
    from gateway.cli.scan_verdict import answer, read_scan_file
    from gateway.detection.joined import joined

    if not arguments.what.isdigit():
        scan = read_scan_file(Path(arguments.what))
        return Taken(arguments.what, answer(detector, scan)[0], signed=False, scan=scan)
    found = recorded(arguments)
    if isinstance(found, Taken):
        return found
    recording, before = found
    if recording.verdict is None:
        where = f"record {recording.index}, a scan without a signed verdict"
        return Taken(where, answer(detector, recording.scan)[0], signed=False, scan=recording.scan)
    where = f"record {recording.verdict_index}, signed, on the scan in record {recording.index}"
    if not before:
        return Taken(where, recording.verdict, signed=True, scan=recording.scan)
    whole = joined((scan, detector.looks_from(scan)) for scan in (*before, recording.scan))
    where += f" and {len(before)} before it"
    return Taken(where, recording.verdict, signed=True, scan=whole.scan, beams=whole.beams())


def recorded(arguments: argparse.Namespace) -> tuple[RecordedScan, tuple[CalibratedScan, ...]] | Taken:
    """Return a scan of the journal and those its verdict rests on beside it, or a verdict whose raw data are gone.

    Raises ValueError.
    """
    from gateway.config import load
    from gateway.evidence.journal_file import JournalCorrupt, JournalUnavailable
    from gateway.evidence.reader import reader_of
    from gateway.places import places
    from gateway.recorded_scan import NotRebuilt, recorded_scan, recorded_verdict, scans_before

    journal = arguments.journal or places(load(arguments.config or DEFAULT_CONFIG)).journal
    index = min(int(arguments.what[:20]), 2**63 - 1)
    try:
        with reader_of(journal) as reader:
            try:
                found = recorded_scan(reader, index)
                return found, scans_before(reader, found)
            except NotRebuilt as gone:
                kept = recorded_verdict(reader, index)
                if kept is None:
                    raise
                return Taken(f"record {kept[1]}, signed", kept[0], signed=True, scan=None, gone=str(gone))
    except (JournalUnavailable, JournalCorrupt) as error:
        raise ValueError(str(error)) from error


def signed_alone(arguments: argparse.Namespace, found: Taken) -> int:
    """Show what the record alone says: there is nothing left to draw, or to compare it with."""
    from gateway.cli.account_words import told_lines, verdict_lines
    from gateway.cli.scan_verdict import verdict_tree

    if arguments.png:
        raise ValueError(f"--png {arguments.png}: nothing to draw: {found.gone}")
    if arguments.json:
        print_json({"of": found.where, **verdict_tree(found.verdict), "gone": found.gone})
        return 0
    lines = [*verdict_lines(found.verdict, found.where), *told_lines(found.verdict, "as the record has it:"),
             f"not worked out again, and nothing is drawn: {found.gone}"]
    print("\n".join(printable(line) for line in lines))
    return 0


def draw(path: Path, account: Account, where: str) -> None:
    """Write the picture."""
    from gateway.picture.explained import picture

    if path.exists():
        raise ValueError(f"--png = {path}: is there already; name another file")
    data = picture(account, f"{account.verdict.outcome.upper()}: scan {account.verdict.scan_id}, {where}")
    with path.open("xb") as file:
        file.write(data)

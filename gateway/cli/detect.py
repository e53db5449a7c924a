"""spingate detect: decide recorded scans as the gateway would, or look for one line in an NQRduck file.

It looks at files and signs nothing. Scan files: exit 0 clear, 1 alarm, 3 not inspectable. NQRduck: 0 a line is there,
1 none above the threshold. 2: a file could not be used; the message says why.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.limits import number
from gateway.cli.words import add_json, print_json, refusal

if TYPE_CHECKING:
    import argparse

    from drivers.nqrduck_file import Measurement
    from gateway.detection.detector import Detector
    from gateway.detection.line_search import LineSearch
    from gateway.detection.null_test import Against
    from gateway.detection.verdict import Verdict

PFA = 1e-3
ASSUMPTION = "exact for white Gaussian noise around the line; stray tones and acoustic ringing are not told from it"
ALARM, UNUSABLE, NOT_INSPECTABLE = 1, 2, 3
WEIGHT = (ALARM, UNUSABLE, NOT_INSPECTABLE)  # of several files the gravest answer counts, an alarm before all

HELP = """Decides recorded scans (docs/scan-format.md, NPZ or CBOR) by the same code, model and policy as the gateway.
With --join they are scans of one load: their echoes are added up, and one decision rests on all of them.
With --line-khz and --width-khz it looks instead for one line in one record of an NQRduck file: that of a .meas file,
or the one of a .broad file whose carrier is nearest."""
EXIT = """exit of scan files: 0 every scan clear, 1 an alarm, 3 a scan is not inspectable, 2 a file could not be used;
of several the first of 1, 2, 3 that occurred. Exit of an NQRduck file: 0 a line is there, 1 none above the threshold,
2 it could not be tried."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate detect`."""
    parser = subparsers.add_parser("detect", help="decide recorded scans, or look for a line in an NQRduck file",
                                   description=HELP, epilog=EXIT)
    parser.add_argument("file", type=Path, nargs="+", metavar="FILE", help="scan files, or one NQRduck .meas or .broad")
    parser.add_argument("--config", type=Path, metavar="FILE",
                        help="take model and demands from this configuration (default: those of an empty one)")
    parser.add_argument("--nulls", type=Path, metavar="FILE", help="hold verdicts against this signed null set, instead"
                        " of the configured one (docs/null-set.md)")
    parser.add_argument("--key", type=Path, metavar="PUB.pem", help="public key that must have signed it")
    parser.add_argument("--join", action="store_true",
                        help="the scan files are scans of one load by one head: join them and decide once")
    line = parser.add_argument_group("a line in an NQRduck file")
    line.add_argument("--line-khz", type=number(1e-3, 1e9), help="where the line is expected, kHz")
    line.add_argument("--width-khz", type=number(1e-6, 1e6), help="how wide to look, kHz in all")
    line.add_argument("--pfa", type=number(1e-12, 0.5), default=PFA, help=f"false-alarm probability ({PFA:g})")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look for a line where one is named, else decide scans."""
    words = (arguments.line_khz, arguments.width_khz)
    if words == (None, None):
        return decide_load(arguments) if arguments.join else decide_all(arguments)
    if arguments.join:
        raise ValueError("--join is for scan files, --line-khz and --width-khz for an NQRduck file")
    if arguments.nulls is not None:
        raise ValueError("--nulls is for scan files, --line-khz and --width-khz for an NQRduck file")
    if None in words or len(arguments.file) != 1:
        raise ValueError("an NQRduck file takes --line-khz and --width-khz together, one file at a time")
    return look(arguments, arguments.file[0])


def decide_all(arguments: argparse.Namespace) -> int:
    """Decide each scan file with one loaded model; what cannot be used is told, and the others are decided."""
    from gateway.cli.scan_verdict import detector_of

    detector = detector_of(arguments.config)
    detector.against = nulls_for(arguments, detector)
    codes = {decide_one(path, detector, as_json=arguments.json) for path in arguments.file}
    return next((code for code in WEIGHT if code in codes), 0)


def nulls_for(arguments: argparse.Namespace, detector: Detector) -> Against | None:
    """Return what verdicts are held against: the null set named, else the configured one, else nothing.

    Raises NullSetRefused for one that was named and cannot be used; a configured one is refused as the gateway does.
    """
    from gateway.cli.nulls import keys_of
    from gateway.config import load
    from gateway.null_set_use import take_up_nulls, test_of

    if arguments.nulls is not None:
        return test_of(arguments.nulls, keys_of(arguments).ed25519, detector)
    if arguments.config is None:
        return None
    loaded = load(arguments.config)
    taken = take_up_nulls(loaded, keys_of(arguments).ed25519, detector) if loaded.config.detection.null_set else None
    return None if taken is None else taken.against


def decide_one(path: Path, detector: Detector, *, as_json: bool) -> int:
    """Decide one scan file, show the verdict, and return its code."""
    from gateway.cli.scan_verdict import answer, read_scan_file, show_verdict, verdict_tree
    from gateway.scan_keys import ScanFileRefused

    try:
        scan = read_scan_file(path)
    except (OSError, ScanFileRefused) as refused:
        print(f"spingate detect: {refusal(refused)}", file=sys.stderr)
        if as_json:
            print_json({"file": str(path), "error": refusal(refused)})
        return UNUSABLE
    verdict, decide_ms = answer(detector, scan)
    if as_json:
        print_json({"file": str(path), **verdict_tree(verdict), "calibrated": scan.trust.calibrated,
                    "decide_ms": decide_ms})
    else:
        show_verdict(str(path), verdict)
    return code_of(verdict)


def decide_load(arguments: argparse.Namespace) -> int:
    """Decide scan files of one load together; files that are not are refused, and nothing is decided."""
    from gateway.cli.scan_verdict import answer_joined, detector_of, read_scan_file, show_verdict, verdict_tree
    from gateway.detection.joined import JoinRefused
    from gateway.scan_keys import ScanFileRefused

    detector, names = detector_of(arguments.config), [str(path) for path in arguments.file]
    detector.against = nulls_for(arguments, detector)
    try:
        scans = tuple(read_scan_file(path) for path in arguments.file)
        verdict, decide_ms = answer_joined(detector, scans)
    except (OSError, ScanFileRefused, JoinRefused) as refused:
        print(f"spingate detect: {refusal(refused)}", file=sys.stderr)
        if arguments.json:
            print_json({"files": names, "error": refusal(refused)})
        return UNUSABLE
    if arguments.json:
        calibrated = all(scan.trust.calibrated for scan in scans)
        print_json({"files": names, **verdict_tree(verdict), "calibrated": calibrated, "decide_ms": decide_ms})
    else:
        show_verdict(f"{len(names)} {'scan' if len(names) == 1 else 'scans'} of one load", verdict)
    return code_of(verdict)


def code_of(verdict: Verdict) -> int:
    """Return the exit code that a verdict stands for."""
    from gateway.detection.verdict import Outcome

    return {Outcome.ALARM: ALARM, Outcome.NOT_INSPECTABLE: NOT_INSPECTABLE}.get(verdict.outcome, 0)


def look(arguments: argparse.Namespace, path: Path) -> int:
    """Read, look, say."""
    from gateway.detection.line_search import nearest, search_line

    records = read(path)
    record = nearest(records, arguments.line_khz * 1e3)
    found = search_line(record, arguments.line_khz * 1e3, arguments.width_khz * 1e3, arguments.pfa)
    if arguments.json:
        print_json({
            "present": found.present, "statistic": found.statistic, "threshold": found.threshold, "pfa": found.pfa,
            "p_value": found.p_value, "window_bins": found.window_bins, "reference_bins": found.reference_bins,
            "peak_khz": found.peak_hz / 1e3, "carrier_khz": found.carrier_hz / 1e3, "records": len(records),
            "points": len(record.points), "data_sets": record.points.shape[1], "assumption": ASSUMPTION})
    else:
        show(found, record, arguments.line_khz, arguments.width_khz)
    return 0 if found.present else 1


def read(path: Path) -> tuple[Measurement, ...]:
    """Return the records of a file. Raises OSError or MeasurementRefused."""
    from drivers.nqrduck_file import FILE_BYTES_MAX, MeasurementRefused, read_measurements

    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    try:
        return read_measurements(data)
    except MeasurementRefused as refused:
        raise MeasurementRefused(f"{path}: {refused}") from refused


def show(found: LineSearch, record: Measurement, line_khz: float, width_khz: float) -> None:
    """Print the answer for a person."""
    answer = "a line is there" if found.present else "no line above the threshold"
    print(f"{line_khz:g} kHz, {width_khz:g} kHz wide: {answer}")
    print(f"  power in {found.window_bins} bins over power beside them in {found.reference_bins}: "
          f"{found.statistic:.3g}; threshold {found.threshold:.3g} at a false-alarm probability of {found.pfa:g}")
    print(f"  probability of this or more in noise alone: {found.p_value:.2g}")
    print(f"  strongest at {found.peak_hz / 1e3:.3f} kHz")
    print(f"  record at {record.carrier_hz / 1e3:g} kHz, {len(record.points)} points at {record.rate_hz / 1e6:g} MS/s")
    print(f"  {ASSUMPTION}")

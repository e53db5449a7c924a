"""spingate detect: is there a resonance line in this spectrometer file? One file, one line, one answer with its odds.

It looks at a file and signs nothing. Exit 0: a line is there. 1: none above the threshold. 2: it could not be tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.limits import number
from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    import argparse

    from drivers.nqrduck_file import Measurement
    from gateway.detection.line_search import LineSearch

PFA = 1e-3
ASSUMPTION = "exact for white Gaussian noise around the line; stray tones and acoustic ringing are not told from it"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate detect`."""
    parser = subparsers.add_parser(
        "detect", help="look for a resonance line in a spectrometer's file",
        description="Compares the power around a line with that beside it, in one record of an NQRduck .meas file, "
                    "or in the record of a .broad file whose carrier is nearest.")
    parser.add_argument("file", type=Path, metavar="FILE", help="NQRduck .meas or .broad")
    parser.add_argument("--line-khz", type=number(1e-3, 1e9), required=True, help="where the line is expected, kHz")
    parser.add_argument("--width-khz", type=number(1e-6, 1e6), required=True, help="how wide to look, kHz in all")
    parser.add_argument("--pfa", type=number(1e-12, 0.5), default=PFA, help=f"false-alarm probability ({PFA:g})")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, look, say."""
    from gateway.detection.line_search import nearest, search_line

    records = read(arguments.file)
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

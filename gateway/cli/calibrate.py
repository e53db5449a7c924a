"""`spingate calibrate`: lead a technician through a calibration at the bay and write its certificate.

A certificate is written only after a fit that its attitudes can carry, and never over another file.
Exit 0: written. 1: refused, and why. 2: it could not be tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live

from calibration.attitude import ATTITUDES_MAX, Holding
from calibration.attitude_session import AttitudeSession, SessionRefused
from calibration.certificate import read_certificate
from calibration.certificate_text import certificate_text
from calibration.fit_refused import FitRefused
from calibration.vector_certificate import Calibrated, Issue, vector_statement
from calibration.vector_magnetometer import ATTITUDES_MIN, ScalarReference, fit_vector_magnetometer
from drivers import twinleaf
from gateway.cli.attitude_collection import NothingCame, Watch, collect
from gateway.cli.attitude_screen import attitude_line, result_lines, screen
from gateway.cli.limits import line, number, three_names, whole_number
from gateway.cli.words import port_here
from gateway.clock import now

if TYPE_CHECKING:
    import argparse

    from calibration.certificate import Certificate

INSTRUMENTS = {twinleaf.INSTRUMENT.name: twinleaf.INSTRUMENT}  # those that stream three axes
REFUSED, UNUSABLE = 1, 2
NT_MAX = 1e6            # 1 mT: no scalar reference and no vector magnetometer of ours goes beyond
DRAWN_PER_S = 4


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `calibrate` and its procedures."""
    top = subparsers.add_parser("calibrate", help="calibrate a sensor and write its certificate")
    procedures = top.add_subparsers(dest="procedure", required=True, metavar="PROCEDURE")
    one = procedures.add_parser(
        "vector-magnetometer", help="offset, scale and non-orthogonality from attitudes in a known field",
        description="Hold the sensor still in many attitudes at a place whose field is known from a scalar "
                    "reference. The field must be steady and free of moving iron.")
    one.add_argument("--instrument", choices=sorted(INSTRUMENTS), default="twinleaf", help="which driver")
    one.add_argument("--port", type=port_here, required=True, help="/dev/serial/by-id/... or tcp://HOST:PORT")
    one.add_argument("--reference-nt", type=number(1.0, NT_MAX), required=True, help="field at the place, nT")
    one.add_argument("--reference-u-nt", type=number(0.0, 1e4), required=True,
                     help="its standard uncertainty (k = 1), nT")
    one.add_argument("--reference-standard", type=line, required=True,
                     help="what gave the reference value: instrument, serial number, certificate")
    one.add_argument("--out", type=Path, required=True, help="certificate file to write; must not exist")
    one.add_argument("--json", action="store_true", help="one JSON object at the end and nothing else")
    _add_holding(one)
    one.set_defaults(run=run)


def _add_holding(one: argparse.ArgumentParser) -> None:
    one.add_argument("--attitudes", type=whole_number(ATTITUDES_MIN, ATTITUDES_MAX), default=24,
                     help="how many to hold (24)")
    one.add_argument("--seconds-max", type=number(1.0, 7200.0), default=900.0, help="give up after (900)")
    one.add_argument("--hold-s", type=number(0.2, 60.0), default=1.0, help="averaging time of an attitude (1)")
    one.add_argument("--still-nt", type=number(0.01, 1e4), default=50.0,
                     help="an axis that moves less than this is held still (50)")
    one.add_argument("--range-nt", type=number(1.0, NT_MAX), help="end of each axis's range, if known")
    one.add_argument("--channels", type=three_names, default=(), help="the axes, X,Y,Z, if not the first three")
    one.add_argument("--valid-days", type=whole_number(1, 3660), default=365, help="life of the certificate (365)")
    one.add_argument("--environment", type=line, default="not recorded", help="temperature, place, mounting")
    one.add_argument("--operator-role", type=line, default="technician", help="who did it, by role (technician)")


def run(args: argparse.Namespace) -> int:
    """Collect, fit, write; return the exit code."""
    session = AttitudeSession(args.attitudes, Holding(args.hold_s, args.still_nt), args.channels)
    try:
        _refuse_to_overwrite(args.out)
        with contextlib.ExitStack() as stack:
            watch = _watch(args, session, stack)
            elapsed_s = asyncio.run(
                collect(args.port, INSTRUMENTS[args.instrument], session, args.seconds_max, watch))
        found = _fit(args, session)
        certificate = _write(args, found)
    except (FitRefused, SessionRefused) as refused:
        return _tell_refusal(args, session, refused, REFUSED)
    except (ValueError, NothingCame, FileExistsError, FileNotFoundError, PermissionError) as wrong:
        return _tell_refusal(args, session, wrong, UNUSABLE)
    _tell_result(args, found, certificate, elapsed_s)
    return 0


def _refuse_to_overwrite(out: Path) -> None:
    """Say before the work, not after it, that the file cannot be written."""
    if out.exists():
        raise FileExistsError(f"--out = {out}: exists already; a certificate is never written over another file")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"--out = {out}: the folder {out.parent} does not exist")


def _watch(args: argparse.Namespace, session: AttitudeSession, stack: contextlib.ExitStack) -> Watch:
    """Return how to show the session: drawn in place on a terminal, plain lines elsewhere, silent for JSON."""
    console = Console()
    if args.json:
        return Watch(turn=lambda _: None, held=lambda: None)
    if not console.is_terminal:
        def held() -> None:
            if session.collector is not None:
                print(attitude_line(session.collector.progress()), flush=True)
        return Watch(turn=lambda _: None, held=held)
    live = stack.enter_context(Live(console=console, auto_refresh=False))

    def turn(elapsed_s: float) -> None:
        live.update(screen(session, elapsed_s, args.seconds_max, args.port), refresh=True)
    return Watch(turn=turn, held=lambda: None)


def _fit(args: argparse.Namespace, session: AttitudeSession) -> Calibrated:
    collector, device, channels = session.collector, session.device, session.channels
    if collector is None or device is None or channels is None:
        raise SessionRefused(session.why_nothing())  # collect has raised before
    reference = ScalarReference(args.reference_nt, args.reference_u_nt)
    fit = fit_vector_magnetometer(collector.attitudes(), reference, args.range_nt)
    return Calibrated(device, channels, reference, fit, collector.row_noise())


def _write(args: argparse.Namespace, found: Calibrated) -> Certificate:
    """Write the certificate and read it back: what cannot be read again was never a certificate."""
    issue = Issue(now().wall_ns / 1e9, args.valid_days, args.reference_standard, args.environment,
                  args.operator_role)
    text = certificate_text(vector_statement(found, issue))
    with args.out.open("x", encoding="utf-8") as file:
        file.write(text)
    return read_certificate(args.out)


def _tell_refusal(args: argparse.Namespace, session: AttitudeSession, why: Exception, code: int) -> int:
    held = session.collector.progress().attitudes if session.collector else 0
    if args.json:
        print(json.dumps({"ok": False, "error": type(why).__name__, "reason": str(why), "attitudes": held}))
    else:
        print(f"no certificate written: {why}", file=sys.stderr)
    return code


def _tell_result(args: argparse.Namespace, found: Calibrated, certificate: Certificate, elapsed_s: float) -> None:
    if args.json:
        print(json.dumps(_summary(args, found, certificate, elapsed_s)))
        return
    for text in result_lines(found, certificate):
        print(text)
    print(f"certificate {certificate.statement.id} written to {args.out}")
    print(f"SHA-256 {certificate.sha256.hex()}")


def _summary(args: argparse.Namespace, found: Calibrated, certificate: Certificate,
             elapsed_s: float) -> dict[str, Any]:
    fit, model = found.fit, certificate.statement.model
    names = ("offset", "u_offset", "scale", "u_scale", "angle_rad", "u_angle_rad", "u_noise")
    return {
        "ok": True, "file": str(args.out), "sha256": certificate.sha256.hex(), "id": certificate.statement.id,
        "make": found.device.make, "model": found.device.model, "serial": found.device.serial,
        "attitudes": len(fit.residuals), "outliers": list(fit.outliers), "octants": list(fit.octants),
        "condition": fit.condition, "residual_rms_nt": fit.residual_rms, "birge": fit.birge,
        "parameters": {name: list(getattr(model, name)) for name in names}, "seconds": round(elapsed_s, 1),
        "valid_until": certificate.statement.valid_until.isoformat().replace("+00:00", "Z"),
    }

"""Write the signed report of a run beside where it was started. Edge: a key file, a report file.

Rule: a report stands under its name whole or not at all, and is signed by the key that was named.
"""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from gateway import __version__, clock
from gateway.bench_report import FORMAT, BenchReport, ReportRefused, Software, encode
from gateway.evidence import cose, keys
from gateway.software import software_sha256

if TYPE_CHECKING:
    from gateway.bench_report import Check, Trial

BENCH_KEY = "bench.key"  # of the bench where none is named: it shows that nobody changed the report, not who made it
STANDS_ON = ("numpy", "pymodbus", "pyserial", "pytest")


def check_key(named: str) -> None:
    """Refuse a key that cannot sign, before an hour of listening. Raises keys.KeyUnusable."""
    if named:
        keys.load(Path(named))


def signing_key(named: str) -> tuple[keys.SigningKey, str]:
    """Return the key and the name of its public half; makes the bench's own where none is named."""
    if named:
        return keys.load(Path(named)), "the public key of the gateway"
    private = Path(BENCH_KEY)
    public = private.with_suffix(".pub.pem")
    key = keys.load(private) if private.exists() else keys.create(private, public)
    return key, str(public)


def write(trials: tuple[Trial, ...], promises: dict[str, str], named: str, key_named: str) -> list[str]:
    """Write the report and return what to tell the person at the bench."""
    now = clock.now()
    finished = datetime.fromtimestamp(now.wall_ns / 1e9, UTC)
    report = BenchReport(FORMAT, finished.isoformat(timespec="seconds"), now.state, software(), promises, trials)
    key, public = signing_key(key_named)
    path = Path(named or f"bench-report-{finished:%Y%m%dT%H%M%SZ}.cose")
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(cose.sign(fitting(report), key.ed25519, key.kid))
    fresh.replace(path)
    answer = "every check passed" if report.passed else "NOT every check passed"
    return [f"{answer}; signed by key {key.kid.hex()}: {path}", f"check it with: spingate verify {path} --key {public}"]


def fitting(report: BenchReport) -> bytes:
    """Return the report's bytes; of very many instruments without the figures that were held against no rule."""
    try:
        return encode(report)
    except ReportRefused:
        trials = tuple(structs.replace(trial, checks=tuple(map(without_mere_figures, trial.checks)))
                       for trial in report.trials)
        return encode(structs.replace(report, trials=trials))


def without_mere_figures(check: Check) -> Check:
    """Return a check with the figures that decided it."""
    return structs.replace(check, figures=tuple(figure for figure in check.figures if figure.rule))


def software() -> Software:
    """Return what ran."""
    versions = {name: metadata.version(name) for name in STANDS_ON}
    return Software(__version__, software_sha256().hex(), platform.python_version(), platform.machine(), versions)

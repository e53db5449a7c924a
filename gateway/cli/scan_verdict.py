"""What the commands that look at scans share: the gateway's own detector, a scan from a file, a verdict shown.

Rule: the decision is the daemon's, made by the same call; nothing here has an opinion of its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gateway.cli.words import printable

if TYPE_CHECKING:
    from pathlib import Path

    from calibration.reading import CalibratedScan
    from gateway.detection.detector import Detector
    from gateway.detection.testimony import SubstanceAccount
    from gateway.detection.verdict import LineEvidence, NullCheck, SequenceLook, SubstanceScore, Verdict

P_SHOWN_MAX = 0.05  # a line of a substance less likely than this by chance alone is shown to a person


def detector_of(config: Path | None) -> Detector:
    """Return the detector that a gateway with this configuration has; without one, with every default.

    Raises ValueError where model or demands are refused.
    """
    from gateway.config import load
    from gateway.config_tables import DetectionTable
    from gateway.detection.detector import Detector, ModelRefused
    from gateway.judgement import SHIPPED_MODEL, demands

    loaded = load(config) if config else None
    table = loaded.config.detection if loaded else DetectionTable()
    folder = loaded.resolve(table.model_dir) if loaded and table.model_dir else SHIPPED_MODEL
    try:
        return Detector.load(folder, demands(table))
    except ModelRefused as refused:
        raise ValueError(str(refused)) from refused


def read_scan_file(path: Path) -> CalibratedScan:
    """Return the scan in a file. Raises OSError or ScanFileRefused, which names the file."""
    from gateway.scan_file import FILE_BYTES_MAX, read_scan
    from gateway.scan_keys import ScanFileRefused

    with path.open("rb") as file:
        data = file.read(FILE_BYTES_MAX + 1)
    try:
        return read_scan(data)
    except ScanFileRefused as refused:
        hint = "; an NQRduck file needs --line-khz and --width-khz" if data[:1] == b"{" else ""
        raise ScanFileRefused(f"{path}: {refused}{hint}") from refused


def answer(detector: Detector, scan: CalibratedScan) -> tuple[Verdict, float]:
    """Return the verdict on a scan as the daemon gives it, and how many milliseconds it took."""
    from gateway import clock
    from gateway.pipeline import of_the_bay

    began = clock.monotonic_ns()
    verdict = of_the_bay(detector.decide(scan), scan)
    return verdict, (clock.monotonic_ns() - began) / 1e6


def answer_joined(detector: Detector, scans: tuple[CalibratedScan, ...]) -> tuple[Verdict, float]:
    """Return the one verdict on scans of one load, and how many milliseconds it took. Raises JoinRefused."""
    from gateway import clock
    from gateway.detection.sequence import decide_joined
    from gateway.pipeline import of_the_bay

    began = clock.monotonic_ns()
    verdict = decide_joined(detector, scans)
    for scan in scans:
        verdict = of_the_bay(verdict, scan)
    return verdict, (clock.monotonic_ns() - began) / 1e6


def verdict_tree(verdict: Verdict) -> dict[str, object]:
    """Return a verdict as the JSON that docs/scan-format.md describes."""
    tree: dict[str, object] = {
        "scan_id": verdict.scan_id, "verdict": verdict.outcome.value, "reasons": list(verdict.reasons),
        "substances": [score_tree(score) for score in verdict.scores], "accounts": accounts_tree(verdict),
        "resonances": list(verdict.resonances or ()),
        "raw_sha256": verdict.raw_sha256.hex(), "model_sha256": verdict.model_sha256.hex()}
    if verdict.null_check is not None:
        tree["null_set"] = null_tree(verdict.null_check, [score.substance for score in verdict.scores])
    return tree if verdict.look is None else tree | {"look": look_tree(verdict.look)}


def null_tree(check: NullCheck, names: list[str]) -> dict[str, object]:
    """Return what a verdict says of the null set that it was held against."""
    return {"p_value": check.p_value, "scans": check.scans, "sha256": check.sha256.hex(), "score": check.score,
            "substances": dict(zip(names, check.substances, strict=True))}


def look_tree(look: SequenceLook) -> dict[str, object]:
    """Return which scans of a load a verdict rests on."""
    return {"number": look.number, "looks_max": look.looks_max, "alpha_spent": look.alpha_spent,
            "dwell_s": look.dwell_s, "raw_sha256s": [digest.hex() for digest in look.raw_sha256s], "final": look.final}


def score_tree(score: SubstanceScore) -> dict[str, object]:
    """Return what a verdict says of one substance."""
    return {
        "substance": score.substance, "alarmed": score.alarmed, "p_value": score.p_value, "network": score.network,
        "probability": score.probability,
        "statistic": score.glrt, "limit_kg": score.limit_kg, "temperature_k": score.temperature_k,
        "mass_kg": score.mass_kg, "u_mass_kg": score.u_mass_kg,
        "lines": [line_tree(line) for line in score.lines]}


def accounts_tree(verdict: Verdict) -> list[SubstanceAccount]:
    """Return the accounts of a verdict's alarms; their keys are those of the fields of SubstanceAccount."""
    return list(verdict.accounts or ())


def line_tree(line: LineEvidence) -> dict[str, object]:
    """Return one line of a verdict."""
    return {"transition": line.transition, "expected_khz": line.expected_khz, "found_khz": line.found_khz,
            "amplitude_ft": line.amplitude_ft, "u_amplitude_ft": line.u_amplitude_ft, "z": line.z}


def show_verdict(name: str, verdict: Verdict) -> None:
    """Print a verdict for a person: the answer, why, and each substance with the lines that say something."""
    print(printable(f"{name}: scan {verdict.scan_id}: {verdict.outcome.upper()}"))
    for reason in verdict.reasons:
        print(f"  {printable(reason)}")  # what the writer of a file said of the scan is among them
    if verdict.null_check is not None:
        print(f"  null set of {verdict.null_check.scans} scans: conformal p {verdict.null_check.p_value:.2g}")
    if verdict.scores:
        heads = f"{'p-value':>9}{'network':>9}{'statistic':>11}{'limit kg':>10}{'fitted K':>10}"
        print(f"  {'substance':<31}{heads}")
    for score in verdict.scores:
        print(f"  {score.substance:<24}{'ALARM' if score.alarmed else '':<7}{score.p_value:>9.2g}"
              f"{figure(score.network, '.3f'):>9}{score.glrt:>11.1f}{figure(score.limit_kg, '.3g'):>10}"
              f"{figure(score.temperature_k, '.1f'):>10}")
        for line in score.lines if score.alarmed or score.p_value <= P_SHOWN_MAX else ():
            print(f"    {line.transition}: found {line.found_khz:.3f} kHz, expected {line.expected_khz:.3f} kHz, "
                  f"{line.amplitude_ft:.2f} fT (u {line.u_amplitude_ft:.2g} fT), z {line.z:.1f}")


def figure(value: float, form: str) -> str:
    """Return a figure of the table, a dash where there is none: a network not asked, no limit, no line to fit."""
    return format(value, form) if math.isfinite(value) else "-"

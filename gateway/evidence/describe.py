"""Say in words what a record holds: what, how much, in which unit, how certain, when.

A verifier must display what it verified (WELMEC 7.2, extension L): a valid signature on an unseen value is nothing.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway.detection.testimony_words import probability_said, words_of
from gateway.evidence.act import (
    CalibrationBody,
    ConfigurationBody,
    ContextBody,
    DispositionBody,
    KeyBody,
    ModelBody,
    PruningBody,
    StartBody,
)
from gateway.evidence.body import AnomalyBody, FaultBody, ReadingBody, ScanBody, VerdictBody

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.evidence.layout import Body
    from gateway.evidence.record import Provenance, Record, Stamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANOSECONDS = 1_000_000_000


def describe(record: Record) -> tuple[str, ...]:
    """Return lines for a person: where it stands, when it was made, what it says, what it was made with."""
    return (
        f"{record.kind} {record.sequence} of {record.gateway}",
        f"made {moment(record.stamp)}",
        *what(record.body),
        *made_with(record.provenance),
    )


def moment(stamp: Stamp) -> str:
    """Return the wall time with how far it may be trusted, and the monotonic time that orders it."""
    seconds, rest = divmod(stamp.wall_ns, NANOSECONDS)
    wall = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S")
    error = "error unknown" if stamp.error_ns is None else f"±{stamp.error_ns / 1e6:g} ms"
    return (
        f"{wall}.{rest:09d} UTC (clock {stamp.status}, {error}), {stamp.monotonic_ns / NANOSECONDS:.6f} s after boot "
        f"{stamp.boot_id.hex()[:8]}"
    )


def what(body: Body) -> tuple[str, ...]:
    """Return the lines of a record's own content."""
    return LINES[type(body)](body)


def reading(body: ReadingBody) -> tuple[str, ...]:
    """Return each channel's mean over the rows, with its unit and standard uncertainty."""
    rows, columns = body.values.shape
    values, u = body.values.values(), body.u.values()
    lines = [f"{body.instrument} ({named(body.device.make, body.device.model, body.device.serial)}) {body.stream}"]
    for column, channel in enumerate(body.channels):
        mean = math.fsum(values[column::columns]) / rows if rows else math.nan
        of = f"mean of {rows} rows" if rows != 1 else "one value"
        lines.append(f"{channel.name}: {mean:.9g} {channel.unit} ({of}, {certainty(u[column], channel.unit)})")
    return (*lines, trust(body.calibrated, body.reason), *flags(body.flags))


def scan(body: ScanBody) -> tuple[str, ...]:
    """Return the conditions of a scan and its bands."""
    bands = ", ".join(f"{band.plan.carrier_hz / 1e3:g} kHz" for band in body.bands)
    return (
        f"{body.instrument} ({named(body.device.make, body.device.model, body.device.serial)}) scan {body.scan_id}",
        f"bands: {bands}",
        f"dwell {body.dwell_s:g} s, bay at {body.bay_temperature_k:g} K, standoff {body.standoff_m:g} m",
        trust(body.calibrated, body.reason),
        *flags(body.flags),
    )


def verdict(body: VerdictBody) -> tuple[str, ...]:
    """Return the answer, its reasons, and each substance with the lines that made it and the account of an alarm."""
    lines = [f"{body.instrument} scan {body.verdict.scan_id}: {body.verdict.outcome.upper()}"]
    lines += [f"because {reason}" for reason in body.verdict.reasons]
    if body.verdict.drift is not None:
        lines.append(f"drift watch: {body.verdict.drift.level}")
    scores = {score.substance: score for score in body.verdict.scores}
    accounts = {one.substance: words_of(one, scores[one.substance])
                for one in body.verdict.accounts or () if one.substance in scores}
    check = body.verdict.null_check
    if check is not None:
        lines.append(f"against {check.scans} scans of null set {check.sha256.hex()[:16]}...: score {check.score:.4g}, "
                     f"conformal p {check.p_value:.3g}")
    lines += [f"unidentified resonance: {one.found_khz:.3f} kHz, {one.amplitude_ft:.4g} fT, u = "
              f"{one.u_amplitude_ft:.2g} fT, statistic {one.z:.4g}, false-alarm probability {one.p_value:.3g}, T2e "
              f"{one.t2e_s:.3g} s ({one.low_s:.3g} to {one.high_s:.3g})" for one in body.verdict.resonances or ()]
    look = body.verdict.look
    if look is not None:
        lines.append(
            f"look {look.number} of {look.looks_max} at this load, {'the last' if look.final else 'not the last'}: "
            f"{len(look.raw_sha256s)} scans, {look.dwell_s:g} s, false-alarm probability spent {look.alpha_spent:.3g}"
        )
    for score in body.verdict.scores:
        lines.append(
            f"{score.substance}: {'alarm' if score.alarmed else 'no alarm'}, statistic {score.glrt:.4g}, "
            f"false-alarm probability {score.p_value:.3g}, network {probability_said(score.network)}, "
            f"limit {score.limit_kg:.3g} kg"
        )
        lines += [
            f"  {line.transition}: {line.found_khz:.3f} kHz (expected {line.expected_khz:.3f}), "
            f"{line.amplitude_ft:.4g} fT, u = {line.u_amplitude_ft:.2g} fT, statistic {line.z:.4g}"
            for line in score.lines
        ]
        lines += [f"  {words}" for words in accounts.get(score.substance, ())]
    return tuple(lines)


def anomaly(body: AnomalyBody) -> tuple[str, ...]:
    """Return the deviation, how sure it is one, and what it tells of the object."""
    found, passed = body.anomaly, body.anomaly.passage
    lines: tuple[str, ...] = (
        f"{body.instrument}: magnetic anomaly, peak {found.peak_t:.4g} T in {found.window_s:g} s",
        f"energy {found.energy:.4g} over threshold {found.threshold:.4g} (false-alarm probability {found.pfa:.3g})",
    )
    if found.likeness is not None:
        lines = (*lines, f"like an object that passed, not a disturbance: {found.likeness.passing:.2f} (network)")
    if passed is None:
        return (*lines, "not one dipole on a straight line: no moment or distance is stated")
    return (
        *lines,
        (f"ferrous mass in motion: {(body.seen_at - passed.closest_at) / 1e9:.2f} s before the window's end it was "
         f"closest (u = {passed.u_closest_at_s:.2g} s)"),
        f"closest approach over speed {passed.crossing_s:.3g} s, u = {passed.u_crossing_s:.2g} s",
        (f"with the prior on its speed: {passed.closest_m:.2g} m away, u = {passed.u_closest_m:.2g} m; "
         f"moment {passed.moment_am2:.2g} A m^2, u = {passed.u_moment_am2:.2g} A m^2 (k = 1)"),
    )


def fault(body: FaultBody) -> tuple[str, ...]:
    """Return who is in trouble, and which."""
    return (f"{body.source} {body.name}: {body.kind}: {body.detail}",)


def start(body: StartBody) -> tuple[str, ...]:
    """Return what began to run, and on what."""
    lines = (f"started on {body.machine}, {body.system}, Python {body.python}", f"with {', '.join(body.packages)}",
             "the run before ended in order" if body.clean else "the run before did not end in order")
    return lines if body.replaces is None else (*lines, f"after a journal set aside: {one_line(body.replaces)}")


def configuration(body: ConfigurationBody) -> tuple[str, ...]:
    """Return which configuration is in force."""
    return (f"configuration {body.name}, {len(body.text.encode())} bytes",)


def calibration(body: CalibrationBody) -> tuple[str, ...]:
    """Return whose certificate was taken up or refused."""
    return (f"certificate for {body.instrument}: {taken(body.accepted, body.reason)}",)


def model(body: ModelBody) -> tuple[str, ...]:
    """Return which model was taken up or refused."""
    return (f"model {body.name} on {body.runtime}: {taken(body.accepted, body.reason)}",)


def key(body: KeyBody) -> tuple[str, ...]:
    """Return which key begins or ceases to be valid."""
    return (f"{body.algorithm} key {body.action}, {len(body.public_key)} bytes, {body.public_key.hex()[:16]}...",)


def context(body: ContextBody) -> tuple[str, ...]:
    """Return who claims what about the load."""
    claims = {
        "scan": body.scan_id, "container": body.container, "UCR": body.ucr, "MRN": body.mrn, "LRN": body.lrn,
        "UN/LOCODE": body.unlocode, "lane": body.lane, "HS-6": body.hs6, "event": body.event_id,
    }
    said = ", ".join(f"{name} {claim}" for name, claim in claims.items() if claim is not None)
    return (f"{body.source} claims: {said or 'nothing'}",)


def disposition(body: DispositionBody) -> tuple[str, ...]:
    """Return what an officer found."""
    return (f"{body.officer} ({body.role}, by {body.authentication}) on record {body.verdict_sequence}: {body.finding}",
            f"{body.substance} {body.note}".strip())


def pruning(body: PruningBody) -> tuple[str, ...]:
    """Return what was removed, and by which policy."""
    removed = "raw data" if body.raw_only else "records"
    return (f"{removed} {body.first} to {body.last} removed by {body.operator} under {body.policy}",)


LINES: dict[type[object], Callable[..., tuple[str, ...]]] = {
    ReadingBody: reading, ScanBody: scan, VerdictBody: verdict, AnomalyBody: anomaly, FaultBody: fault,
    StartBody: start, ConfigurationBody: configuration, CalibrationBody: calibration, ModelBody: model,
    KeyBody: key, ContextBody: context, DispositionBody: disposition, PruningBody: pruning,
}


def made_with(provenance: Provenance) -> tuple[str, ...]:
    """Return the digests a record names, each on a line."""
    digests = {
        "software": provenance.software_sha256,
        "configuration": provenance.configuration_sha256,
        "certificate": provenance.certificate_sha256,
        "model": provenance.model_sha256,
        "raw data": provenance.raw_sha256,
    }
    lines = [f"software {provenance.software}"]
    lines += [f"{name} sha256 {digest.hex()}" for name, digest in digests.items() if digest is not None]
    if provenance.sources:
        lines.append(f"derived from {', '.join(str(source) for source in provenance.sources)}")
    return tuple(lines)


def named(*parts: str) -> str:
    """Return the parts that are not empty, in a row."""
    return " ".join(part for part in parts if part) or "of unknown make"


def certainty(u: float, unit: str) -> str:
    """Return a standard uncertainty in words."""
    return "uncertainty unknown" if math.isnan(u) else f"u = {u:.3g} {unit}, k = 1"


def trust(calibrated: bool, reason: str) -> str:  # noqa: FBT001  # a field of the record, passed on as it is
    """Return whether a valid certificate was applied."""
    return "calibrated" if calibrated else f"NOT CALIBRATED: {reason}"


def taken(accepted: bool, reason: str) -> str:  # noqa: FBT001  # a field of the record, passed on as it is
    """Return whether something was taken up."""
    return "accepted" if accepted else f"refused: {reason}"


def flags(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the device's own words about quality, on a line of their own."""
    return (f"flags: {', '.join(words)}",) if words else ()


def one_line(note: str) -> str:
    """Return origin and size of a checkpoint."""
    return ", ".join(note.split("\n")[:2])

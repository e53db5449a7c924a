"""What `spingate check` tries: configuration, ports, clock, key, certificates, model, broker. Edge.

Each check gives OK, WARN or FAIL with what was found and what to do about it. None of them changes anything.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from calibration.certificate import CertificateRefused, read_certificate
from calibration.correction import NqrHead, ScaleOffset, VectorMagnetometer
from drivers.address import SerialAddress
from drivers.map_text import MapRefused, read_map
from drivers.recording import FileAddress, parse_source
from gateway import clock
from gateway.assembly import find_key
from gateway.config import PUBLISHER_FILES
from gateway.detection.null_set import scans_needed
from gateway.detection.policy import PolicyRefused
from gateway.evidence.keys import KeyUnusable
from gateway.judgement import take_up_model
from gateway.maps import MapUnreadable, map_text
from gateway.null_set_use import take_up_nulls
from gateway.null_set_words import reach, warnings
from gateway.places import places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config import Loaded
    from gateway.config_tables import InstrumentTable

CONNECT_S_MAX = 3.0
TRIAL_BYTES = 65_536  # about what one commit adds
# What a certificate of a driver's instruments may correct, where that is not scale and offset of each channel.
MODELS: dict[str, tuple[type, ...]] = {"twinleaf": (VectorMagnetometer, ScaleOffset), "nqr-head": (NqrHead,)}
DAYS_LEFT_MIN = 30
FREE_BYTES_MIN = 2_000_000_000  # a day of ten readings a second, of 2 kB each with their raw data
SECONDS_PER_DAY = 86_400
LASTING = ("/dev/serial/by-id/", "/dev/serial/by-path/")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `fix` is empty where nothing is to be done."""

    word: Literal["OK", "WARN", "FAIL"]
    subject: str
    found: str
    fix: str = ""


def examine(loaded: Loaded) -> Iterator[Finding]:
    """Try everything the configuration names, one finding after the other."""
    yield Finding("OK", "configuration", f"gateway {loaded.config.gateway.id}, sha256 {loaded.sha256.hex()[:16]}")
    yield folders(loaded)
    yield disk(loaded)
    yield wall_clock(required=loaded.config.clock.require_synchronised)
    yield key(loaded)
    for instrument in loaded.config.instrument:
        yield port(instrument)
        if instrument.map:
            yield register_map(loaded, instrument)
        yield certificate(loaded, instrument)
    if not loaded.config.instrument:
        yield Finding("WARN", "instruments", "none configured", "add an [[instrument]] table")
    yield model(loaded)
    if loaded.config.detection.null_set:
        yield null_set(loaded)
    yield broker(loaded)


def folders(loaded: Loaded) -> Finding:
    """Check that the folders exist, or can be made, and can be written to."""
    found = places(loaded)
    for folder in (found.journal.parent, found.control.parent, found.publisher_state):
        nearest = next(one for one in (folder, *folder.parents) if one.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest) as trial:  # it has no name, and is gone when it is closed
                trial.write(bytes(TRIAL_BYTES))
                trial.flush()
        except OSError as error:
            fix = f"let the service's user write to {nearest}, make room, or name another folder in [gateway]"
            return Finding("FAIL", "folders", f"{folder} cannot be written: {error.strerror}", fix)
    return Finding("OK", "folders", f"journal {found.journal}")


def disk(loaded: Loaded) -> Finding:
    """Check how much room the journal has: it is never cut by itself, and a full disk ends the core."""
    folder = places(loaded).journal.parent
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(nearest).free
    found = f"{free / 1e9:.1f} GB free for the journal in {folder}"
    if free < FREE_BYTES_MIN:
        return Finding("WARN", "disk", found, "make room, or copy the journal to another disk and set it aside")
    return Finding("OK", "disk", found)


def wall_clock(*, required: bool) -> Finding:
    """Check that somebody disciplines the clock: certificates are judged by it, records are labelled with it."""
    now = clock.now()
    if now.state == "synchronised":
        return Finding("OK", "clock", f"synchronised, estimated error {(now.error_ns or 0) / 1e6:.3f} ms")
    fix = "install chrony with NTS servers or a local clock"
    if required:
        return Finding("FAIL", "clock", f"{now.state}: every reading is uncalibrated until it is disciplined", fix)
    return Finding("WARN", "clock", f"{now.state}, and believed all the same (clock.require_synchronised = false)", fix)


def key(loaded: Loaded) -> Finding:
    """Check that the signing key is there and that nobody else can read it."""
    try:
        found = find_key(loaded)
    except KeyUnusable as error:
        return Finding("FAIL", "key", str(error), "spingate keys new FILE makes one; chmod 0600 closes one")
    second = "" if found.ml_dsa_44 else ", Ed25519 alone: this crypto backend has no ML-DSA"
    return Finding("OK", "key", f"{found.kid.hex()}{second}")


def port(instrument: InstrumentTable) -> Finding:
    """Check that an instrument's port is there and may be opened; it is not opened, which could disturb it."""
    subject = f"{instrument.name} port"
    address = parse_source(instrument.port)
    if isinstance(address, FileAddress):
        fix = "name the device's port: what comes from a recording raises no alert, and every reading says so"
        return Finding("WARN", subject, f"{address}: a recording, not a device", fix)
    if not isinstance(address, SerialAddress):
        return reachable(subject, address.host, address.port, "is the device powered and at this address?")
    path = Path(address.path)
    if not path.exists():
        return Finding("FAIL", subject, f"{path}: not there", "is it plugged in? ls -l /dev/serial/by-id shows what is")
    if not os.access(path, os.R_OK | os.W_OK):
        return Finding("FAIL", subject, f"{path}: may not be opened", "add the service's user to the group dialout")
    if path.parts[:2] == ("/", "dev") and not address.path.startswith(LASTING) and "tty" in path.name:
        fix = "name it by /dev/serial/by-id/... or by-path/...: the number changes with a replug"
        return Finding("WARN", subject, f"{path}: there, under a name that does not last", fix)
    return Finding("OK", subject, str(path))


def register_map(loaded: Loaded, instrument: InstrumentTable) -> Finding:
    """Check that an instrument's register map can be read and used, and say what it promises."""
    subject = f"{instrument.name} map"
    try:
        found = read_map(map_text(instrument.map, loaded.folder))
    except (MapUnreadable, MapRefused) as error:
        return Finding("FAIL", subject, f"{instrument.map}: {error}", "mend the map: docs/register-map.md")
    values = sum(register.count for group in found.group for register in group.register if register.type != "text")
    return Finding("OK", subject, f"{found.title}: {values} values in {len(found.group)} groups, after {found.source}")


def certificate(loaded: Loaded, instrument: InstrumentTable) -> Finding:
    """Check an instrument's certificate against the clock; whether it is of this device shows when it is read."""
    subject = f"{instrument.name} certificate"
    if not instrument.certificate:
        return Finding("WARN", subject, "none: its readings are uncalibrated", "calibrate it and name the file")
    try:
        statement = read_certificate(loaded.resolve(instrument.certificate)).statement
    except (CertificateRefused, OSError) as error:
        return Finding("FAIL", subject, str(error), "mend the file, or calibrate again")
    if not isinstance(statement.model, MODELS.get(instrument.driver, (ScaleOffset,))):
        kind = type(statement.model).__name__
        return Finding("FAIL", subject, f"{statement.id}: a {kind} certificate is not for a {instrument.driver}",
                       "name the certificate of this instrument")
    wall_s = clock.now().wall_ns / 1e9
    days = (statement.valid_until.timestamp() - wall_s) / SECONDS_PER_DAY
    if days < 0 or wall_s < statement.valid_from.timestamp():
        span = f"valid from {statement.valid_from:%Y-%m-%d} until {statement.valid_until:%Y-%m-%d}"
        return Finding("FAIL", subject, f"{statement.id}: {span}, not now", "calibrate again")
    if days < DAYS_LEFT_MIN:
        return Finding("WARN", subject, f"{statement.id}: expires in {days:.0f} days", "plan its calibration")
    return Finding("OK", subject, f"{statement.id}, until {statement.valid_until:%Y-%m-%d}")


def model(loaded: Loaded) -> Finding:
    """Check that the classifier's digest holds and that it passes its own test."""
    try:
        judgement, body = take_up_model(loaded)
    except PolicyRefused as refused:
        return Finding("FAIL", "model", str(refused), "correct the configuration: the core does not start with it")
    if judgement.detector is None:
        fix = "install the shipped model again: no scan can be clear without one"
        return Finding("FAIL", "model", body.reason, fix)
    return Finding("OK", "model", f"{judgement.model_sha256.hex()[:16]} on {body.runtime}")


def null_set(loaded: Loaded) -> Finding:
    """Check that the null set is signed by a key that counts, fits classifier and schedule, and is large enough."""
    judgement, _body = take_up_model(loaded)
    try:
        own = find_key(loaded).public.ed25519
    except KeyUnusable as unusable:
        return Finding("FAIL", "null set", str(unusable), "without the gateway's key nobody knows who signed it")
    taken = take_up_nulls(loaded, own, judgement.detector)
    if taken is None or taken.nulls is None:
        reason = taken.body.reason if taken else "none is configured"
        return Finding("FAIL", "null set", reason, "until then theory alone bounds false alarms: docs/null-set.md")
    found, remarks = reach(taken.nulls), warnings(taken.nulls)
    count = f"{len(taken.nulls.scans)} scans, {found}"
    if remarks:
        return Finding("WARN", "null set", f"{count}; {remarks[0]}", "spingate nulls show tells all")
    enough = len(taken.nulls.scans) >= scans_needed(taken.nulls.demands.pfa_per_scan)
    return Finding("OK", "null set", count) if enough else Finding("WARN", "null set", count, "scan more")


def broker(loaded: Loaded) -> Finding:
    """Check that the broker accepts a connection; the publisher's own log has what comes after."""
    settings = loaded.publisher()
    for key in PUBLISHER_FILES:
        path = getattr(settings, key)
        if path and not Path(path).is_file():
            return Finding("FAIL", "broker", f"publisher.{key} = {path!r}: no such file", "put it there")
    return reachable("broker", settings.broker, settings.port, "is it running, and open for this machine?")


def reachable(subject: str, host: str, number: int, fix: str) -> Finding:
    """Check that a TCP connection can be made."""
    try:
        with socket.create_connection((host, number), CONNECT_S_MAX):
            return Finding("OK", subject, f"{host}:{number} answers")
    except OSError as error:
        return Finding("FAIL", subject, f"{host}:{number}: {error.strerror or error}", fix)

"""A calibration certificate: what it states, and reading it from a file with clear refusals.

The digest is the SHA-256 of the file's bytes as received, never of a re-encoding. A signature by a
calibration key will stand beside the file and cover the same bytes, so signing changes nothing in here.
"""

import hashlib
import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta, Struct

from calibration.correction import Correction, Line, NqrHead, Uncertainty, VectorMagnetometer
from calibration.units import TESLA_PER

SCHEMA: Final = 1
# The largest certificate we write (256 frequencies) is below 100 kB; more is not a certificate.
FILE_BYTES_MAX = 256 * 1024
# No laboratory gives an instrument of this kind more; a longer span is a mistyped year.
VALID_MAX = timedelta(days=3660)
# Correlations are written in full precision; this leaves room for certificates typed from paper.
CORRELATION_SLACK = 1e-3

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


class CertificateRefused(ValueError):
    """A certificate file that cannot be used: which file, key and value, and the rule it breaks."""

    def __init__(self, name: str, key: str, value: str, rule: str) -> None:
        super().__init__(f"{name}: {key} = {value}: {rule}" if key else f"{name}: {rule}")
        self.name, self.key, self.value, self.rule = name, key, value, rule


class Subject(Struct, frozen=True, forbid_unknown_fields=True):
    """The very instrument that was calibrated, spelt as the instrument itself tells it."""

    make: Line
    model: Line
    serial: Line


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """The reference standard, its standard uncertainty, and where that enters.

    "parameters": the parameters' uncertainties contain it already. "value": it is added to every value;
    `unit` is then the certificate's unit_out, or "1" (relative) for a head.
    """

    id: Line
    description: Line
    u: Uncertainty
    unit: Line
    enters: Literal["parameters", "value"]


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a certificate says. It holds from `valid_from` until just before `valid_until`."""

    schema: Literal[1]
    id: Line
    issued: Moment
    valid_from: Moment
    valid_until: Moment
    quantity: Line
    unit_in: Line
    unit_out: Line
    procedure: Line
    environment: Line
    operator_role: Line
    instrument: Subject
    reference: Reference
    model: Correction


@dataclass(frozen=True, slots=True)
class Certificate:
    """A statement with the SHA-256 of the file it was read from."""

    statement: Statement
    sha256: bytes


def read_certificate(path: Path) -> Certificate:
    """Read and check one certificate file; raises `CertificateRefused`, or OSError if it cannot be opened."""
    with path.open("rb") as file:
        received = file.read(FILE_BYTES_MAX + 1)
    return parse_certificate(received, str(path))


def parse_certificate(received: bytes, name: str) -> Certificate:
    """Check the bytes of a certificate; `name` is what to call it in a refusal."""
    if len(received) > FILE_BYTES_MAX:
        raise CertificateRefused(name, "", "", f"larger than {FILE_BYTES_MAX} bytes")
    try:
        tree = tomllib.loads(received.decode())
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested past the interpreter
        raise CertificateRefused(name, "", "", f"not a TOML file: {error}") from error
    try:
        statement = msgspec.convert(tree, Statement)
    except msgspec.ValidationError as error:
        _refuse(name, tree, str(error))
    broken = _broken_rule(statement)
    if broken:
        raise CertificateRefused(name, *broken)
    return Certificate(statement, hashlib.sha256(received).digest())


def _refuse(name: str, tree: dict[str, Any], message: str) -> NoReturn:
    """Turn msgspec's words (rule - at `$.key`) into file, key, value and rule."""
    rule, _, place = message.partition(" - at `$")
    key = place.rstrip("`").lstrip(".")
    field = re.search(r"(unknown|required) field `(.+)`$", rule)
    if field:
        key = f"{key}.{field[2]}".lstrip(".")
        rule = f"unknown key; remove it or correct its spelling ({rule})" if field[1] == "unknown" \
            else "required, but missing"
    raise CertificateRefused(name, key, _value_at(tree, key), rule)


def _value_at(tree: Any, key: str) -> str:  # noqa: ANN401  any TOML value
    """Return the value that stands at a key like `model.offset[1]`, shortened to fit a line."""
    for step in re.findall(r"[^.\[\]]+", key):
        try:
            tree = tree[int(step)] if isinstance(tree, list) else tree[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return "(absent)"
    text = str(tree) if isinstance(tree, datetime) else repr(tree)
    return text if len(text) <= 60 else text[:57] + "..."


def _broken_rule(s: Statement) -> tuple[str, str, str] | None:
    """Return key, value and rule of the first rule between fields that is broken."""
    for key in ("issued", "valid_from", "valid_until"):
        moment: datetime = getattr(s, key)
        if moment.utcoffset() != timedelta(0):
            return key, str(moment), "must be UTC (RFC 3339, ending in Z)"
    if not s.valid_from < s.valid_until <= s.valid_from + VALID_MAX:
        return "valid_until", str(s.valid_until), f"must be 1 s to {VALID_MAX.days} days after valid_from"
    if s.issued >= s.valid_until:
        return "issued", str(s.issued), "must be before valid_until"
    return _broken_units(s) or _broken_model(s.model)


def _broken_units(s: Statement) -> tuple[str, str, str] | None:
    if isinstance(s.model, VectorMagnetometer):
        if s.unit_in not in TESLA_PER:
            return "unit_in", repr(s.unit_in), f"must be one of {', '.join(TESLA_PER)} for a magnetometer"
        if s.unit_out != "T":
            return "unit_out", repr(s.unit_out), "must be 'T' for a magnetometer"
    if isinstance(s.model, NqrHead) and (s.unit_in, s.unit_out) != ("count", "fT"):
        return "unit_in", repr(s.unit_in), "an NQR head turns 'count' (unit_in) into 'fT' (unit_out)"
    wanted = "1" if isinstance(s.model, NqrHead) else s.unit_out
    if s.reference.enters == "value" and s.reference.unit != wanted:
        return "reference.unit", repr(s.reference.unit), f"must be {wanted!r} where it enters the value"
    return None


def _broken_model(model: Correction) -> tuple[str, str, str] | None:
    if isinstance(model, NqrHead):
        khz = [point.frequency_khz for point in model.points]
        falls = [index for index in range(1, len(khz)) if khz[index] <= khz[index - 1]]
        if falls:
            return f"model.points[{falls[0]}].frequency_khz", repr(khz[falls[0]]), "frequencies must rise"
        return None
    names = list(model.channels) if isinstance(model, VectorMagnetometer) \
        else [line.channel for line in model.channels]
    if len(set(names)) < len(names):
        return "model.channels", repr(names), "each channel must be named once"
    if isinstance(model, VectorMagnetometer) and model.correlation is not None:
        return _broken_correlation(np.array(model.correlation))
    return None


def _broken_correlation(matrix: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[str, str, str] | None:
    """Refuse what no set of nine parameters can have: it would give negative variances."""
    key = "model.correlation"
    if not np.allclose(matrix, matrix.T, atol=CORRELATION_SLACK):
        return key, "(9 x 9)", "must be symmetric"
    if not np.allclose(np.diag(matrix), 1.0, atol=CORRELATION_SLACK):
        return key, "(9 x 9)", "must have 1 on its diagonal"
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < -CORRELATION_SLACK:
        return key, "(9 x 9)", f"must not have a negative eigenvalue; the lowest is {lowest:.3g}"
    return None


def utc(wall_s: float) -> datetime:
    """Return a wall time in seconds since 1970 as a UTC date."""
    return datetime.fromtimestamp(wall_s, UTC)

"""The quadrupole lines the product knows, each figure with its status and source.

A figure that the table does not give stays None; only `calibration.priors` assumes one, and marks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

from calibration.line_rows import SCHEMA, UNKNOWN, File, Row


class LineTableRefused(ValueError):
    """The table contradicts itself or uses a word that has no meaning here."""


class Status(StrEnum):
    """Where a figure comes from. Only `PRIOR` is an assumption; `FROM_MEMORY` is still to be confirmed."""

    PUBLISHED = "published"
    FROM_MEMORY = "from-memory"
    COMPUTED = "computed"
    PRIOR = "prior"


class Role(StrEnum):
    """Why a substance stands in the table."""

    TARGET = "target"
    CALIBRANT = "calibrant"
    CONFUSER = "confuser"


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its half range (or standard uncertainty; None: not given) and where it comes from."""

    value: float
    half_range: float | None
    status: Status

    @property
    def is_assumption(self) -> bool:
        """True for a modelling prior, which must be shown as an assumption wherever it is used."""
        return self.status is Status.PRIOR


@dataclass(frozen=True, slots=True)
class Line:
    """One line near the table's reference temperature. None where a figure is unknown.

    `slope_hz_per_k` is d nu / d T; the full width at half maximum is 1 / (pi T2*).
    """

    compound: str
    nucleus: str
    site: str
    transition: str
    frequency_khz: float
    u_khz: float | None
    status: Status
    confidence: str
    role: Role
    recommended: bool
    slope_hz_per_k: Figure | None
    t1_s: Figure | None
    t2e_s: Figure | None
    t2star_us: Figure | None
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class Cluster:
    """Lines of which only the common extent is known."""

    compound: str
    transition: str
    low_khz: float
    high_khz: float
    status: Status
    source: str


@dataclass(frozen=True, slots=True)
class Substance:
    """A compound and those of its lines that are meant; lines in the table's order."""

    name: str
    role: Role
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class SumRule:
    """The table's own statement that nu+ - nu- = nu0 for one site; `kind` says what that proves."""

    compound: str
    site: str
    tolerance_khz: float
    kind: str
    passes: bool


@dataclass(frozen=True, slots=True)
class LineTable:
    """Everything the line file says, checked. `lineless` names contents that cannot have a line."""

    reference_temperature_k: float
    lines: tuple[Line, ...]
    clusters: tuple[Cluster, ...]
    sum_rules: tuple[SumRule, ...]
    not_covered: tuple[str, ...]
    lineless: tuple[str, ...]

    def lines_of(self, compound: str) -> tuple[Line, ...]:
        """Return all lines of one compound, none if the table has no such compound."""
        return tuple(line for line in self.lines if line.compound == compound)

    def substances(self, role: Role, *, recommended: bool = True) -> tuple[Substance, ...]:
        """Group by compound the lines with this role; only the closed list unless told otherwise."""
        wanted = [x for x in self.lines if x.role is role and (x.recommended or not recommended)]
        names = dict.fromkeys(line.compound for line in wanted)
        return tuple(Substance(n, role, tuple(x for x in wanted if x.compound == n)) for n in names)


@cache
def line_table() -> LineTable:
    """Return the table that is packaged with the product. Raises `LineTableRefused` if it is damaged."""
    return parse(files("calibration").joinpath("nqr_lines.toml").read_bytes())


def covered() -> tuple[Substance, ...]:
    """Return the covered substances: recommended targets. Nothing else may ever be called clear."""
    return line_table().substances(Role.TARGET)


def parse(data: bytes) -> LineTable:
    """Read a line file and check it: words, known-or-unknown consistency, and the sum rule of each site."""
    try:
        file = msgspec.toml.decode(data, type=File)
    except msgspec.DecodeError as wrong:
        raise LineTableRefused(f"line table: {wrong}") from wrong
    if file.schema != SCHEMA:
        raise LineTableRefused(f"line table: schema = {file.schema}: must be {SCHEMA}")
    lines = tuple(_line(row) for row in file.line)
    rules = tuple(SumRule(r.compound, r.site, r.tolerance_khz, r.kind, r.passes) for r in file.sum_rule)
    _check_sum_rules(lines, rules)
    return LineTable(
        reference_temperature_k=file.reference_temperature_k,
        lines=lines,
        clusters=tuple(Cluster(b.compound, b.transition, b.low_khz, b.high_khz, Status(b.status), b.source)
                       for b in file.band),
        sum_rules=rules,
        not_covered=file.not_covered.substances,
        lineless=file.not_covered.no_quadrupolar_nitrogen,
    )


def _check_sum_rules(lines: tuple[Line, ...], rules: tuple[SumRule, ...]) -> None:
    """Recompute nu+ - nu- - nu0 per spin-1 site and compare with what the file claims of it."""
    khz = {(x.compound, x.site, x.transition): x.frequency_khz for x in lines}
    complete = {(c, s) for c, s, _ in khz if all((c, s, t) in khz for t in ("nu+", "nu-", "nu0"))}
    if complete != {(rule.compound, rule.site) for rule in rules}:
        raise LineTableRefused("line table: each site with nu+, nu- and nu0 needs one [[sum_rule]], no other")
    for rule in rules:
        plus, minus, zero = (khz[rule.compound, rule.site, t] for t in ("nu+", "nu-", "nu0"))
        residual = plus - minus - zero
        if not rule.passes or abs(residual) > rule.tolerance_khz:
            raise LineTableRefused(
                f"{rule.compound} {rule.site}: nu+ - nu- - nu0 = {residual:.3f} kHz, marked passes = "
                f"{str(rule.passes).lower()}: must pass within {rule.tolerance_khz} kHz")


def _line(row: Row) -> Line:
    """Turn one row into a line; a value without a status, or the reverse, is refused."""
    where = f"{row.compound} {row.site} {row.transition}"
    return Line(
        row.compound, row.nucleus, row.site, row.transition, row.frequency_khz, row.u_khz,
        Status(row.status), row.confidence, Role(row.role), row.recommended,
        slope_hz_per_k=_figure(f"{where}: dnu_dt", row.dnu_dt_hz_per_k, row.dnu_dt_half_range_hz_per_k,
                               row.dnu_dt_status),
        t1_s=_figure(f"{where}: t1", row.t1_s, None, row.t1_status),
        t2e_s=_figure(f"{where}: t2e", row.t2e_s, None, row.t2e_status),
        t2star_us=_figure(f"{where}: t2star", row.t2star_us, row.u_t2star_us, row.t2star_status),
        source=row.source, note=row.note,
    )


def _figure(where: str, value: float | None, half_range: float | None, word: str) -> Figure | None:
    """Join a value to its status word; "unknown" and an absent value must come together."""
    if (value is None) != (word == UNKNOWN):
        raise LineTableRefused(f"{where}_status = {word!r}: must be 'unknown' where no value is, only there")
    if value is None:
        return None
    return Figure(value, half_range, Status(word))

"""What is covered, how well that is proven, and where it falls short: the line table beside the bench's figures.

Every figure is of emulated scans and names its tier; a prior is named wherever it enters. Pure but for that file.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec

from calibration.lines import covered
from calibration.priors import properties
from calibration.schedule import BANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from calibration.lines import Figure, Line, Substance

# What a covered substance should show: Pd proven, and false alarms of a scan.
PD_WANTED: Final = 0.95
PFA_WANTED: Final = 0.01
FIGURES: Final = "coverage.json"     # beside this file; written by `spingate bench detection --coverage`


class Proven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What emulated scans showed of one substance: hits, false alarms, and their exact one-sided 95 % bounds."""

    substance: str
    tier: str
    scene: str
    reference_kg: float
    mass_kg: float
    trials: int
    named: int
    pd_lower95: float
    nulls: int
    alarms: int
    pfa_upper95: float


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: one measurement, and the model it was made with (digest of its card)."""

    model_sha256: str
    standoff_m: float
    dwell_s: float
    kelvin: float
    rows: tuple[Proven, ...]


@dataclass(frozen=True, slots=True)
class CoveredLine:
    """One line, the carrier in whose band it lies (None: in none), and which figures of it are priors."""

    transition: str
    frequency_khz: float
    status: str
    carrier_khz: float | None
    priors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """One substance."""

    substance: str
    lines: tuple[CoveredLine, ...]
    proven: tuple[Proven, ...]
    shortfalls: tuple[str, ...]


def shipped_figures() -> Figures:
    """The figures in the package."""
    return msgspec.json.decode(files("gateway.detection").joinpath(FIGURES).read_bytes(), type=Figures)


def coverage(figures: Figures) -> tuple[Coverage, ...]:
    """Every covered substance, in the line table's order."""
    return tuple(_of(substance, figures) for substance in covered())


def _of(substance: Substance, figures: Figures) -> Coverage:
    rows = tuple(row for row in figures.rows if row.substance == substance.name)
    return Coverage(substance.name, tuple(_line(line) for line in substance.lines), rows,
                    tuple(said for row in rows for said in shortfalls(row)) or (() if rows else ("not measured",)))


def _line(line: Line) -> CoveredLine:
    carriers = [khz for khz, rate_hz in BANDS if abs(line.frequency_khz - khz) < rate_hz / 2e3]
    carrier = min(carriers, key=lambda khz: abs(khz - line.frequency_khz), default=None)
    return CoveredLine(line.transition, line.frequency_khz, line.status.value, carrier, _priors(line))


def _priors(line: Line) -> tuple[str, ...]:
    known = properties(line)
    return tuple(f"{name} {_figure(getattr(known, name))}" for name in known.assumptions)


def _figure(figure: Figure) -> str:
    return f"{figure.value:g}" + (f" +- {figure.half_range:g}" if figure.half_range else "")


def shortfalls(row: Proven) -> Iterator[str]:
    """By how much a row misses what is wanted of it."""
    where = f"{row.scene}, tier {row.tier}"
    if row.pd_lower95 < PD_WANTED:
        yield f"{where}: Pd proven {row.pd_lower95:.3f}, {PD_WANTED - row.pd_lower95:.3f} below {PD_WANTED:g}"
    if row.pfa_upper95 > PFA_WANTED:
        yield f"{where}: Pfa proven {row.pfa_upper95:.4f}, {row.pfa_upper95 - PFA_WANTED:.4f} above {PFA_WANTED:g}"

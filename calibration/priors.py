"""What is assumed of a line where the table gives nothing. Every value made here says that it is a prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from calibration.lines import Figure, Line, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

# All of these are modelling choices without a source; a published figure always wins over them.
SLOPE_14N: Final = Figure(-200.0, 150.0, Status.PRIOR)   # Hz/K: known 14N slopes lie between 0 and -500
SLOPE_OTHER: Final = Figure(-50.0, 50.0, Status.PRIOR)   # Hz/K: no 39K or 35Cl slope is at hand
T2STAR: Final = Figure(640.0, 300.0, Status.PRIOR)       # us: 500 Hz full width, as RDX and urea suggest
T1_SOLID: Final = Figure(5.0, 4.5, Status.PRIOR)         # s: inorganic targets without a figure (KClO3)
T2E_SOLID: Final = Figure(0.2, 0.19, Status.PRIOR)       # s
T1_ORGANIC: Final = Figure(0.1, 0.09, Status.PRIOR)      # s: as taken for the drugs and urea
T2E_ORGANIC: Final = Figure(0.02, 0.018, Status.PRIOR)   # s
U_KHZ_PRINTED: Final = Figure(0.5, None, Status.PRIOR)   # kHz: figures printed in whole kilohertz
U_KHZ_LOW: Final = Figure(1.0, None, Status.PRIOR)       # kHz: low-confidence rows
SLOPE_HALF_RANGE_HZ_PER_K: Final = 50.0  # where the table gives a slope but no range, as its neighbours have
INORGANIC: Final = frozenset({"potassium chlorate", "potassium nitrate", "sodium nitrite"})


@dataclass(frozen=True, slots=True)
class Properties:
    """Every figure a model of one line needs; `assumptions` names those that nobody measured."""

    u_khz: Figure
    slope_hz_per_k: Figure
    t1_s: Figure
    t2e_s: Figure
    t2star_us: Figure

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Return the names of the figures that are priors."""
        return tuple(name for name, figure in self._figures() if figure.is_assumption)

    def _figures(self) -> Iterator[tuple[str, Figure]]:
        for name in ("u_khz", "slope_hz_per_k", "t1_s", "t2e_s", "t2star_us"):
            yield name, getattr(self, name)


def properties(line: Line) -> Properties:
    """Return the line's figures, each unknown one replaced by a prior that is marked as such."""
    mineral = line.compound in INORGANIC or line.nucleus != "14N"
    u_prior = U_KHZ_LOW if line.confidence.startswith("low") else U_KHZ_PRINTED
    return Properties(
        u_khz=u_prior if line.u_khz is None else Figure(line.u_khz, None, line.status),
        slope_hz_per_k=line.slope_hz_per_k or (SLOPE_14N if line.nucleus == "14N" else SLOPE_OTHER),
        t1_s=line.t1_s or (T1_SOLID if mineral else T1_ORGANIC),
        t2e_s=line.t2e_s or (T2E_SOLID if mineral else T2E_ORGANIC),
        t2star_us=line.t2star_us or T2STAR,
    )

"""What training and test scans are drawn from: two sets of ranges that differ, of one composition.

What a set is made of (shares of targets, strengths, hazards) is the same in both, because a probability is calibrated
for a stated composition; everything a detector could learn by heart (places, times, distances, programmes) is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from numpy.random import Generator

# Never trained on and never calibrated on: the table's only confuser with a line in one of our bands (3829 kHz, in the
# band of cocaine base when warm), and one whose lines lie in none.
HELD_OUT_CONFUSERS: Final = ("carbamazepine form III", "paracetamol form I")
CONFUSERS: Final = ("carbamazepine form I", "glycine (alpha)", "urea", "potassium nitrate")
# A share of all scans has the sensors' flat noise and perfect gains, and a target or nothing: the case where the
# likelihood ratio is at its theory, and nothing else may be worse.
FLAT_SHARE: Final = 0.35
TARGET_SHARE: Final = 0.45
# Of the other scans without a target: what lies there instead.
KINDS: Final = ("benign", "confuser", "foreign line", "calibrant")
SHARES: Final = (0.56, 0.14, 0.20, 0.10)
STATION_SHARE: Final = 0.35
RINGING_SHARE: Final = 0.20
# Of ringing loads: a station on a carrier as well, which is where ringing sits.
STATION_ON_CARRIER: Final = 0.30
# Strength of a target as its deflection d, any octave alike: below 3 nobody can see it, above 20 everybody.
DEFLECTION: Final = (3.0, 20.0)
# Said in the card: a probability holds for scans so made up, and for no others.
COMPOSITION: Final = (
    f"{TARGET_SHARE:.0%} of the scans hold one covered substance, each alike often, of deflection {DEFLECTION[0]:g} to "
    f"{DEFLECTION[1]:g}, any octave alike; {FLAT_SHARE:.0%} have flat noise and no hazard; of the others "
    f"{STATION_SHARE:.0%} have stations and {RINGING_SHARE:.0%} ringing, and of those without a target {SHARES[1]:.0%} "
    f"hold a confuser, {SHARES[2]:.0%} a foreign crystal and {SHARES[3]:.0%} a calibrant")


@dataclass(frozen=True, slots=True)
class Range:
    """Values between two ends: all alike, or rising to `mode` and falling again (triangular)."""

    low: float
    high: float
    mode: float | None = None

    def draw(self, rng: Generator) -> float:
        """One value."""
        if self.mode is None:
            return float(rng.uniform(self.low, self.high))
        return float(rng.triangular(self.low, self.mode, self.high))


@dataclass(frozen=True, slots=True)
class World:
    """Where scans are drawn from. Logarithmic: station, ringing and foreign-line fields, and masses.

    `tiers` are the shares of A, B and C. `raster` puts stations on the 9 and 5 kHz rasters of broadcasting, else they
    lie anywhere in a band; `on_line` of them lie near a covered line, within about `on_line_hz`. `crystal_lines` is how
    many lines a foreign crystal has.
    """

    dwells_s: tuple[float, ...]
    tiers: tuple[float, float, float]
    standoff_m: Range
    kelvin: Range
    bay_kelvin: Range
    lateral_m: float
    width: Range
    slope: Range
    city: Range
    gain_error: Range
    phase_error_rad: Range
    raster: bool
    on_line: float
    on_line_hz: float
    station_ft: tuple[float, float]
    depth: Range
    audio_hz: Range
    ringing_ft: tuple[float, float]
    ringing_s: Range
    confusers: tuple[str, ...]
    confuser_kg: tuple[float, float]
    crystal_lines: int
    dead_share: float


TRAINING: Final = World(
    dwells_s=(60.0, 120.0, 300.0), tiers=(1 / 3, 1 / 3, 1 / 3), standoff_m=Range(0.10, 0.40),
    kelvin=Range(253.0, 323.0), bay_kelvin=Range(273.0, 313.0), lateral_m=0.05, width=Range(1.0, 3.0),
    slope=Range(-1.0, 1.0), city=Range(0.0, 1.0),
    gain_error=Range(0.0, 0.03), phase_error_rad=Range(0.0, 0.06), raster=False, on_line=0.6, on_line_hz=100.0,
    station_ft=(20.0, 30_000.0), depth=Range(0.0, 0.9), audio_hz=Range(300.0, 4500.0), ringing_ft=(3.0, 1000.0),
    ringing_s=Range(0.5e-3, 4e-3), confusers=CONFUSERS, confuser_kg=(0.3, 5.0), crystal_lines=1, dead_share=0.10)

TESTING: Final = World(
    dwells_s=(90.0, 200.0, 300.0), tiers=(0.15, 0.6, 0.25), standoff_m=Range(0.12, 0.30, 0.18),
    kelvin=Range(258.0, 318.0, 295.0), bay_kelvin=Range(283.0, 303.0), lateral_m=0.03, width=Range(1.0, 2.5, 1.0),
    slope=Range(-1.0, 1.0, 0.0), city=Range(0.2, 0.8), gain_error=Range(0.02, 0.02), phase_error_rad=Range(0.04, 0.04),
    raster=True, on_line=0.3, on_line_hz=200.0, station_ft=(50.0, 20_000.0), depth=Range(0.2, 0.9),
    audio_hz=Range(400.0, 4000.0), ringing_ft=(5.0, 500.0), ringing_s=Range(0.8e-3, 3e-3), confusers=HELD_OUT_CONFUSERS,
    confuser_kg=(0.5, 3.0), crystal_lines=2, dead_share=0.05)

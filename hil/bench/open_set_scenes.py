"""What lies in the bay in the open-set bench: crystals that nobody covers, and pairs whose lines collide.

Rule: a scan is fixed by seed, case and number. Strength is the deflection d in the sensors' own white noise; bay and
hazards are those of the mixed scenes (hil/bench/detection/scenes.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import line_table
from calibration.schedule import BANDS
from gateway.detection.hypotheses import place
from hil.bench.detection.scenes import mixed
from hil.bench.detection.theory import deflection, references
from hil.scene.bay import Tier
from hil.scene.load import Content, ForeignLine, Load

if TYPE_CHECKING:
    from numpy.random import Generator

    from hil.bench.detection.scenes import Draw

# From what nobody can see to what everybody sees.
DEFLECTION: Final = (5.0, 40.0)
# A foreign line lies anywhere in the inner part of a band; at the very edge half of it is filtered away.
INSIDE: Final = 0.95
T2STAR_US: Final = (300.0, 1000.0)
T2E_S: Final = (5e-3, 1.0)
SLOPE_HZ_PER_K: Final = (-500.0, 0.0)
# How the energy of two lines is shared.
SHARE: Final = (0.2, 0.8)
# Where a temperature of the cargo may bring the line of potassium chlorate, kHz (table, slope prior, 253 to 323 K).
CHLORATE_KHZ: Final = (528.45, 535.45)
# Colliding substances lie at this many times the mass of their reference point: 2 to 18 dB above it.
ABOVE_REFERENCE: Final = (1.26, 8.0)
REFERENCE_K: Final = line_table().reference_temperature_k
# Carbamazepine's line comes into the band of cocaine base in warm loads alone.
WARM_K: Final = (308.0, 323.0)
CARBAMAZEPINE: Final = "carbamazepine form III"
TABLE: Final = ("carbamazepine form I", "glycine (alpha)", "urea", "paracetamol form I", "potassium nitrate")
CONFUSER_KG: Final = (0.5, 5.0)


class Case(StrEnum):
    """What the load holds."""

    NOTHING = "nothing"
    ONE_LINE = "one foreign line"
    TWO_LINES = "two foreign lines"
    CHLORATE = "one foreign line in potassium chlorate's range"
    CARBAMAZEPINE = "carbamazepine form III, warm"
    TABLE = "other confusers of the table"


class Pair(StrEnum):
    """Substances of which one has a line where the other may have one."""

    NITRATE = "PETN | ammonium nitrate"
    TNT = "PETN | TNT (monoclinic)"
    COCAINE = "cocaine base | carbamazepine form III"

    @property
    def members(self) -> tuple[str, str]:
        """The two substances."""
        first, second = self.value.split(" | ")
        return first, second


@dataclass(frozen=True, slots=True)
class Laid:
    """A bay and load, the deflection of what is foreign in it, and which covered substances lie there."""

    draw: Draw
    deflection: float
    covered: frozenset[str]


def foreign(case: Case, seed: int, number: int) -> Laid:
    """Lay a load without a covered substance."""
    rng = np.random.default_rng((seed, tuple(Case).index(case), number))
    bare = _bare(mixed(Tier.B, rng))
    if case is Case.NOTHING:
        return Laid(bare, 0.0, frozenset())
    if case is Case.TABLE:
        content = Content(TABLE[int(rng.integers(len(TABLE)))], _log_uniform(rng, *CONFUSER_KG))
        return Laid(_filled(bare, contents=(content,)), 0.0, frozenset())
    wanted = _log_uniform(rng, *DEFLECTION)
    if case is Case.CARBAMAZEPINE:
        warm = _warm(bare, rng)
        kilogram = deflection(replace(warm.load, contents=(Content(CARBAMAZEPINE, 1.0),)), warm.bay)
        return Laid(_filled(warm, contents=(Content(CARBAMAZEPINE, wanted / kilogram),)), wanted, frozenset())
    shares = (1.0,) if case is not Case.TWO_LINES else _halves(rng)
    lines = tuple(_line(bare, case, wanted * math.sqrt(share), rng) for share in shares)
    return Laid(_filled(bare, foreign=lines), wanted, frozenset())


def colliding(pair: Pair, present: tuple[str, ...], seed: int, number: int) -> Laid:
    """Lay one or both members of a pair, well above where each is detected alone."""
    rng = np.random.default_rng(key_of(pair, present, seed, number))
    bare = _bare(mixed(Tier.B, rng))
    if pair is Pair.COCAINE:
        bare = _warm(bare, rng)
    contents = tuple(Content(name, _kg(name, bare, rng)) for name in present)
    return Laid(_filled(bare, contents=contents), 0.0, frozenset(present) - {CARBAMAZEPINE})


def key_of(pair: Pair, present: tuple[str, ...], seed: int, number: int) -> tuple[int, ...]:
    """The chance of one trial of a pair."""
    return seed, 100 + tuple(Pair).index(pair), len(present), pair.members.index(present[0]), number


def _kg(name: str, bare: Draw, rng: Generator) -> float:
    above = _log_uniform(rng, *ABOVE_REFERENCE)
    known = {one.substance: one for one in references(Tier.B)}
    if name in known:
        return above * known[name].mass_kg
    # A crystal without a reference point is as strong as one of a single line there.
    single = next(one for one in known.values() if one.lines == 1)
    kilogram = deflection(replace(bare.load, contents=(Content(name, 1.0),)), bare.bay)
    return above * single.mass_kg * single.d_per_kg / kilogram


def _bare(drawn: Draw) -> Draw:
    return _filled(drawn, contents=())


def _filled(drawn: Draw, **changes: object) -> Draw:
    return replace(drawn, load=replace(drawn.load, **changes))  # type: ignore[arg-type]  # fields of Load


def _warm(drawn: Draw, rng: Generator) -> Draw:
    """The same load warm enough for carbamazepine's line to lie in a band."""
    placed = [place(line) for line in line_table().lines_of(CARBAMAZEPINE)]
    while True:
        load = replace(drawn.load, temperature_k=float(rng.uniform(*WARM_K)))
        at_khz = [one.frequency_hz(load.temperature_k, load.slope_deviation) / 1e3 for one in placed]
        if any(abs(khz - carrier) < INSIDE * rate / 2e3 for khz in at_khz for carrier, rate in BANDS):
            return replace(drawn, load=load)
        drawn = replace(drawn, load=replace(load, slope_deviation=float(rng.uniform(-1.0, 1.0))))


def _halves(rng: Generator) -> tuple[float, float]:
    share = float(rng.uniform(*SHARE))
    return share, 1.0 - share


def _line(drawn: Draw, case: Case, wanted: float, rng: Generator) -> ForeignLine:
    """A line of the wanted deflection, given where it lies at the load's temperature."""
    at_khz = float(rng.uniform(*CHLORATE_KHZ)) if case is Case.CHLORATE else _anywhere(rng)
    slope = float(rng.uniform(*SLOPE_HZ_PER_K))
    line = ForeignLine(at_khz - slope / 1e3 * (drawn.load.temperature_k - REFERENCE_K), 1.0,
                       t2e_s=_log_uniform(rng, *T2E_S), t2star_us=_log_uniform(rng, *T2STAR_US), slope_hz_per_k=slope)
    alone: Load = replace(drawn.load, contents=(), foreign=(line,))
    return replace(line, amplitude_ft=wanted / deflection(alone, drawn.bay))


def _anywhere(rng: Generator) -> float:
    """A frequency in one of the bands, every kilohertz of them alike."""
    rates = np.array([rate for _, rate in BANDS])
    carrier, rate = BANDS[int(rng.choice(len(BANDS), p=rates / rates.sum()))]
    return carrier + float(rng.uniform(-0.5, 0.5)) * INSIDE * rate / 1e3


def _log_uniform(rng: Generator, low: float, high: float) -> float:
    return math.exp(float(rng.uniform(math.log(low), math.log(high))))

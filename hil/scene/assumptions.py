"""Everything the scenes take for granted, in one table. A default of bay, load or lane that is not here is a bug.

Marks: pub published, mem recalled from the cited paper, cal computed from stated inputs, pri a choice
without a source. A result of these scenes may be quoted only together with its `pri` rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from calibration import priors
from calibration.lines import Figure, line_table

Mark: TypeAlias = Literal["pub", "mem", "cal", "pri"]


@dataclass(frozen=True, slots=True)
class Assumption:
    """One thing taken for granted: where it stands (class.field or topic), its mark and what it rests on."""

    name: str
    mark: Mark
    basis: str


def _rows(mark: Mark, *pairs: tuple[str, str]) -> tuple[Assumption, ...]:
    return tuple(Assumption(name, mark, basis) for name, basis in pairs)


MODEL: Final = (
    *_rows("pub", ("echo train", "Somasundaram et al., IEEE TGRS 45 (2007) 925; its exact form is recalled"),
           ("lines", "calibration/nqr_lines.toml, each figure with its own status"),
           ("dipole", "exact field of a point dipole; Anderson 1949 gives its passes")),
    *_rows("mem", ("powder factor", "0.43 at a 119 degree pulse, Vega"),
           ("city noise curve", "ITU-R P.372, city: 76.8 - 27.7 log10(f/MHz)"),
           ("ringing shape", "decays in milliseconds, at the carrier, alike after every pulse")),
    *_rows("cal", ("moment per kilogram", "0.43 N gamma hbar h nu / (3 k T), SI constants"),
           ("noise per point", "E|y|^2 = 2 S^2 rate / (echoes per group x trains)")),
    *_rows("pri", ("relaxation, slope and width priors", "calibration/priors.py where the line table is silent"),
           ("moment of spin 3/2", "39K and 35Cl lines use the spin-1 expression with their own gyromagnetic ratio"),
           ("point source", "the load is a point with its moment along the array's axis: an upper bound"),
           ("excitation", "|sinc| of a 40 us pulse; no powder average of the offset"),
           ("recovery", "1 - exp(-(repetition - train) / T1); lines of one site do not saturate each other"),
           ("receiver phase", "one unknown phase per band, common to all lines in it and to the ringing"),
           ("anti-alias filter", "ideal: a line outside the band is absent"),
           ("shield", "weakens pulse and echo alike, so twice its one-way attenuation; raises reflected power"),
           ("metal detuning", "reflected share rises to 0.35 behind a complete shield, repeats to 0.004"),
           ("sensor places", "2 x 3 grid of 6 cm pitch, references 1.8 m from it"),
           ("station phase", "steady within a train, random from train to train"),
           ("calibrant jig", "0.10 m beside and in front of the array"),
           ("range finder and thermometer", "2 mm and 0.1 K")),
)

BAY: Final = (
    *_rows("pri", ("Bay.tier", "A 0.3, B 1, C 5, D 130 fT/sqrt(Hz), anchored in published sensors"),
           ("Bay.edge_hz", "tuned sensor: noise rises by 12 % in density at 10 kHz from the carrier"),
           ("Bay.edge_exponent", "2, a Lorentzian response"),
           ("Bay.above_2mhz", "1: quantum heads at 3-5 MHz are an extrapolation"),
           ("Bay.city", "half the city curve: some screening by the building"),
           ("Bay.temperature_k", "295 K"), ("Bay.stations", "none unless a scenario names one"),
           ("Bay.coupling_spread", "5 %, metal near a sensor bends a far field"),
           ("Bay.gain_error", "1 % since the last calibration"), ("Bay.phase_error_rad", "0.02 rad"),
           ("Bay.pilot_ft", "50 fT, above the noise of tiers A to C"), ("Bay.forward_w", "400 W"),
           ("Bay.reflected_idle", "2 %"), ("Bay.dead", "none"),
           ("Bay.ringdown_ft", "0: nothing left of it when the window opens 0.6 ms after a pulse"),
           ("Bay.ringdown_s", "60 us, dead times of 0.1 to 1 ms; the references feel a hundredth of it"),
           ("Bay.full_scale_ft", "1 nT; a clipped channel loses gain, and the products of clipping are left out"),
           ("Bay.head", "none: a phase of the chain for each scan; a numbered head keeps its own from scan to scan"),
           ("Station.depth", "0.6"), ("Station.audio_hz", "one tone of 1.3 kHz stands for speech and music")),
)

LOAD: Final = _rows(
    "pri", ("Load.contents", "none"), ("Load.standoff_m", "0.6 m: the range finder sees the back of the bay"),
    ("Load.lateral_m", "on the axis"), ("Load.temperature_k", "295 K"), ("Load.width_factor", "1, crystalline"),
    ("Load.slope_deviation", "0, the middle of the table's range"), ("Load.shield_db", "0"),
    ("Load.ringing_ft", "0"), ("Load.ringing_decay_s", "2 ms"), ("Load.foreign", "none"),
    ("Load.calibrant", "none"), ("Load.temperature_spread_k", "0: one temperature throughout"),
    ("Load.ringing_alternates", "0: pulses of one phase, ringing alike after each"),
    ("Content.purity", "1: pure and fully crystalline"),
    ("ForeignLine.t1_s", "0.1 s"), ("ForeignLine.t2e_s", "0.02 s"), ("ForeignLine.t2star_us", "640 us, 500 Hz"),
    ("ForeignLine.slope_hz_per_k", "-200 Hz/K"),
)

LANE: Final = _rows(
    "pri", ("Lane.passes", "none"), ("Lane.earth_nt", "48.2 uT, central Europe"),
    ("Lane.mains_nt", "10 to 25 nT near a switchboard"), ("Lane.mains_hz", "50 Hz, a fifth at 150 Hz"),
    ("Lane.diurnal_nt", "tens of nT a day"), ("Lane.wander_nt", "0.02 nT/sqrt(Hz) at 1 Hz, 1/f"),
    ("Lane.seed", "1"), ("Pass.speed_mps", "1 m/s"), ("Pass.closest_m", "1 m"), ("Pass.height_m", "0"),
    ("Sensor.position_m", "the origin"), ("Sensor.white_nt", "5 pT/sqrt(Hz)"),
    ("Sensor.flicker_nt", "5 pT/sqrt(Hz) at 1 Hz"), ("Sensor.key", "0"),
    ("Sensor.heading_nt", "0; published sensors have 0.1 to 5 nT, taken as the cosine between field and lane"),
    ("vehicle", "one dipole of 155 A m^2 (van) or 881 A m^2 (lorry) 4 m away at 2 m/s"),
    ("passing speed", "uniform from 0.3 to 2 m/s: the detector's prior for metres and A m^2 too"),
    ("closest approach", "0.3 to 5 m, any octave alike: the detector's prior too"),
)

ASSUMPTIONS: Final = (*MODEL, *BAY, *LOAD, *LANE)

def _figures() -> tuple[Assumption, ...]:
    """Each prior of the line table by compound, line and figure, and each that stands in where the table is silent."""
    taken = [Assumption(f"{line.compound} {line.frequency_khz:g} kHz, {name}", "pri", f"{getattr(known, name).value:g}")
             for line in line_table().lines for known in (priors.properties(line),) for name in known.assumptions]
    stand_ins = [Assumption(f"priors.{name}", "pri", f"{getattr(figure, 'value', figure):g}")
                 for name, figure in vars(priors).items() if name.isupper() and isinstance(figure, Figure | float)]
    return (*stand_ins, *taken)


# Priors of single lines: too many for a table kept by hand, so they are read from the figures themselves.
FIGURES: Final = _figures()
PRIORS: Final = (*(row for row in ASSUMPTIONS if row.mark == "pri"), *FIGURES)

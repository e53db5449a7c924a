"""A second bay, written apart from the first: its own formulae from its own reading of the physics. No shared code.

It takes the line table and the head's plan, which are data, and gives calibrated scans. What works on both bays is
not a memory of one. Where it differs on purpose: the dipole's field is a vector; echoes are summed one by one; a
temperature gradient is the transform of its frequencies; a station's programme is many tones with a phase of their own
in each train; noise is drawn per frequency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import line_table
from calibration.priors import properties
from calibration.reading import CalibratedBand, CalibratedScan, Trust
from drivers.sample import Identity

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    from calibration.lines import Line
    from drivers.sample import BandPlan

H, HBAR, KB, MU0_4PI = 6.62607015e-34, 1.054571817e-34, 1.380649e-23, 1e-7
AVOGADRO, FEMTO = 6.02214076e23, 1e15
# Nuclear gyromagnetic ratios in rad/s/T, and the factor of a powder at its best pulse.
GAMMA: Final = {"14N": 1.9331e7, "39K": 1.2499e7, "35Cl": 2.6212e7}
POWDER: Final = 0.43
# Formula (atoms by element) and how many of its nuclei share one line.
ATOM_G: Final = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "K": 39.098, "Cl": 35.453}
FORMULAE: Final = {
    "ammonium nitrate": ({"N": 2, "H": 4, "O": 3}, 1.0), "potassium chlorate": ({"K": 1, "Cl": 1, "O": 3}, 1.0),
    "RDX (alpha)": ({"C": 3, "H": 6, "N": 6, "O": 6}, 1.0), "PETN": ({"C": 5, "H": 8, "N": 4, "O": 12}, 4.0),
    "TNT (monoclinic)": ({"C": 7, "H": 5, "N": 3, "O": 6}, 0.5),
    "cocaine hydrochloride": ({"C": 17, "H": 22, "Cl": 1, "N": 1, "O": 4}, 1.0),
    "cocaine base": ({"C": 17, "H": 21, "N": 1, "O": 4}, 1.0), "heroin base": ({"C": 21, "H": 23, "N": 1, "O": 5}, 1.0),
    "urea": ({"C": 1, "H": 4, "N": 2, "O": 1}, 2.0), "glycine (alpha)": ({"C": 2, "H": 5, "N": 1, "O": 2}, 1.0),
    "carbamazepine form III": ({"C": 15, "H": 12, "N": 2, "O": 1}, 1.0),
    "paracetamol form I": ({"C": 8, "H": 9, "N": 1, "O": 2}, 1.0), "potassium nitrate": ({"K": 1, "N": 1, "O": 3}, 1.0),
}
SENSORS_M: Final = np.array([*((x, y, 0.0) for y in (-0.03, 0.03) for x in (-0.06, 0.0, 0.06)),
                             (-1.5, 1.0, -1.0), (1.5, 1.0, -1.0)])
CHANNELS, GROUPS, POINTS = 8, 8, 256
PULSE_S: Final = 40e-6
PILOT_FT, PILOT_BIN = 50.0, 120
PROGRAMME_TONES: Final = 6
LIGHT_M_S: Final = 299_792_458.0


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A station: its carrier, its modulation depth, and the highest tone of its programme."""

    khz: float
    carrier_ft: float
    depth: float
    highest_hz: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that is not the load. `edge_hz`: where the sensors' noise power has doubled; `city`: share of the city curve.

    `coil_ft` is the transmit coil's own ringing as the array feels it when a pulse ends; it dies with `coil_s`.

    `uneven`, `gain_u` and `phase_u` are standard deviations over channels.
    """

    density_ft: float
    edge_hz: float
    city: float
    uneven: float
    gain_u: float
    phase_u: float
    broadcasts: tuple[Broadcast, ...] = ()
    coil_ft: float = 0.0
    coil_s: float = 60e-6


@dataclass(frozen=True, slots=True)
class Parcel:
    """The load: kilograms by substance, its middle in metres, its temperature, where its slopes lie in their ranges.

    The share `ringing_flips` of its ringing turns round with every echo; `spread_k` lies between its coldest and its
    warmest part; its lines are `broader` times as wide as those of good crystals.
    """

    kilograms: dict[str, float] = field(default_factory=dict)
    place_m: tuple[float, float, float] = (0.0, 0.0, 0.15)
    kelvin: float = 295.0
    slope: float = 0.0
    ringing_ft: float = 0.0
    ringing_s: float = 2e-3
    ringing_flips: float = 0.0
    spread_k: float = 0.0
    broader: float = 1.0


def observe(plans: tuple[BandPlan, ...], around: Surroundings, parcel: Parcel, rng: Generator,
            dwell_s: float) -> CalibratedScan:
    """One calibrated scan."""
    bands = tuple(_band(plan, around, parcel, rng, dwell_s) for plan in plans)
    distance_m = parcel.place_m[2] + 0.002 * rng.standard_normal()
    return CalibratedScan(Identity("Spingate", "second emulated bay", "0", "hil.bench"), 0, bands, dwell_s, 295.0,
                          distance_m, 0, bytes(32), Trust(True, bytes(32), ""))


def signal_ft(plan: BandPlan, parcel: Parcel, dwell_s: float) -> NDArray[np.complex128]:
    """The field of all lines of the parcel in a band without noise, complex128 [8, 8, 256], fT."""
    total = np.zeros((CHANNELS, GROUPS, POINTS), np.complex128)
    for name, kg in parcel.kilograms.items():
        for line in line_table().lines_of(name):
            wave = _echoes(plan, line, parcel, dwell_s)
            moment = _moment(line, kg, parcel.kelvin)
            total += dipole_ft(moment, parcel.place_m)[:, None, None] * wave
    return total


def dipole_ft(moment_am2: float, place_m: tuple[float, float, float]) -> NDArray[np.float64]:
    """B = mu0 / 4 pi (3 (m r) r / r^5 - m / r^3) of a dipole along z, its z part at each sensor [8], fT."""
    path = SENSORS_M - np.array(place_m)
    r = np.sqrt((path**2).sum(axis=1))
    along = moment_am2 * path[:, 2]
    return np.asarray(MU0_4PI * (3.0 * along * path[:, 2] / r**5 - moment_am2 / r**3) * FEMTO)


def _moment(line: Line, kg: float, kelvin: float) -> float:
    """Peak moment: powder factor times nuclei times gamma hbar times the polarisation h nu / 3 k T."""
    atoms, sharing = FORMULAE[line.compound]
    grams = sum(ATOM_G[element] * count for element, count in atoms.items())
    nuclei = kg * 1e3 / grams * AVOGADRO * sharing
    return POWDER * nuclei * GAMMA[line.nucleus] * HBAR * (H * line.frequency_khz * 1e3) / (3.0 * KB * kelvin)


def _echoes(plan: BandPlan, line: Line, parcel: Parcel, dwell_s: float) -> NDArray[np.complex128]:
    """The line's echoes of unit moment, one by one, averaged by group: [8, 256]."""
    known = properties(line)
    slope = known.slope_hz_per_k.value + (known.slope_hz_per_k.half_range or 50.0) * parcel.slope
    offset = line.frequency_khz * 1e3 + slope * (parcel.kelvin - line_table().reference_temperature_k) - plan.carrier_hz
    if abs(offset) >= plan.rate_hz / 2.0:
        return np.zeros((GROUPS, POINTS), np.complex128)
    beside = _beside_s(plan)
    number = np.arange(GROUPS * plan.echoes_per_group)
    pulse_to_point = (number * plan.echo_spacing_s)[:, None] + (plan.echo_spacing_s / 2.0 + beside)[None, :]
    shape = np.exp(-np.abs(beside) * parcel.broader / (known.t2star_us.value * 1e-6) + 2j * np.pi * offset * beside)
    # Frequencies spread evenly over a range dephase by the transform of that range.
    shape = shape * np.sinc(slope * parcel.spread_k * beside)
    every = np.exp(-pulse_to_point / known.t2e_s.value) * shape
    train_s = len(number) * plan.echo_spacing_s
    grown = 1.0 - np.exp(-max(dwell_s / plan.trains - train_s, 0.0) / known.t1_s.value)
    reach = np.sinc(offset * PULSE_S)
    return np.asarray(grown * abs(reach) * every.reshape(GROUPS, plan.echoes_per_group, POINTS).mean(axis=1))


def _band(plan: BandPlan, around: Surroundings, parcel: Parcel, rng: Generator, dwell_s: float) -> CalibratedBand:
    beside = _beside_s(plan)
    field_ft = signal_ft(plan, parcel, dwell_s) + ringing_ft(plan, parcel) + coil_ft(plan, around)
    field_ft *= np.exp(1j * rng.uniform(-np.pi, np.pi))
    field_ft += _noise(plan, around, rng)
    field_ft += _uneven(around, rng) * _white(plan, around.city * _city_ft(plan.carrier_hz), (GROUPS, POINTS), rng)
    for heard in around.broadcasts:
        field_ft += _uneven(around, rng) * _programme(plan, heard, rng)
    offset_hz = -PILOT_BIN * plan.rate_hz / POINTS
    field_ft += PILOT_FT * np.exp(2j * np.pi * offset_hz * beside)
    gain = (1.0 + around.gain_u * rng.standard_normal(CHANNELS)) * np.exp(
        1j * around.phase_u * rng.standard_normal(CHANNELS))
    field_ft *= gain[:, None, None]
    taper = np.hanning(POINTS + 2)[1:-1]
    tone = taper / taper.sum() * np.exp(-2j * np.pi * offset_hz * beside)
    pilot = field_ft.mean(axis=1) @ tone / PILOT_FT
    return CalibratedBand(plan, field_ft.astype(np.complex64), offset_hz, pilot.astype(np.complex64), 0.02, 0.01)


def _beside_s(plan: BandPlan) -> NDArray[np.float64]:
    """Times of a window's points from the echo's middle."""
    return np.asarray((np.arange(POINTS) - 127.5) / plan.rate_hz)


def ringing_ft(plan: BandPlan, parcel: Parcel) -> NDArray[np.complex128]:
    """Ringing of this amplitude on the axis at the pulse: at the carrier, gone before the next pulse, [8, 8, 256]."""
    since_s = plan.echo_spacing_s / 2.0 + _beside_s(plan)
    seen = dipole_ft(1.0, parcel.place_m) / float(2.0 * MU0_4PI * FEMTO / parcel.place_m[2] ** 3)
    number = np.arange(GROUPS * plan.echoes_per_group)
    every = np.where(number % 2, 1.0 - 2.0 * parcel.ringing_flips, 1.0).reshape(GROUPS, -1).mean(axis=1)
    return np.asarray(parcel.ringing_ft * seen[:, None, None] * every[:, None] * np.exp(-since_s / parcel.ringing_s),
                      np.complex128)


def coil_ft(plan: BandPlan, around: Surroundings) -> NDArray[np.complex128]:
    """What the transmit coil still rings with: the six sensors inside it feel all, the far ones a hundredth."""
    since_s = plan.echo_spacing_s / 2.0 + _beside_s(plan)
    share = np.array([1.0] * 6 + [0.01] * 2)
    return np.asarray(around.coil_ft * share[:, None, None] * np.exp(-since_s / around.coil_s), np.complex128)


def _white(plan: BandPlan, density_ft: float, shape: tuple[int, ...], rng: Generator) -> NDArray[np.complex128]:
    """Complex white noise of a one-sided field density after averaging: E|w|^2 = 2 S^2 rate / (trains echoes)."""
    sigma = density_ft * np.sqrt(plan.rate_hz / (plan.trains * plan.echoes_per_group))
    return np.asarray(sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)))


def _noise(plan: BandPlan, around: Surroundings, rng: Generator) -> NDArray[np.complex128]:
    """The sensors' noise: drawn per frequency of a long stretch, of which the middle is kept."""
    stretch = 4 * POINTS
    spectrum = _white(plan, around.density_ft, (CHANNELS, GROUPS, stretch), rng) * np.sqrt(stretch)
    away = np.fft.fftfreq(stretch, 1.0 / plan.rate_hz) / around.edge_hz
    return np.asarray(np.fft.ifft(spectrum * np.sqrt(1.0 + away**2))[..., POINTS:2 * POINTS])


def _uneven(around: Surroundings, rng: Generator) -> NDArray[np.complex128]:
    """How unevenly the channels hear one distant wave, [8, 1, 1]."""
    bent = rng.standard_normal((2, CHANNELS)) / np.sqrt(2.0)
    return np.asarray(1.0 + around.uneven * (bent[0] + 1j * bent[1]))[:, None, None]


def _programme(plan: BandPlan, heard: Broadcast, rng: Generator) -> NDArray[np.complex128]:
    """Carrier and programme as a train's average hears them: [8, 256]. Tones outside the band are filtered away."""
    audio = rng.uniform(100.0, heard.highest_hz, PROGRAMME_TONES)
    tones = np.concatenate([[0.0], audio, -audio]) + heard.khz * 1e3 - plan.carrier_hz
    side = heard.carrier_ft * heard.depth / 2.0 / np.sqrt(PROGRAMME_TONES)
    strength = np.concatenate([[heard.carrier_ft], np.full(2 * PROGRAMME_TONES, side)])
    strength = np.where(np.abs(tones) < plan.rate_hz / 2.0, strength, 0.0)
    turns = np.exp(2j * np.pi * rng.random((plan.trains, len(tones)))).mean(axis=0)
    echo = np.arange(GROUPS * plan.echoes_per_group) * plan.echo_spacing_s
    groups = np.exp(2j * np.pi * np.outer(tones, echo)).reshape(len(tones), GROUPS, -1).mean(axis=2)
    points = np.exp(2j * np.pi * np.outer(tones, _beside_s(plan)))
    return np.asarray((strength * turns) @ (groups[:, :, None] * points[:, None, :]).reshape(len(tones), -1)
                      ).reshape(GROUPS, POINTS)


def _city_ft(hz: float) -> float:
    """City noise of ITU-R P.372: Fa = c - d lg f, E = Fa + 20 lg f - 95.5 dB(uV/m) in 1 Hz; B = E / c."""
    megahertz = hz / 1e6
    microvolt_db = 76.8 - 27.7 * np.log10(megahertz) + 20.0 * np.log10(megahertz) - 95.5
    return float(10.0 ** (microvolt_db / 20.0) * 1e-6 / LIGHT_M_S * FEMTO)

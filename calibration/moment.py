"""From mass to field: the oscillating moment of a powder and what a sensor sees of it. SI units.

Upper bounds: fully crystalline, a point dipole, no dead time. Purity, size and texture only lower them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Final

PLANCK_J_S: Final = 6.62607015e-34
BOLTZMANN_J_K: Final = 1.380649e-23
AVOGADRO_PER_MOL: Final = 6.02214076e23
POWDER: Final = 0.43             # best powder average of the nutation signal, at 119 degrees (Vega)
ROOM_K: Final = 298.0

# Gyromagnetic ratios over 2 pi, MHz/T (IUPAC 2001 recommended frequency ratios).
GAMMA_MHZ_T: Final = {"14N": 3.0766, "39K": 1.9893, "35Cl": 4.1717}


class NoSuchSubstance(KeyError):
    """The substance has no composition here, so no mass can be turned into a field."""


@dataclass(frozen=True, slots=True)
class Composition:
    """Molar mass and the number of nuclei of one molecule that share each line."""

    molar_g: float
    nuclei: float


# Equivalent nuclei per line. TNT: three nitrogens spread over six sites. Molar masses from formulae.
COMPOSITIONS: Final = {
    "ammonium nitrate": Composition(80.04, 1.0),
    "potassium chlorate": Composition(122.55, 1.0),
    "RDX (alpha)": Composition(222.12, 1.0),
    "HMX (beta)": Composition(296.16, 2.0),
    "TNT (monoclinic)": Composition(227.13, 0.5),
    "PETN": Composition(316.14, 4.0),
    "cocaine hydrochloride": Composition(339.81, 1.0),
    "cocaine base": Composition(303.35, 1.0),
    "heroin base": Composition(369.41, 1.0),
    "sodium nitrite": Composition(69.00, 1.0),
    "hexamethylenetetramine": Composition(140.19, 4.0),
    "urea": Composition(60.06, 2.0),
    "urea-d4": Composition(64.08, 2.0),
    "glycine (alpha)": Composition(75.07, 1.0),
    "carbamazepine form III": Composition(236.27, 1.0),
    "carbamazepine form I": Composition(236.27, 1.0),
    "paracetamol form I": Composition(151.16, 1.0),
    "potassium nitrate": Composition(101.10, 1.0),
    "DABCO": Composition(112.17, 2.0),
}


def moment_per_kg(composition: Composition, frequency_hz: float, nucleus: str = "14N",
                  temperature_k: float = ROOM_K) -> float:
    """Return the peak oscillating moment of 1 kg of pure powder, A m^2/kg.

    m = 0.43 N gamma hbar h nu / (3 k T). Derived for spin 1; for spin 3/2 it is taken over as a prior.
    """
    gamma = 2e6 * pi * GAMMA_MHZ_T[nucleus]
    per_nucleus = (POWDER * gamma * PLANCK_J_S / (2 * pi) * PLANCK_J_S * frequency_hz
                   / (3 * BOLTZMANN_J_K * temperature_k))
    return 1000.0 / composition.molar_g * composition.nuclei * AVOGADRO_PER_MOL * per_nucleus


def axial_field_ft(moment_am2: float, distance_m: float) -> float:
    """Return the field on the axis of a point dipole, in fT (best direction; the equator has half)."""
    return 2e-7 * moment_am2 / distance_m**3 * 1e15


def composition_of(substance: str) -> Composition:
    """Return what is known of a substance's molecule. Raises `NoSuchSubstance`."""
    try:
        return COMPOSITIONS[substance]
    except KeyError:
        raise NoSuchSubstance(f"{substance!r}: must be one of {sorted(COMPOSITIONS)}") from None

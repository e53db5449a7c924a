"""How well any detector can do, and the mass at which a likelihood ratio should not miss. Formulae only, no trials.

The deflection d comes from the scene's own field, evaluated without noise: d^2 = 2 s^H s / E|w|^2, summed over
points, groups, channels and bands, in white noise of one density in every channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import schedule
from gateway.detection.chisquare import detection_probability, isf_even, required_deflection
from gateway.detection.glrt import LOOKS_PER_HYPOTHESIS
from gateway.detection.hypotheses import grids
from gateway.detection.policy import Policy
from hil.scene.bay import Bay, Tier
from hil.scene.load import Content, Load
from hil.scene.scan import line_field
from hil.scene.sources import sources

if TYPE_CHECKING:
    from gateway.detection.hypotheses import Grid

# The reference point, fixed before anything was measured: where, how long, and how sure theory must be.
STANDOFF_M: Final = 0.15
DWELL_S: Final = 300.0
KELVIN: Final = 295.0
THEORY_PD: Final = 0.999
THEORY_PFA: Final = 1e-3
PLANS: Final = schedule(DWELL_S)
# No result without a sweep of T2e: for most lines it is a prior.
T2E_FACTORS: Final = (0.3, 3.0)


@dataclass(frozen=True, slots=True)
class Reference:
    """The reference point of a substance in one tier.

    `lines` free complex amplitudes are fitted; `looks` is the number of independent hypotheses that a scan tries,
    over all substances, temperatures, slopes, widths and bins. `known_kg` is the mass where a likelihood ratio that
    knows substance and temperature has Pd 0.999 at Pfa 1e-3, `mass_kg` that of one that searches them all and may
    raise one false alarm in a thousand scans (Bonferroni). The second is the reference point. `d_per_kg_by_t2e` is the
    deflection of 1 kg if T2e, a prior for most lines, were so many times what the table says (`T2E_FACTORS`).
    """

    substance: str
    tier: Tier
    lines: int
    looks: float
    d_per_kg: float
    d_per_kg_by_t2e: tuple[float, ...]

    @property
    def known_kg(self) -> float:
        """Mass for a likelihood ratio that searches nothing."""
        return required_deflection(THEORY_PD, isf_even(THEORY_PFA, self.lines), self.lines) / self.d_per_kg

    @property
    def mass_kg(self) -> float:
        """Mass for a likelihood ratio that searches everything a scan may hold."""
        return self.required(THEORY_PD, THEORY_PFA) / self.d_per_kg

    def required(self, pd: float, pfa: float) -> float:
        """Deflection that the likelihood ratio needs in theory, its look-elsewhere counted."""
        return required_deflection(pd, isf_even(pfa / self.looks, self.lines), self.lines)

    def pd(self, d: float, pfa: float) -> float:
        """Detection probability of the likelihood ratio in theory, its look-elsewhere counted."""
        return detection_probability(isf_even(pfa / self.looks, self.lines), self.lines, d)


def references(tier: Tier) -> tuple[Reference, ...]:
    """The reference point of every covered substance."""
    policy = Policy()
    laid = grids(PLANS, policy.cargo_k_min, policy.cargo_k_max)
    return tuple(_reference(grid, len(laid), tier) for grid in laid if grid.substance.role == "target")


def _reference(grid: Grid, substances: int, tier: Tier) -> Reference:
    name = grid.substance.name
    kilogram = Load((Content(name, 1.0),), standoff_m=STANDOFF_M, temperature_k=KELVIN)
    looks = LOOKS_PER_HYPOTHESIS * len(grid.kelvin) * substances
    bay = Bay(tier=tier)
    return Reference(name, tier, len(grid.lines), looks, deflection(kilogram, bay),
                     tuple(deflection(kilogram, bay, factor) for factor in T2E_FACTORS))


def deflection(load: Load, bay: Bay, t2e_factor: float = 1.0) -> float:
    """Deflection of a load to a detector that knows everything, in the sensors' white noise alone."""
    emitters = tuple(replace(one, t2e_s=one.t2e_s * t2e_factor) for one in sources(load, bay.temperature_k))
    total = 0.0
    for plan in PLANS:
        field_ft = line_field(plan, emitters, DWELL_S)
        noise = 2.0 * bay.density_ft(plan.carrier_hz) ** 2 * plan.rate_hz / (plan.trains * plan.echoes_per_group)
        total += 2.0 * float(np.sum(np.abs(field_ft) ** 2)) / noise
    return math.sqrt(total)


def clairvoyant_pd(d: float, pfa: float) -> float:
    """Pd = Q(Q^-1(Pfa) - d): nobody does better who does not know whether something is there."""
    return NormalDist().cdf(d - NormalDist().inv_cdf(1.0 - pfa))


def clairvoyant_d(pd: float, pfa: float) -> float:
    """The deflection at which the clairvoyant detector reaches Pd."""
    return NormalDist().inv_cdf(pd) + NormalDist().inv_cdf(1.0 - pfa)


def decibel(needed: float, allowed: float) -> float:
    """A ratio of deflections, and so of masses, in dB."""
    return 20.0 * math.log10(needed / allowed)

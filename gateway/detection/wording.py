"""What a decision says to the person at the bay. Words only; nothing is decided here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from calibration.lines import Role
from gateway.detection.kilograms import kilograms
from gateway.detection.rule import Ruling
from gateway.detection.sensitivity import LIMIT_PD
from gateway.detection.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.detection.glrt import Fit
    from gateway.detection.testimony import SubstanceAccount
    from gateway.detection.verdict import Resonance, SubstanceScore

# How the limits begin in a verdict that is clear, and in no other.
CLEAR: Final = "clear down to"


def alarms(scores: tuple[SubstanceScore, ...], rulings: Mapping[str, Ruling]) -> tuple[str, ...]:
    """Why each alarm was raised: the lines, their strength, and how likely chance alone is."""
    said = []
    for score in scores:
        ruling = rulings.get(score.substance, Ruling.SILENT)
        if ruling is Ruling.NAMED:
            where = ", ".join(f"{line.found_khz:.1f} kHz ({line.amplitude_ft:.1f} fT)" for line in score.lines)
            chance = f"false-alarm probability per scan {score.p_value:.1g}"
            said.append(f"{score.substance}: lines at {where}; {chance}")
    return tuple(said)


def masses(scores: tuple[SubstanceScore, ...], told: tuple[SubstanceAccount, ...],
           standoff_m: float) -> tuple[str, ...]:
    """How much of each alarmed substance it would be: what was measured, and apart from it what is assumed."""
    spread = {one.substance: one for one in told}
    return tuple(f"{score.substance}: {weight(score.mass_kg, score.u_mass_kg, spread[score.substance])}, "
                 f"if pure and {standoff_m:.2f} m away"
                 for score in scores if score.mass_kg is not None and score.substance in spread)


def weight(mass_kg: float, u_mass_kg: float | None, told: SubstanceAccount) -> str:
    """The mass in words; the range is that of the relaxation times, which are assumptions."""
    u = "u not known" if u_mass_kg is None else f"u {kilograms(u_mass_kg)} kg"
    said = f"about {kilograms(mass_kg)} kg ({u})"
    if told.prior_low_kg is None or told.prior_high_kg is None:
        return said
    span = f"{kilograms(told.prior_low_kg)} to {kilograms(told.prior_high_kg)} kg"
    return f"{said}, {span} over the assumed relaxation times"


def limited(scores: tuple[SubstanceScore, ...], outcome: Outcome, standoff_m: float) -> tuple[str, ...]:
    """What would have been seen, worst first: all of it in a clear, what was not found beside an alarm."""
    said = found_from(scores)
    if outcome is Outcome.NOT_INSPECTABLE or not said:
        return ()
    begun = CLEAR if outcome is Outcome.CLEAR else "what else would have been found:"
    return (f"{begun} {said} (pure, {standoff_m:.2f} m away, at this noise, with probability {LIMIT_PD:g})",)


def found_from(scores: tuple[SubstanceScore, ...]) -> str:
    """The limits of what did not alarm, worst first; empty where all did."""
    shown = sorted((score for score in scores if not score.alarmed), key=lambda score: -score.limit_kg)
    return ", ".join(f"{kilograms(score.limit_kg)} kg {score.substance}" if math.isfinite(score.limit_kg)
                     else f"no mass of {score.substance}" for score in shown)


def taken_back(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The reasons of a clear that does not stand: the limits are as they were, but nobody shall read that it is."""
    return tuple(f"what would have been found:{said.removeprefix(CLEAR)}" if said.startswith(CLEAR) else said
                 for said in reasons)


def vetoes(rulings: Mapping[str, Ruling]) -> tuple[str, ...]:
    """Named substances that the network takes for interference: no alarm, and no clear either."""
    return tuple(f"{name}: its lines look like interference or ringing to the network"
                 for name, ruling in rulings.items() if ruling is Ruling.VETOED)


def foreign(fits: Mapping[str, Fit]) -> tuple[str, ...]:
    """Crystals that are no target but explain a line: said, never an alarm."""
    named = [fit for fit in fits.values() if fit.accepted and fit.grid.substance.role is not Role.TARGET]
    return tuple(f"{fit.grid.substance.name} ({fit.grid.substance.role.value}) explains the line at "
                 f"{fit.evidence[0].found_khz:.1f} kHz" for fit in named if fit.evidence)


def unidentified(found: tuple[Resonance, ...]) -> tuple[str, ...]:
    """Lines too strong for chance that fit no substance: nobody may call that clear."""
    return tuple(f"unidentified resonance at {one.found_khz:.1f} kHz ({one.amplitude_ft:.1f} fT): {_fitting(one)}"
                 for one in found)


def _fitting(one: Resonance) -> str:
    said = "it fits no substance in the table"
    return f"{said}; {one.near} may have a line there, but nothing else of it was seen" if one.near else said

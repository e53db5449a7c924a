"""What a decision says to the person at the bay. Words only; nothing is decided here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from calibration.lines import Role
from gateway.detection.rule import Ruling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.detection.glrt import Fit
    from gateway.detection.verdict import SubstanceScore


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


def vetoes(rulings: Mapping[str, Ruling]) -> tuple[str, ...]:
    """Named substances that the network takes for interference: no alarm, and no clear either."""
    return tuple(f"{name}: its lines look like interference or ringing to the network"
                 for name, ruling in rulings.items() if ruling is Ruling.VETOED)


def foreign(fits: Mapping[str, Fit]) -> tuple[str, ...]:
    """Crystals that are no target but explain a line: said, never an alarm."""
    named = [fit for fit in fits.values() if fit.accepted and fit.grid.substance.role is not Role.TARGET]
    return tuple(f"{fit.grid.substance.name} ({fit.grid.substance.role.value}) explains the line at "
                 f"{fit.evidence[0].found_khz:.1f} kHz" for fit in named if fit.evidence)


def unexplained(fits: Mapping[str, Fit], pfa: float) -> tuple[str, ...]:
    """Lines too strong for chance that fit no substance: nobody may call that clear."""
    odd = [fit for fit in fits.values() if not fit.accepted and fit.log_p <= math.log(pfa) and fit.evidence]
    strongest = {round(max(fit.evidence, key=lambda line: line.z).found_khz, 1) for fit in odd}
    return tuple(f"a line at {khz:.1f} kHz that fits no substance in the table" for khz in sorted(strongest))

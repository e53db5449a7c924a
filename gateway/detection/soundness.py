"""What says that a band's points were not measured by eight sensors for themselves: then no limit of it holds. Pure.

Rule: it forbids "clear" and nothing else. Noise is the only yardstick of a limit, so noise must look like a sensor's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.floor import DENSITY_FT_MIN

if TYPE_CHECKING:
    from gateway.detection.beam import Beam

# A tuned sensor's floor differs by a factor of 2 over a band, and that of emulated scans by 1.3 to 1.8. A hundred is a
# filter: it takes lines as it takes noise, and the limit in kilograms comes out too small by its whole attenuation.
SPAN_MAX: Final = 100.0
# The median over the bins of a group's noise scatters by a tenth; the quietest group of a scan had 0.70 of the others'.
GROUP_MIN: Final = 0.1


def unsound(beams: tuple[Beam, ...]) -> tuple[str, ...]:
    """Return a sentence for each thing that noise of sensors never does, with the bands that show it."""
    found = (("less noise than any sensor has: its channels are not independent, or these are not measured values",
              [beam for beam in beams if _too_quiet(beam)]),
             ("noise in a part of the band alone: a filter has taken the rest, and any line there",
              [beam for beam in beams if _filtered(beam)]),
             ("an echo group without noise: its echoes are missing", [beam for beam in beams if _group_missing(beam)]))
    return tuple(f"at {', '.join(f'{beam.plan.carrier_hz / 1e3:g}' for beam in bad)} kHz {words}"
                 for words, bad in found if bad)


def _too_quiet(beam: Beam) -> bool:
    """E|w|^2 = 2 S^2 rate / (trains echoes_per_group) per point, as for a channel."""
    plan = beam.plan
    averaged = plan.trains * plan.echoes_per_group / (2.0 * plan.rate_hz)
    return not float(np.sqrt(np.median(beam.floor) * averaged)) > DENSITY_FT_MIN


def _filtered(beam: Beam) -> bool:
    return bool(beam.floor.max() > SPAN_MAX * beam.floor.min())


def _group_missing(beam: Beam) -> bool:
    level = np.median(np.abs(beam.spectra) ** 2, axis=1)
    return bool(level.min() < GROUP_MIN * np.median(level))

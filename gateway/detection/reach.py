"""Which covered substances have a line in the bands at most temperatures of a load: without one no limit holds. Pure.

A limit is worked out over the hypotheses that the bands can see; where most lie outside them it says nothing of a load.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.echo_search import BAND_SHARE
from gateway.detection.hypotheses import Span, place
from gateway.detection.sensitivity import LIMIT_TEMPERATURES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.sample import BandPlan

# A kelvin and a tenth of a slope's half range apart over the usual load: no line moves by a tenth of a band between.
TEMPERATURES: Final = 71
DEVIATIONS: Final = 21


def unreached(plans: Iterable[BandPlan], low_k: float, high_k: float) -> tuple[str, ...]:
    """Say which substances lie outside the bands at too many temperatures and slopes, in one sentence or none.

    Those that lie outside at all of them have an infinite limit, which says so itself.
    """
    spans = tuple((plan.carrier_hz, plan.rate_hz) for plan in plans)
    missed = [name for name, share in _shares(spans, low_k, high_k) if 0.0 < share < LIMIT_TEMPERATURES]
    if not missed:
        return ()
    share, names = f"{1.0 - LIMIT_TEMPERATURES:.0%}", ", ".join(missed)
    return (f"bands elsewhere: at more than {share} of a load's temperatures no band holds a line of {names}",)


@lru_cache(maxsize=4)
def _shares(spans: tuple[Span, ...], low_k: float, high_k: float) -> tuple[tuple[str, float], ...]:
    """By covered substance, the share of temperatures and slopes at which any line of it lies in a band."""
    kelvin = np.linspace(low_k, high_k, TEMPERATURES)[:, None]
    deviation = np.linspace(-1.0, 1.0, DEVIATIONS)
    found = []
    for substance in covered():
        seen = np.zeros((TEMPERATURES, DEVIATIONS), np.bool_)
        for line in substance.lines:
            frequency_hz = place(line).frequency_hz(kelvin, deviation)  # type: ignore[arg-type]  # arrays
            for carrier_hz, rate_hz in spans:
                seen |= np.abs(frequency_hz - carrier_hz) < BAND_SHARE * rate_hz / 2.0
        found.append((substance.name, float(seen.mean())))
    return tuple(found)

"""How the false alarms that a load may raise are shared out among the looks at it. Formulae only.

The shares sum to the policy's rate, whatever the looks have in common: nothing here rests on their independence.
"""

from __future__ import annotations

import math
from enum import StrEnum
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from gateway.detection.verdict import LOOKS_MAX

if TYPE_CHECKING:
    from gateway.detection.verdict import SequenceLook


class Spending(StrEnum):
    """How much of the rate may be spent by a share of the looks (Lan and DeMets, Biometrika 70 (1983) 659)."""

    OBRIEN_FLEMING = "O'Brien-Fleming"
    POCOCK = "Pocock"


# No look is left without any rate to spend: its threshold would be infinite, and its logarithm none.
SHARE_MIN: Final = 1e-12
# Measured by `spingate bench sequential`: with it a load without a substance is cleared earlier, because almost all of
# the rate is left for the look that ends the scan; Pocock's shares find strong targets a look earlier.
USUAL: Final = Spending.OBRIEN_FLEMING


def spent_by(share: float, pfa: float, how: Spending = USUAL) -> float:
    """Return what may have been spent of `pfa` by this share (0 to 1) of all looks."""
    if share <= 0.0:
        return 0.0
    if share >= 1.0:
        return pfa
    if how is Spending.POCOCK:
        return pfa * math.log1p(math.expm1(1.0) * share)
    # 2 - 2 Phi(z / sqrt t), by erfc: at the first of ten looks it is 1e-16, which 1 - Phi has no digits for.
    z = -NormalDist().inv_cdf(pfa / 2.0)
    return max(math.erfc(z / math.sqrt(2.0 * share)), SHARE_MIN * share * pfa)


def shares(pfa: float, looks: int, how: Spending = USUAL) -> tuple[float, ...]:
    """Return the false-alarm rate of each of `looks` equally long looks; they sum to `pfa`, never to more.

    A union bound: P(any look alarms) is at most the sum of what each look alone may raise. Correlation between looks,
    which see the same scans, only lowers it. Raises ValueError outside 1 to `LOOKS_MAX` looks.
    """
    if not 1 <= looks <= LOOKS_MAX:
        raise ValueError(f"looks = {looks}: must be 1 to {LOOKS_MAX}")
    spent = [spent_by(k / looks, pfa, how) for k in range(looks + 1)]
    found = [after - before for before, after in pairwise(spent[:-1])]
    return (*found, pfa - sum(found))


def rate_of(look: SequenceLook, pfa: float, how: Spending = USUAL) -> float:
    """Return what a look of a record spent for itself, of a policy's rate."""
    before = math.fsum(shares(pfa, look.looks_max, how)[:look.number - 1]) if look.number > 1 else 0.0
    return max(look.alpha_spent - before, SHARE_MIN * pfa)

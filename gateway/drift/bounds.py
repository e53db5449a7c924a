"""How much change matters, how sure one must be of it, and what follows: every figure of the drift watch. No code.

Rule: a figure stands here once, with its reason; docs/drift.md tells what they lead to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf, log, radians
from typing import Final

# A continuous bay makes one scan every 5 minutes. The watch of one head may cry wolf once in a year of them.
SCANS_PER_YEAR: Final = 105_120
# Scans that teach a reference. With 20 a median is known to 0.28 of one scan's spread, within the allowances below.
LEARNT_SCANS: Final = 20
# Calibrant scans that teach the thermometer's: a person makes each, and one is known to a tenth of the allowance.
LEARNT_CALIBRANTS: Final = 3
# Scans in a row within the allowance after which a drift counts as ended: half an hour.
CALM_SCANS: Final = 6
# The size of a change is the median of as many scans: one odd load does not set it.
SIZE_SCANS: Final = 3


class Quantity(StrEnum):
    """What is watched, in words for the record."""

    NOISE = "noise density"
    GAIN = "pilot gain"
    PHASE = "pilot phase"
    REFLECTED = "reflected power"
    THERMOMETER = "line thermometer"
    CHANCE = "null p-values"
    ENERGY = "energy score"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one charted quantity, in its own unit: `allowance` per scan is no drift, `interval` summed above it is one.

    From a size of `inhibit` on, a clear is no longer allowed. One scan adds at most three quarters of the interval, so
    that one scan alone never counts. Where the scans of the reference scatter so much that these would give false
    alarms, both are widened: see SPREAD_ALLOWANCE.
    """

    allowance: float
    interval: float
    inhibit: float


# Page's chart sees a lasting change of twice the allowance in interval / allowance + 1 scans.
BOUNDS: Final = {
    # dB. 1 dB is 12 % of every detection limit; 6 dB are twice the noise that was accepted, or half of it: a deaf head.
    Quantity.NOISE: Bounds(0.5, 1.0, 6.0),
    # Natural logarithm. 5 % is the amplitude error that the mass is stated for; 15 % off, the certificate is void.
    Quantity.GAIN: Bounds(0.025, 0.05, log(1.15)),
    # Radians. 5 degrees cost a beam of six channels less than 0.01 dB; 15 degrees mean another cable or cell.
    Quantity.PHASE: Bounds(radians(2.5), radians(5.0), radians(15.0)),
    # Share of the forward power, the least of the last 8 loads. Metal has a bound of its own, detection.reflected_max.
    Quantity.REFLECTED: Bounds(0.02, 0.04, inf),
    # K. No decision rests on the bay's sensor; but 10 K are 5 kHz of the line, and may be the head's frequencies.
    Quantity.THERMOMETER: Bounds(1.0, 1.0, 10.0),
}
# Loads with metal come and go; a detuned coil stays. The least of so many in a row is the coil's.
REFLECTED_SCANS: Final = 8
# Where one scan's spread s, pooled over the charts of a quantity, is large: allowance and interval are at least so many
# of it. Of 100 two-sided charts the worst reference of 20 scans is off by 0.6 s; what is left of the allowance is 1 s,
# and with 9 s of interval one chart's run length is (exp(2 (9 + 1.166)) / 2 scans (Siegmund 1985): 2.5e8.
SPREAD_ALLOWANCE: Final = 1.6
SPREAD_INTERVAL: Final = 9.0

# Betting on p-values: false drift alarms come once in so many scans or later, at any time, whatever the distribution
# (threshold of a Shiryaev-Roberts sum of martingales: its mean grows by 1 a scan). Ten years of scans, for each of two.
EVIDENCE: Final = 10.0 * SCANS_PER_YEAR
# From a hundred times that evidence on, the null distribution that every threshold rests on does not hold here.
EVIDENCE_INHIBIT: Final = 100.0 * EVIDENCE
# Exponents of the bets f(p) = e p^(e - 1), mixed in equal parts: for many a little too small, and for few very small.
BETS: Final = (0.2, 0.35, 0.5)
# From here down a line stands out that fits no substance, and the verdict says so itself: a load with a crystal that
# nobody listed is no drift. Larger p-values alone, of scans of nothing, are as large as uniform ones or larger.
P_MIN: Final = 0.01
# No more evidence than this is kept: it says no more, and must decay again.
EVIDENCE_MAX: Final = 1e12
# A drift of p-values ends when the mean of -ln p over the last scans, 1 where all is well, is down to this.
CHANCE_CALM: Final = 1.1
CHANCE_SCANS: Final = 20
# Scores that the network's energy is ranked among. Beyond these nothing is learnt: what comes last may have drifted.
# The mean of -ln p among 100 fixed scores is off by 0.1, and a bet wins only where it is off by 0.39.
ENERGIES: Final = 100

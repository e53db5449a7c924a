"""The default band plan: which carriers a scan visits, and how its dwell time is shared among them.

Every covered line lies inside one band. Assumptions (priors): the guard time, the relaxation times that the
line table marks as priors, and that bands can be interleaved freely, so that the spins of one substance
recover while another is excited. Exciting one transition is taken not to disturb the other of the same site.

Timing of one echo: pulse at t = 0, echo centre at half the spacing, and the 256-point window centred on it
(point k lies at (k - 127.5) / rate from the echo centre). What a band holds in each group is the *mean* over
its echoes and over the trains, so that an amplitude stays the field at the sensor.
"""

from __future__ import annotations

from math import floor, log2
from typing import Final

from calibration.lines import Line, line_table
from calibration.priors import properties
from drivers.sample import BandPlan

POINTS: Final = 256
GROUPS: Final = 8
GUARD_S: Final = 1.2e-3          # pulse, ring-down (0.1 to 1 ms) and switching between two echo windows
RECOVERY: Final = 1.3            # repetition in units of T1; 1.26 is best for signal to noise per root time
SLOW_T1_S: Final = 1.0           # from here on T1, not the transmitter, bounds the number of trains
DWELL_S_MIN: Final = 30.0        # shorter than this, substances with T1 = 30 s would be seen less than once
DWELL_S_MAX: Final = 600.0       # longer than any bay waits
NARROW_HZ: Final = 20_000.0
WIDE_HZ: Final = 32_000.0        # RDX shifts by up to 400 Hz/K

# Carrier in kHz and baseband rate in Hz. 842.5, 863.5 and 890.5 share the TNT cluster; 495.5 and 890.5 also
# hold the two PETN lines, 495.5 the upper line of ammonium nitrate.
BANDS: Final = (
    (423.0, NARROW_HZ), (495.5, NARROW_HZ), (531.0, NARROW_HZ), (806.0, NARROW_HZ), (842.5, NARROW_HZ),
    (863.5, NARROW_HZ), (890.5, NARROW_HZ), (961.0, NARROW_HZ), (3410.0, WIDE_HZ), (3717.6, NARROW_HZ),
    (3816.8, NARROW_HZ), (3950.0, NARROW_HZ), (4024.4, NARROW_HZ), (5192.0, WIDE_HZ),
)


def schedule(dwell_s: float) -> tuple[BandPlan, ...]:
    """Return the 14 bands with their trains shared out over `dwell_s`; their train times sum to no more.

    Substances with a long T1 get as many trains as they can recover for; the rest of the time is divided
    equally among the fast ones. Raises ValueError outside 30 to 600 s.
    """
    if not DWELL_S_MIN <= dwell_s <= DWELL_S_MAX:
        raise ValueError(f"dwell_s = {dwell_s:g}: must be {DWELL_S_MIN:g} to {DWELL_S_MAX:g} seconds")
    bands = [_single_train(carrier_khz * 1e3, rate_hz) for carrier_khz, rate_hz in BANDS]
    slow = {b.carrier_hz: _recovered_trains(b, dwell_s) for b in bands if _longest_t1_s(b) >= SLOW_T1_S}
    left_s = dwell_s - sum(slow[b.carrier_hz] * train_s(b) for b in bands if b.carrier_hz in slow)
    share_s = left_s / (len(bands) - len(slow))
    return tuple(_repeat(b, slow.get(b.carrier_hz) or floor(share_s / train_s(b))) for b in bands)


def train_s(plan: BandPlan) -> float:
    """Return how long one echo train transmits and listens."""
    return plan.echo_spacing_s * plan.echoes_per_group * GROUPS


def repetition_s(plan: BandPlan, dwell_s: float) -> float:
    """Return the mean time from one train of a band to its next, the bands being interleaved evenly."""
    return dwell_s / plan.trains


def dwell_of(plans: tuple[BandPlan, ...]) -> float:
    """Return how long a schedule takes: the time of all its trains, which fill the dwell."""
    return sum(train_s(plan) * plan.trains for plan in plans)


def lines_in(plan: BandPlan) -> tuple[Line, ...]:
    """Return the covered lines whose table frequency lies inside a band."""
    return tuple(line for line in line_table().lines if line.role == "target" and line.recommended
                 and abs(line.frequency_khz * 1e3 - plan.carrier_hz) < plan.rate_hz / 2)


def _single_train(carrier_hz: float, rate_hz: float) -> BandPlan:
    """Plan one band with one train, its groups as long as the slowest echo decay in it deserves."""
    spacing_s = round(POINTS / rate_hz + GUARD_S, 6)
    plan = BandPlan(carrier_hz, rate_hz, spacing_s, 1, 1)
    t2e_s = max(properties(line).t2e_s.value for line in lines_in(plan))
    # A train of about 2 T2e holds 98 % of the energy; a power of two from 1 to 8 echoes makes one group.
    wanted = 2 * t2e_s / (GROUPS * spacing_s)
    return BandPlan(carrier_hz, rate_hz, spacing_s, 2 ** max(0, min(3, round(log2(wanted)))), 1)


def _longest_t1_s(plan: BandPlan) -> float:
    return max(properties(line).t1_s.value for line in lines_in(plan))


def _recovered_trains(plan: BandPlan, dwell_s: float) -> int:
    return max(1, floor(dwell_s / (RECOVERY * _longest_t1_s(plan))))


def _repeat(plan: BandPlan, trains: int) -> BandPlan:
    return BandPlan(plan.carrier_hz, plan.rate_hz, plan.echo_spacing_s, plan.echoes_per_group, trains)

"""The converter of a channel: what it is driven with before anything is averaged, and what clipping leaves of it.

A sine beyond full scale is cut at its crests; what is small beside it passes only while it is not: arcsine law.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from hil.scene.bay import CHANNELS, POSITIONS_M, city_density_ft
from hil.scene.echo import axis_coupling, window_s
from hil.scene.interference import point_sd, ringdown_field

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from hil.scene.bay import Bay
    from hil.scene.load import Load

# How far noise reaches above its standard deviation while one echo is recorded.
CREST: Final = 4.0


def loudest_ft(plan: BandPlan, bay: Bay, load: Load) -> NDArray[np.float64]:
    """Return the largest field of one echo in each channel, fT [8]: stations in the band, ringing, noise, pilot."""
    carriers = sum(station.carrier_ft * (1.0 + station.depth) for station in bay.stations
                   if abs(station.frequency_khz * 1e3 - plan.carrier_hz) < plan.rate_hz / 2)
    once = replace(plan, echoes_per_group=1, trains=1)
    noise = np.hypot(bay.density_ft(plan.carrier_hz), bay.city * city_density_ft(plan.carrier_hz))
    place = np.array([*load.lateral_m, load.standoff_m])
    seen = np.abs(axis_coupling(place, POSITIONS_M)) * load.standoff_m**3
    rung = load.ringing_ft * seen * np.exp(-window_s(plan)[0] / load.ringing_decay_s)
    down = np.abs(ringdown_field(plan, bay)).max(axis=(1, 2))
    steady = carriers + bay.pilot_ft + CREST * point_sd(once, float(noise)) / np.sqrt(2.0)
    return np.asarray(np.full(CHANNELS, steady) + rung + down)


def clipped_gain(driven_ft: NDArray[np.float64], full_scale_ft: float) -> NDArray[np.float64]:
    """Return what clipping leaves of a small signal beside a sine so large: the share of time below full scale."""
    inside = np.minimum(full_scale_ft / np.maximum(driven_ft, 1e-300), 1.0)
    return np.asarray(np.where(inside < 1.0, 2.0 / np.pi * np.arcsin(inside), 1.0))

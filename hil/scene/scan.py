"""One NQR scan of a load in a bay, as field. The same seed gives the same bits.

Noise is drawn in the averaged domain: one value per delivered point, not per echo.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calibration.schedule import repetition_s, train_s
from hil.scene.bay import CHANNELS, PILOT_BINS, POSITIONS_M
from hil.scene.converter import clipped_gain, loudest_ft
from hil.scene.echo import GROUPS, POINTS, axis_coupling, echo_train, group_means, recovered, window_s
from hil.scene.interference import city_noise, ringdown_field, sensor_noise, station_field
from hil.scene.sources import sources

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import BandPlan
    from hil.scene.bay import Bay
    from hil.scene.load import Load
    from hil.scene.sources import Source

# How far metal around the load detunes the transmit coil, and how well the idle match repeats (priors).
REFLECTED_BY_METAL = 0.33
REFLECTED_REPEAT = 0.004
# The head's own range finder and thermometer (priors).
U_STANDOFF_M = 0.002
U_BAY_TEMPERATURE_K = 0.1


@dataclass(frozen=True, slots=True)
class BandField:
    """One band in fT, peak amplitude at the sensor: complex64 [channel 8][echo group 8][point 256].

    A group is the mean of its echoes and of all trains. The pilot tone is in the field of every channel.
    `clipped` names the channels whose converter was driven beyond its full scale.
    """

    plan: BandPlan
    field_ft: NDArray[np.complex64]
    pilot_offset_hz: float
    pilot_ft: float
    forward_w: float
    reflected_w: float
    clipped: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SceneScan:
    """What the head measures in one scan, before its converter."""

    bands: tuple[BandField, ...]
    dwell_s: float
    bay_temperature_c: float
    standoff_m: float


def scan(plans: tuple[BandPlan, ...], bay: Bay, load: Load, rng: np.random.Generator,
         dwell_s: float = 300.0) -> SceneScan:
    """Return the field of every band. `dwell_s` is the time all bands share; it sets the T1 recovery."""
    emitters = sources(load, bay.temperature_k)
    return SceneScan(
        bands=tuple(_band(plan, bay, load, line_field(plan, emitters, dwell_s), rng) for plan in plans),
        dwell_s=dwell_s,
        bay_temperature_c=bay.temperature_k - 273.15 + U_BAY_TEMPERATURE_K * rng.standard_normal(),
        standoff_m=load.standoff_m + U_STANDOFF_M * rng.standard_normal(),
    )


def line_field(plan: BandPlan, emitters: tuple[Source, ...], dwell_s: float) -> NDArray[np.complex128]:
    """Return the noise-free field of all lines in a band, phase zero at echo centre; [8, 8, 256]."""
    field = np.zeros((CHANNELS, GROUPS, POINTS), np.complex128)
    for source in emitters:
        share = recovered(repetition_s(plan, dwell_s), train_s(plan), source.t1_s)
        train = echo_train(plan, source.frequency_hz - plan.carrier_hz, source.t2e_s, source.t2star_s)
        if train.any():
            seen = source.axial_ft_m3 * axis_coupling(source.position_m, POSITIONS_M)
            field += (share * seen)[:, None, None] * train
    return field


def ringing_field(plan: BandPlan, load: Load) -> NDArray[np.complex128]:
    """Return ringing after each pulse: at the carrier, alike after every echo or alternating; shape [8, 8, 256]."""
    place = np.array([*load.lateral_m, load.standoff_m])
    seen = load.ringing_ft * load.standoff_m**3 * axis_coupling(place, POSITIONS_M)
    after = np.exp(-window_s(plan) / load.ringing_decay_s)
    share = load.ringing_alternates
    groups = (1.0 - share) + share * group_means(plan, -1.0)
    return np.asarray(seen[:, None, None] * groups[:, None] * after, np.complex128)


def pilot_offset_hz(plan: BandPlan) -> float:
    """Return where the injected tone lies from the carrier: on a bin of the window, near the lower edge."""
    return -PILOT_BINS * plan.rate_hz / POINTS


def _band(plan: BandPlan, bay: Bay, load: Load, lines: NDArray[np.complex128],
          rng: np.random.Generator) -> BandField:
    """Add up everything one band receives, through channels that are not quite equal."""
    receiver = np.exp(2j * np.pi * _receiver_turns(plan, bay, rng.random()))
    field = receiver * (lines + ringing_field(plan, load) + ringdown_field(plan, bay))
    field += sensor_noise(plan, bay, rng) + city_noise(plan, bay, rng)
    for station in bay.stations:
        field += station_field(plan, bay, station, rng)
    tone = np.exp(2j * np.pi * pilot_offset_hz(plan) * (window_s(plan) - plan.echo_spacing_s / 2))
    gain = 1 + bay.gain_error * rng.standard_normal(CHANNELS)
    gain = gain * np.exp(1j * bay.phase_error_rad * rng.standard_normal(CHANNELS))
    received = gain[:, None, None] * (field + bay.pilot_ft * tone)
    kept = clipped_gain(loudest_ft(plan, bay, load), bay.full_scale_ft)
    received *= kept[:, None, None]
    received[list(bay.dead)] = 0.0
    reflected = _reflected(bay, load) + REFLECTED_REPEAT * rng.standard_normal()
    return BandField(plan, received.astype(np.complex64), pilot_offset_hz(plan), bay.pilot_ft,
                     bay.forward_w, bay.forward_w * max(reflected, 0.0), tuple(np.flatnonzero(kept < 1.0).tolist()))


def _receiver_turns(plan: BandPlan, bay: Bay, drawn: float) -> float:
    """Return the phase of the whole chain at this carrier, known to nobody; the same in every scan of one head."""
    if bay.head is None:
        return drawn
    return float(np.random.default_rng((bay.head, round(plan.carrier_hz))).random())


def _reflected(bay: Bay, load: Load) -> float:
    """Return reflected over forward power: metal in front of the coil detunes it."""
    return float(bay.reflected_idle + REFLECTED_BY_METAL * (1.0 - 10.0 ** (-load.shield_db / 20.0)))

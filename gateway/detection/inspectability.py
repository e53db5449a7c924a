"""What stands in the way of calling a scan clear, in words for the person at the bay. It never stops an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.head_array import ARRAY, REFERENCES, STANDOFF_M_MIN
from gateway.detection.kilograms import kilograms
from gateway.detection.reach import unreached
from gateway.detection.soundness import unsound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calibration.reading import CalibratedScan
    from gateway.detection.beam import Beam
    from gateway.detection.policy import Policy

# Words of the head's own flags that say nothing against the data: a page read twice, or fewer trains than asked
# for, which shows as a higher noise floor and so in the detection limit.
HARMLESS: Final = ("read again", "trains of")
# How the reason begins that forbids to call an empty bay clear.
EMPTY: Final = "nothing stands before the head, or the range finder looks past it"
# Nobody brings more to a bay: "any mass" says it better.
KG_SHOWN_MAX: Final = 1000.0


def obstacles(scan: CalibratedScan, beams: tuple[Beam, ...], limits_kg: Mapping[str, float],
              policy: Policy) -> tuple[str, ...]:
    """Reasons why "clear" is not allowed; none when it is."""
    return (*_trust(scan), *_device(scan), *_range(scan, policy), *_shielding(scan, policy),
            *_channels(scan, beams, policy), *unsound(beams),
            *unreached((beam.plan for beam in beams), policy.cargo_k_min, policy.cargo_k_max),
            *_limits(limits_kg, policy))


def remarks(beams: tuple[Beam, ...]) -> tuple[str, ...]:
    """What the officer should know although it changes nothing: ringing and stations that were taken out."""
    rings = [beam for beam in beams if beam.ringing_ft > 0.0]
    heard = [beam for beam in beams if beam.tones.any()]
    said = []
    if rings:
        loudest = max(beam.ringing_ft for beam in rings)
        said.append(f"acoustic ringing at {len(rings)} carriers, up to {loudest:.0f} fT, taken out")
    if heard:
        where = ", ".join(f"{beam.plan.carrier_hz / 1e3:g}" for beam in heard)
        said.append(f"narrow radio tones taken out in the bands at {where} kHz")
    return tuple(said)


def _trust(scan: CalibratedScan) -> tuple[str, ...]:
    if scan.trust.calibrated:
        return ()
    return (f"uncalibrated: {scan.trust.reason or 'no valid certificate'}",)


def _device(scan: CalibratedScan) -> tuple[str, ...]:
    bad = [flag for flag in scan.flags if not any(word in flag for word in HARMLESS)]
    return tuple(f"the head reports: {flag}" for flag in bad)


def is_empty(scan: CalibratedScan, policy: Policy) -> bool:
    """Tell whether the range finder sees nothing before the head."""
    return scan.standoff_m >= policy.empty_beyond_m


def emptiness(scan: CalibratedScan, policy: Policy) -> tuple[str, ...]:
    """Where an empty bay may be called clear: what the limits of that are for."""
    if not (policy.empty_is_clear and is_empty(scan, policy)):
        return ()
    return (f"nothing stands within {policy.empty_beyond_m:g} m: limits are for {policy.empty_standoff_m:g} m",)


def _range(scan: CalibratedScan, policy: Policy) -> tuple[str, ...]:
    if is_empty(scan, policy):
        # A range finder that looks past a parcel says the same, and then the limits would be those of another distance.
        return () if policy.empty_is_clear else (f"{EMPTY} (range reading {scan.standoff_m:.2f} m)",)
    if scan.standoff_m >= STANDOFF_M_MIN:
        return ()
    return (f"range reading {scan.standoff_m:g} m: must be {STANDOFF_M_MIN:g} m or more for a limit to mean anything",)


def _shielding(scan: CalibratedScan, policy: Policy) -> tuple[str, ...]:
    shares = np.array([band.reflected for band in scan.bands])
    if not len(shares) or not np.isfinite(shares).all():
        return ("transmit power is not known in every band: nothing may have been excited",)
    worst = float(shares.max())
    if worst <= policy.reflected_max:
        return ()
    return (f"reflected power {worst:.2f} of forward: above {policy.reflected_max:.2f}, metal may shield the content",)


def _channels(scan: CalibratedScan, beams: tuple[Beam, ...], policy: Policy) -> tuple[str, ...]:
    said = []
    seen = {beam.plan.carrier_hz for beam in beams}
    blind = [band.plan.carrier_hz / 1e3 for band in scan.bands if band.plan.carrier_hz not in seen]
    if blind:
        where = ", ".join(f"{khz:g}" for khz in blind)
        said.append(f"blind at {where} kHz: no array channel returns the pilot tone, or there is no noise")
    fewest = min((int(beam.alive[ARRAY].sum()) for beam in beams), default=0)
    if beams and fewest < policy.array_channels_min:
        said.append(f"only {fewest} array channels return the pilot tone: {policy.array_channels_min} are needed")
    if any(not beam.alive[REFERENCES].any() for beam in beams):
        said.append("no reference channel returns the pilot tone: interference cannot be told from lines")
    return tuple(said)


def dead_channels(beams: tuple[Beam, ...]) -> tuple[str, ...]:
    """Channels left out of some beam, in words."""
    dead = sorted({channel for beam in beams for channel in np.flatnonzero(~beam.alive)})
    return tuple(f"channel {channel} left out: its pilot tone is missing or wrong" for channel in dead)


def _limits(limits_kg: Mapping[str, float], policy: Policy) -> tuple[str, ...]:
    return tuple(f"{name}: {_kg(kg)} would have been missed, {kilograms(policy.allowed_kg(name))} kg is allowed"
                 for name, kg in limits_kg.items() if not kg <= policy.allowed_kg(name))     # NaN is no limit


def _kg(kg: float) -> str:
    return f"up to {kilograms(kg)} kg" if kg < KG_SHOWN_MAX else "any mass"

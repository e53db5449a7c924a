"""Join the scans of one load into one, coherently: the echo keeps its phase to pulse and carrier from scan to scan.

Only sums are kept, whatever the number of scans. What is not known to be the same load under the same head is refused.
"""

from __future__ import annotations

import cmath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.beam import BandBlind, Beam, form_beam
from gateway.detection.floor import noise_floor
from gateway.detection.head_array import ARRAY, GROUPS, POINTS
from gateway.detection.ringing import without_ringing
from gateway.detection.verdict import LOOKS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan
    from drivers.sample import BandPlan

# The range finder wanders by 2 mm (prior), so two readings of a load that stands still differ by this once in 2500
# times; moved this far at 0.15 m, a load's field changes by a fifth.
MOVED_M: Final = 0.01
# The pilot tone tells how a band's receiver turns between two scans. Half a radian costs two scans 0.27 dB.
PHASE_MOVED_RAD: Final = 0.5
# Trains and time of two scans of one schedule: a head may run a few trains less, and says so.
SCHEDULE_SHARE: Final = 0.1
# A bin that a station marks in one scan is read from the others; marked in all of them it is read as in one scan.
MARKED: Final = 1e-6


class JoinRefused(ValueError):
    """A scan is not another look at the same load; the message says what speaks against it."""


@dataclass(frozen=True, slots=True)
class BandSum:
    """One band of all scans: sums over the scans that show it, with weights a over the noise floor f.

    `weighted` is sum a x / f [group 8][bin 256], `weight` sum a / f and `spread` sum a^2 / f [256]; a is 1, or `MARKED`
    on a bin with a station. `heard`, `seen` and `ringing_ft` as in a beam, averaged; `pilot` is the pilot tone of the
    array in the first scan that shows the band, complex [channel].
    """

    weighted: NDArray[np.complex128]
    weight: NDArray[np.float64]
    spread: NDArray[np.float64]
    tones: NDArray[np.bool_]
    alive: NDArray[np.bool_]
    heard: NDArray[np.float64]
    seen: NDArray[np.float64]
    ringing_ft: float
    scans: int
    pilot: NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Joined:
    """All scans of one load so far. `scan` is what they are as one scan, with the newest one's points beside it.

    `sums` has one entry per band, None where no scan shows it; `digests` are those of the scans' raw data, in order;
    `first_m` is the first scan's range reading; `left_out` says which band of which scan took no part, and why.
    """

    scan: CalibratedScan
    sums: tuple[BandSum | None, ...]
    digests: tuple[bytes, ...]
    first_m: float
    left_out: tuple[str, ...] = ()

    def beams(self) -> tuple[Beam, ...]:
        """Return one beam per band that any scan shows, as of one scan with all the trains."""
        return tuple(_beam(band.plan, one) for band, one in zip(self.scan.bands, self.sums, strict=True) if one)


def start(scan: CalibratedScan, standoff_m: float) -> Joined:
    """Return the first scan of a load; its beams look from `standoff_m`."""
    beams = _beams(scan, standoff_m)
    sums = tuple(None if beam is None else _first(beam, band) for beam, band in zip(beams, scan.bands, strict=True))
    return Joined(scan, sums, (scan.raw_sha256,), scan.standoff_m)


def join(before: Joined, scan: CalibratedScan, standoff_m: float) -> Joined:
    """Return the scans of a load with one more. Raises JoinRefused where it is not another look at the same load."""
    wrong = objection(before, scan)
    if wrong:
        raise JoinRefused(wrong)
    number, sums, moved = len(before.digests) + 1, [], {}
    for one, beam, band in zip(before.sums, _beams(scan, standoff_m), scan.bands, strict=True):
        turned = _turned(one, band) if one is not None and beam is not None else 0.0
        if abs(turned) > PHASE_MOVED_RAD:
            moved[f"{band.plan.carrier_hz / 1e3:g}"] = turned
            sums.append(one)
        elif beam is None:
            sums.append(one)
        else:
            sums.append(_first(beam, band) if one is None else _added(one, beam))
    digests = (*before.digests, scan.raw_sha256)
    left_out = (*before.left_out, *_left_out(moved, number))
    return Joined(_as_one(before, scan), tuple(sums), digests, before.first_m, left_out)


def _left_out(moved: Mapping[str, float], number: int) -> tuple[str, ...]:
    """Say in one sentence which bands of a scan take no part, by their carriers in kHz: a verdict has few reasons."""
    if not moved:
        return ()
    most = max(moved.values(), key=abs)
    where = f"{', '.join(moved)} kHz of scan {number}"
    return (f"{where} left out: the pilot tone has turned since the first scan, by {most:.2f} rad at most",)


def objection(before: Joined, scan: CalibratedScan) -> str:
    """Say why a scan cannot be joined to those before it; empty where it can."""
    known, number = before.scan, len(before.digests) + 1
    if scan.raw_sha256 in before.digests:
        return f"scan {number} is scan {before.digests.index(scan.raw_sha256) + 1} again: raw data of the same digest"
    if number > LOOKS_MAX:
        return f"scan {number}: at most {LOOKS_MAX} scans of one load are joined"
    if scan.device != known.device:
        return f"scan {number} is of another head: {_name(scan)}, not {_name(known)}"
    if not _same_schedule(before, scan):
        return f"scan {number} has another schedule: bands, echoes, trains and time must be those of the first"
    if scan.trust.certificate_sha256 != known.trust.certificate_sha256:
        return f"scan {number} was calibrated by another certificate than those before it"
    return _moved(before, scan)


def _same_schedule(before: Joined, scan: CalibratedScan) -> bool:
    """Tell whether a scan was made as each of those before it: then its echoes have recovered as far as theirs."""
    looks = len(before.digests)
    pairs = [(scan.dwell_s, before.scan.dwell_s / looks)]
    if len(scan.bands) != len(before.scan.bands):
        return False
    for band, old in zip(scan.bands, before.scan.bands, strict=True):
        if replace(band.plan, trains=old.plan.trains) != old.plan:
            return False
        pairs.append((band.plan.trains, old.plan.trains / looks))
    return all(abs(here - there) <= SCHEDULE_SHARE * there for here, there in pairs)


def _moved(before: Joined, scan: CalibratedScan) -> str:
    """Say that the load is no longer where it stood. An unknown or endless range is the same only as itself."""
    there, here = before.first_m, scan.standoff_m
    if np.isfinite(there) and np.isfinite(here) and abs(here - there) <= MOVED_M:
        return ""
    if not np.isfinite(there) and (here == there or (np.isnan(here) and np.isnan(there))):
        return ""
    return f"the load has moved: range reading {here:.3f} m, {there:.3f} m in the first scan, {MOVED_M:g} m allowed"


def _as_one(before: Joined, scan: CalibratedScan) -> CalibratedScan:
    """Return the newest scan with the trains, the time, the faults and the mean standoff of all of them."""
    known, looks = before.scan, len(before.digests)
    bands = tuple(replace(band, plan=replace(band.plan, trains=old.plan.trains + band.plan.trains),
                          reflected=float(np.maximum(old.reflected, band.reflected)))
                  for old, band in zip(known.bands, scan.bands, strict=True))
    standoff_m = scan.standoff_m
    if np.isfinite(standoff_m):
        standoff_m = (known.standoff_m * looks + scan.standoff_m) / (looks + 1)
    trust = scan.trust if known.trust.calibrated else known.trust
    flags = tuple(dict.fromkeys((*known.flags, *scan.flags)))
    return replace(scan, bands=bands, dwell_s=known.dwell_s + scan.dwell_s, standoff_m=standoff_m, trust=trust,
                   flags=flags)


def _beams(scan: CalibratedScan, standoff_m: float) -> tuple[Beam | None, ...]:
    """Return the beam of each band, None where it is blind."""
    beams: list[Beam | None] = []
    for band in scan.bands:
        try:
            beams.append(form_beam(band, standoff_m))
        except BandBlind:
            beams.append(None)
    return tuple(beams)


def _first(beam: Beam, band: CalibratedBand) -> BandSum:
    share = np.where(beam.tones, MARKED, 1.0)
    weight = share / beam.floor
    return BandSum(beam.spectra * weight, weight, share * weight, beam.tones, beam.alive, beam.heard, beam.seen,
                   beam.ringing_ft, 1, band.pilot_gain)


def _added(one: BandSum, beam: Beam) -> BandSum:
    share = np.where(beam.tones, MARKED, 1.0)
    weight, scans = share / beam.floor, one.scans
    return replace(
        one, weighted=one.weighted + beam.spectra * weight, weight=one.weight + weight,
        spread=one.spread + share * weight, tones=one.tones & beam.tones, alive=one.alive & beam.alive,
        heard=(one.heard * scans + beam.heard) / (scans + 1), seen=(one.seen * scans + beam.seen) / (scans + 1),
        ringing_ft=max(one.ringing_ft, beam.ringing_ft), scans=scans + 1)


def _turned(one: BandSum, band: CalibratedBand) -> float:
    """Return by how many radians the array's pilot tone has turned since the first scan, channels that live alone."""
    products = (band.pilot_gain * one.pilot.conj())[ARRAY][one.alive[ARRAY]]
    known = products[np.isfinite(products)]
    return cmath.phase(complex(known.sum())) if len(known) else 0.0


def _beam(plan: BandPlan, one: BandSum) -> Beam:
    """Return the mean of a band with the noise it has: sum a^2 / f over the square of sum a / f.

    What weak ringing each scan has left is the same in all of them and stands out in their mean: it is taken out there.
    Noise that does not average down as it should (a spur that is locked to the carrier) is seen as it is: the floor is
    never below the one measured on the mean.
    """
    seen = one.weight > 0.0
    spectra = np.divide(one.weighted, one.weight, out=np.zeros_like(one.weighted), where=seen)
    floor = np.divide(one.spread, one.weight**2, out=np.full(POINTS, np.inf), where=seen)
    ringing_ft = 0.0
    if one.scans > 1:
        spectra, ringing_ft = without_ringing(spectra, floor, plan)
        floor = floor * _surplus(spectra, floor, one.tones)
    return Beam(plan, spectra, floor, one.tones, one.alive, one.heard, one.seen, max(one.ringing_ft, ringing_ft))


def _surplus(spectra: NDArray[np.complex128], floor: NDArray[np.float64], tones: NDArray[np.bool_]) -> float:
    """Return how far the noise of the mean stands above what independent scans should leave; 1 or more."""
    with np.errstate(invalid="ignore"):
        power = np.mean(np.abs(spectra) ** 2, axis=0) / floor
    measured = noise_floor(power, GROUPS, tones | ~np.isfinite(floor))
    level = float(np.median(measured[np.isfinite(measured)])) if np.isfinite(measured).any() else 1.0
    return max(1.0, level)


def _name(scan: CalibratedScan) -> str:
    return f"{scan.device.make} {scan.device.model} {scan.device.serial}"


def joined(scans: Iterable[tuple[CalibratedScan, float]]) -> Joined:
    """Return scans of one load, each with the standoff its beams look from, joined in order. Raises JoinRefused."""
    first, *others = scans
    found = start(*first)
    for scan, standoff_m in others:
        found = join(found, scan, standoff_m)
    return found

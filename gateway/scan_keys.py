"""The words of a scan file: its keys, their defaults and limits, and the scan they make. Pure; docs/scan-format.md.

Rule: what a file does not say is unknown, and nothing unknown helps a scan to be called clear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta

from calibration.correction import HEAD_CHANNELS
from calibration.head_gain import Gain, calibrated_band
from calibration.reading import CalibratedBand, CalibratedScan, Trust
from calibration.schedule import GROUPS, POINTS, dwell_of, train_s
from drivers.sample import BandCapture, BandPlan, Identity
from drivers.toml_words import explain

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT: Final = "spingate scan"
VERSION: Final = 1
BANDS_MAX: Final = 32             # what the schedule of a head may have, docs/nqr-head-profile.md
BAND_SHAPE: Final = (HEAD_CHANNELS, GROUPS, POINTS)
# Of a head whose file speaks of no pilot tone: the bin that the emulated head uses, near the band's lower edge.
PILOT_SHARE: Final = -120 / 256
# Rounding of the writer: a train may be this much longer than the dwell that it fills.
DWELL_SLACK: Final = 1e-6
WHOLE_BITS: Final = 64            # a whole number of more has no value as a float

# What the search was made for. Slower than 16 kHz the hypotheses need too much memory, and above 40 kHz the window is
# shorter than the echo and what lies beside it. Ringing that lasts from a pulse to an echo 50 ms later is none.
RANGES: Final = {
    "carrier_hz": (1e4, 1e8), "rate_hz": (16e3, 40e3), "echo_spacing_s": (POINTS / 40e3, 0.1),
    "echoes_per_group": (1, 65_535), "trains": (1, 65_535), "pilot_offset_hz": (-20e3, 20e3), "pilot_ft": (0.0, 1e9),
    "reflected": (0.0, 1e6), "u_relative": (0.0, 1e6), "dwell_s": (1e-3, 86_400.0), "standoff_m": (0.0, 1e4),
    "bay_temperature_k": (0.0, 1000.0), "id": (0, 2**63 - 1),
}

Word: TypeAlias = Annotated[str, Meta(max_length=256)]
Digest: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ScanFileRefused(ValueError):
    """Not a scan file, or one that breaks a rule of the format; the message says key, value and rule."""


class BandKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One band as the file says it."""

    carrier_hz: float
    rate_hz: float
    echo_spacing_s: float
    echoes_per_group: int
    trains: int
    pilot_offset_hz: float | None = None
    pilot_ft: float | None = None
    reflected: float | None = None
    u_relative: float | None = None


class DeviceKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who measured."""

    make: Word = ""
    model: Word = ""
    serial: Word = ""
    firmware: Word = ""


class ScanKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in a file but its arrays."""

    format: Literal["spingate scan"]
    version: Literal[1]
    bands: Annotated[tuple[BandKeys, ...], Meta(min_length=1, max_length=BANDS_MAX)]
    dwell_s: float | None = None
    standoff_m: float | None = None
    bay_temperature_k: float | None = None
    calibrated: bool = False
    reason: Annotated[str, Meta(max_length=4096)] = ""
    id: int = 0
    device: DeviceKeys = DeviceKeys()
    flags: Annotated[tuple[Word, ...], Meta(max_length=64)] = ()
    raw_sha256: Digest | None = None
    certificate_sha256: Digest | None = None
    note: Annotated[str, Meta(max_length=4096)] = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """A file taken apart: its keys as a tree, and its arrays in whatever width the writer chose."""

    tree: object
    field_ft: NDArray[np.complex64]
    pilot_gain: NDArray[np.complex64] | None


def scan_of(parts: Parts, file_sha256: bytes) -> CalibratedScan:
    """Return the scan that a file holds. Raises ScanFileRefused."""
    keys = keys_of(parts.tree)
    plans = tuple(plan_of(band, f"bands[{at}].") for at, band in enumerate(keys.bands))
    must_fit(keys, plans)
    wanted = (len(plans), *BAND_SHAPE)
    if parts.field_ft.shape != wanted:
        raise ScanFileRefused(f"field_ft of shape {parts.field_ft.shape}: must be {wanted}, bands as in the sidecar")
    gains = parts.pilot_gain
    if gains is not None and gains.shape != wanted[:2]:
        raise ScanFileRefused(f"pilot_gain of shape {gains.shape}: must be {wanted[:2]}")
    bands = tuple(band_of(keys.bands[at], plan, parts.field_ft[at], None if gains is None else gains[at])
                  for at, plan in enumerate(plans))
    certificate = bytes.fromhex(keys.certificate_sha256) if keys.certificate_sha256 else None
    reason = "" if keys.calibrated else keys.reason or "the scan file does not say that it is"
    return CalibratedScan(
        device=Identity(keys.device.make, keys.device.model, keys.device.serial, keys.device.firmware),
        scan_id=keys.id, bands=bands, dwell_s=dwell_of(plans) if keys.dwell_s is None else keys.dwell_s,
        bay_temperature_k=or_nan(keys.bay_temperature_k), standoff_m=or_nan(keys.standoff_m), seen_at=0,
        raw_sha256=bytes.fromhex(keys.raw_sha256) if keys.raw_sha256 else file_sha256,
        trust=Trust(keys.calibrated, certificate, reason), flags=keys.flags)


def keys_of(tree: object) -> ScanKeys:
    """Return the keys of a file. NaN, which JSON has no word for and Python writes all the same, is unknown."""
    if not isinstance(tree, dict):
        raise ScanFileRefused(f"sidecar = {tree!r:.80}: must be a JSON object with the keys of docs/scan-format.md")
    must_be_sayable(tree)
    tree = without_nan(tree)
    try:
        keys = msgspec.convert(tree, ScanKeys)
    except msgspec.ValidationError as wrong:
        raise ScanFileRefused(explain(str(wrong), tree, ScanKeys)) from wrong
    for at, band in enumerate(keys.bands):
        must_lie(band, f"bands[{at}].")
    must_lie(keys, "")
    return keys


def must_be_sayable(tree: object) -> None:
    """Refuse text that UTF-8 cannot express: JSON can write half a surrogate pair, and then no answer can be told."""
    inside = [*tree, *tree.values()] if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ()
    for each in inside:
        must_be_sayable(each)
    if isinstance(tree, str) and tree.encode(errors="replace").decode() != tree:
        raise ScanFileRefused(f"{tree!r:.80}: must be text that UTF-8 can express")


def without_nan(tree: object) -> object:
    """Return the tree with None for NaN."""
    if isinstance(tree, dict):
        return {key: without_nan(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_nan(value) for value in tree]
    return None if isinstance(tree, float) and math.isnan(tree) else tree


def must_lie(keys: BandKeys | ScanKeys, where: str) -> None:
    """Refuse a number outside its range."""
    for name in set(keys.__struct_fields__) & RANGES.keys():
        value, (low, high) = getattr(keys, name), RANGES[name]
        if value is not None and not low <= value <= high:
            shown = f"{value:g}" if isinstance(value, float) or value.bit_length() < WHOLE_BITS else "a longer number"
            raise ScanFileRefused(f"{where}{name} = {shown}: must be {low:g} to {high:g}")


def plan_of(band: BandKeys, where: str) -> BandPlan:
    """Return what the head did in a band."""
    window_s = POINTS / band.rate_hz
    if band.echo_spacing_s < window_s * (1 - DWELL_SLACK):
        raise ScanFileRefused(f"{where}echo_spacing_s = {band.echo_spacing_s:g}: must be {window_s:g} or more, "
                              f"the length of {POINTS} points at rate_hz = {band.rate_hz:g}")
    if band.pilot_offset_hz is not None and abs(band.pilot_offset_hz) >= band.rate_hz / 2:
        raise ScanFileRefused(f"{where}pilot_offset_hz = {band.pilot_offset_hz:g}: must lie in the band, "
                              f"{band.rate_hz / 2:g} from its carrier at most")
    return BandPlan(band.carrier_hz, band.rate_hz, band.echo_spacing_s, band.echoes_per_group, band.trains)


def must_fit(keys: ScanKeys, plans: tuple[BandPlan, ...]) -> None:
    """Refuse a carrier that is there twice, and more trains than a dwell has room for."""
    carriers = [plan.carrier_hz for plan in plans]
    for at, plan in enumerate(plans):
        if plan.carrier_hz in carriers[:at]:
            raise ScanFileRefused(f"bands[{at}].carrier_hz = {plan.carrier_hz:g}: must be unique, one band a carrier")
        taken_s = train_s(plan) * plan.trains
        if keys.dwell_s is not None and taken_s > keys.dwell_s * (1 + DWELL_SLACK):
            raise ScanFileRefused(f"dwell_s = {keys.dwell_s:g}: must be {taken_s:g} or more, "
                                  f"the time of the trains of bands[{at}]")


def band_of(keys: BandKeys, plan: BandPlan, field_ft: NDArray[np.complex64],
            pilot_gain: NDArray[np.complex64] | None) -> CalibratedBand:
    """Return one band: pilot gain as given, as found against `pilot_ft`, or whether a channel holds anything."""
    offset_hz = PILOT_SHARE * plan.rate_hz if keys.pilot_offset_hz is None else keys.pilot_offset_hz
    if pilot_gain is None and keys.pilot_ft is not None:
        # The daemon's own arithmetic, on a head whose gain is one count per fT.
        capture = BandCapture(plan, field_ft, offset_hz, keys.pilot_ft, 0.0, 0.0)
        pilot_gain = calibrated_band(capture, Gain(np.ones(HEAD_CHANNELS, np.complex128), math.nan)).pilot_gain
    if pilot_gain is None:
        pilot_gain = (field_ft != 0).any(axis=(1, 2)).astype(np.complex64)
    return CalibratedBand(plan, field_ft, offset_hz, pilot_gain, or_nan(keys.reflected), or_nan(keys.u_relative))


def tree_of(scan: CalibratedScan) -> dict[str, object]:
    """Return the keys that say everything of a scan but its arrays."""
    device = scan.device
    tree: dict[str, object] = {
        "format": FORMAT, "version": VERSION, "id": scan.scan_id, "dwell_s": scan.dwell_s,
        "standoff_m": or_none(scan.standoff_m), "bay_temperature_k": or_none(scan.bay_temperature_k),
        "calibrated": scan.trust.calibrated, "reason": scan.trust.reason, "flags": list(scan.flags),
        "raw_sha256": scan.raw_sha256.hex(), "bands": [band_tree(band) for band in scan.bands],
        "device": {"make": device.make, "model": device.model, "serial": device.serial, "firmware": device.firmware}}
    if scan.trust.certificate_sha256 is not None:
        tree["certificate_sha256"] = scan.trust.certificate_sha256.hex()
    return tree


def band_tree(band: CalibratedBand) -> dict[str, object]:
    """Return the keys of one band."""
    plan = band.plan
    return {"carrier_hz": plan.carrier_hz, "rate_hz": plan.rate_hz, "echo_spacing_s": plan.echo_spacing_s,
            "echoes_per_group": plan.echoes_per_group, "trains": plan.trains, "pilot_offset_hz": band.pilot_offset_hz,
            "reflected": or_none(band.reflected), "u_relative": or_none(band.u_relative)}


def or_nan(value: float | None) -> float:
    """Return the value, NaN where it is unknown."""
    return math.nan if value is None else value


def or_none(value: float) -> float | None:
    """Return the value, None where it is unknown."""
    return None if math.isnan(value) else value

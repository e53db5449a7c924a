"""The promises, as rules over what was heard: each returns its figures, or raises what was not kept. Pure.

Rule: a check that could not be made raises NotTried with the reason; it never looks like one that passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivers.sample import Fault, ScanCapture
from gateway.bench_report import Device, Figure
from hil.conformance.heard import lost_rows, rows_per_s

if TYPE_CHECKING:
    from drivers.driver import Instrument
    from drivers.sample import Identity, Sample
    from hil.conformance.heard import Heard

# A device's crystal is far better than this, and so is ours; above it lies a wrong rate.
RATE_PART_MAX = 0.02
# A packet is seen up to a turn of the port late (25 ms), and a busy machine is late itself, more so where it plays the
# device as well.
ARRIVAL_S, ARRIVAL_EMULATED_S = 0.05, 0.1
# A line may hold what nobody read and give it all at once when the port is opened; it is not counted.
SETTLE_NS = 250_000_000
ROWS_MIN = 20  # fewer rows say nothing of a rate

# What the port tells on its own account and what a device may say at the beginning of a conversation.
BEGINNING = frozenset({"undescribed"})


class NotKept(Exception):
    """A promise that was not kept, in words."""


class NotTried(Exception):
    """A promise that could not be put to the test, and why."""


def needs_samples(heard: Heard) -> list[Sample]:
    """Return the samples. Raises NotKept where none came."""
    if not heard.samples:
        raise NotKept(f"no sample came; faults: {heard.fault_words()}")
    return heard.samples


def speaks_within(heard: Heard, limit_s: float, after: int | None = None) -> list[Figure]:
    """The first sample comes within the limit."""
    took_s = heard.first_sample_s(after)
    if took_s is None or took_s > limit_s:
        told = "no sample" if took_s is None else f"the first sample after {took_s:.2f} s"
        raise NotKept(f"{told}: must come within {limit_s:g} s; faults: {heard.fault_words()}")
    return [Figure("first sample after", round(took_s, 3), "s", f"at most {limit_s:g}")]


def tells_identity(heard: Heard) -> Device:
    """Every sample names its model, and all of them the same device; what is told late fills in."""
    samples = needs_samples(heard)
    device = samples[-1].device
    others = [sample.device for sample in samples if not same(told(sample.device), told(device))]
    if others:
        raise NotKept(f"two identities in one session: {others[0]}, {device}")
    if not device.model:
        raise NotKept(f"make {device.make!r}, model {device.model!r}: the model may not be empty")
    return told(device)


def told(device: Identity) -> Device:
    """Return an identity as the report has it."""
    return Device(device.make, device.model, device.serial, device.firmware)


def same(one: Device, other: Device) -> bool:
    """Tell whether two identities can be of one device: no field that both tell differs."""
    pairs = ((one.make, other.make), (one.model, other.model), (one.serial, other.serial),
             (one.firmware, other.firmware))
    return all(a == b or not a or not b for a, b in pairs)


def has_form(heard: Heard) -> list[Figure]:
    """Each sample has rows, a finite or flagged value in each channel, and the bytes it was decoded from."""
    samples = needs_samples(heard)
    for sample in samples:
        if sample.values.ndim != 2 or sample.values.shape[1] != len(sample.channels) or not len(sample.values):
            raise NotKept(f"values of shape {sample.values.shape} for {len(sample.channels)} channels")
        if not sample.raw:
            raise NotKept("a sample without the bytes it was decoded from")
        if not sample.flags and not np.isfinite(sample.values).all():
            raise NotKept("a value that is not finite, and no flag that says why")
    return [Figure("samples", float(len(samples)), "1"),
            Figure("rows", float(sum(len(sample.values) for sample in samples)), "1"),
            Figure("flagged samples", float(sum(bool(sample.flags) for sample in samples)), "1")]


def measures(heard: Heard, row: Instrument) -> list[Figure]:
    """Every channel has a name, a quantity and a unit; one of them is what the row of the table promises."""
    channels = {channel for sample in needs_samples(heard) for channel in sample.channels}
    for channel in channels:
        if not (channel.name and channel.quantity and channel.unit):
            raise NotKept(f"{channel}: name, quantity and unit must be told")
    found = {(channel.quantity, channel.unit) for channel in channels}
    kept = any(quantity.startswith(row.quantity) and unit == row.unit for quantity, unit in found)
    scans = any(isinstance(event, ScanCapture) for _, event in heard.events)
    if not (kept or scans or row.needs_map):
        told = ", ".join(sorted(f"{quantity} in {unit}" for quantity, unit in found))
        raise NotKept(f"{row.quantity} in {row.unit} is promised; there is {told}")
    return [Figure(f"{channel.name} ({channel.quantity}, mean)", mean_of(heard, channel.name), channel.unit)
            for channel in sorted(channels, key=lambda one: one.name)[:12]]


def mean_of(heard: Heard, name: str) -> float | None:
    """Return the mean of a channel over all rows, None where it has no finite one."""
    parts = [sample.values[:, place] for sample in heard.samples
             for place, channel in enumerate(sample.channels) if channel.name == name]
    values = np.concatenate(parts)
    finite = values[np.isfinite(values)]
    return float(f"{finite.mean():.6g}") if len(finite) else None


def keeps_rate(heard: Heard, arrival_s: float = ARRIVAL_S) -> list[Figure]:
    """The rows come at the rate that the samples state."""
    figures = []
    for name, timed in heard.streams().items():
        stated = timed[-1][1].rate_hz
        same = [one for one in timed if one[1].rate_hz == stated and one[0] - timed[0][0] >= SETTLE_NS]
        measured = rows_per_s(same)
        if stated is None or measured is None or sum(len(sample.values) for _, sample in same) < ROWS_MIN:
            continue
        part_max = RATE_PART_MAX + 2 * arrival_s * 1e9 / (same[-1][0] - same[0][0])
        figures.append(Figure(f"{name}: rate", round(measured, 3), "Hz", f"{stated:g} within {part_max:.1%}"))
        if abs(measured / stated - 1) > part_max:
            raise NotKept(f"{name}: {measured:.3f} rows a second; {stated:g} are stated, within {part_max:.1%}")
    if not figures:
        raise NotTried(f"no stream stated a rate and gave {ROWS_MIN} rows: a polled device, or too short a time")
    return figures


def loses_nothing(heard: Heard) -> list[Figure]:
    """No row is missing between the first and the last, by the device's own numbers."""
    needs_samples(heard)
    lost = {name: lost_rows([sample for _, sample in timed]) for name, timed in heard.streams().items()}
    if any(lost.values()) or heard.not_kept:
        raise NotKept(f"rows lost: {lost}; events not kept: {heard.not_kept}")
    listened_s = (heard.events[-1][0] - heard.began) / 1e9
    return [Figure("rows lost", 0.0, "1", "0"), Figure("listened", round(listened_s, 2), "s")]


def no_faults(heard: Heard) -> list[Figure]:
    """Nothing went wrong on a quiet line after the first sample; half a frame before it is no mistake."""
    spoken, early, late = False, 0, 0
    for _, event in heard.events:
        spoken = spoken or not isinstance(event, Fault)
        late += spoken and isinstance(event, Fault) and event.kind not in BEGINNING
        early += not spoken
    if late:
        raise NotKept(heard.fault_words())
    return [Figure("faults", 0.0, "1", "0"), Figure("faults before the first sample", float(early), "1")]


def tells(faults: list[Fault], kinds: tuple[str, ...]) -> list[Figure]:
    """One of these kinds of fault was reported; an empty tuple: any."""
    found = [fault for fault in faults if not kinds or fault.kind in kinds]
    if not found:
        told = sorted({fault.kind for fault in faults}) or "nothing"
        raise NotKept(f"a fault was due ({', '.join(kinds) or 'any'}); told: {told}")
    return [Figure(f"faults told: {found[0].kind}", float(len(found)), "1", "at least 1")]

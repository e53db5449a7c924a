"""Turn what was measured and decided into records waiting to be signed. Pure: the time is passed in.

A draft names everything it was made with by digest; nothing is added to a record after this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gateway.evidence.act import ContextBody
from gateway.evidence.body import (
    AnomalyBody,
    BandSummary,
    FaultBody,
    FaultSource,
    ReadingBody,
    ScanBody,
    VerdictBody,
    clipped,
)
from gateway.evidence.record import ClockStatus, Draft, Provenance, Stamp
from gateway.evidence.typed_array import TypedArray

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedBand, CalibratedScan, Reading
    from drivers.sample import Fault
    from gateway.claims import Claims
    from gateway.clock import Now
    from gateway.detection.verdict import Anomaly, Verdict
    from gateway.evidence.layout import Body

NAME_BYTES_MAX = 256  # what a source and an event id in a record hold
FLAGS_MAX = 16  # a device that has more to say about one reading says it in its status


@dataclass(frozen=True, slots=True)
class Drafter:
    """Makes drafts under one boot, one software and one configuration."""

    boot_id: bytes
    provenance: Provenance

    def stamp(self, now: Now) -> Stamp:
        """Return the time of a record, with what the kernel thinks of its clock."""
        return Stamp(self.boot_id, now.monotonic_ns, now.wall_ns, ClockStatus(now.state), now.error_ns)

    def draft(self, now: Now, body: Body, **used: bytes | tuple[int, ...] | None) -> Draft:
        """Return a draft; `used` are the digests and source records that this body was made with."""
        return Draft(self.stamp(now), replace(self.provenance, **used), body)  # type: ignore[arg-type]  # by name

    def reading(self, now: Now, instrument: str, reading: Reading) -> Draft:
        """Return the record of one calibrated, or openly uncalibrated, reading."""
        body = ReadingBody(
            instrument=instrument,
            device=reading.device,
            stream=reading.stream,
            channels=reading.channels,
            values=float64(reading.values),
            u=float64(reading.u),
            rate_hz=reading.rate_hz,
            first_row=reading.first_row,
            flags=reading.flags[:FLAGS_MAX],
            calibrated=reading.trust.calibrated,
            reason=reading.trust.reason,
            seen_at=reading.seen_at,
        )
        return self.draft(
            now, body, certificate_sha256=reading.trust.certificate_sha256, raw_sha256=reading.raw_sha256
        )

    def scan(
        self, now: Now, instrument: str, scan: CalibratedScan, ordered: tuple[int, ...] = (),
        bands: tuple[BandSummary, ...] | None = None,
    ) -> Draft:
        """Return the record of a scan: its conditions and summaries; the points are its raw data.

        `ordered` names the record of the order that it follows, and of the claims about its load. `bands` are its
        summaries, where they are there already.
        """
        body = ScanBody(
            instrument=instrument,
            device=scan.device,
            scan_id=scan.scan_id,
            bands=summaries(scan) if bands is None else bands,
            dwell_s=scan.dwell_s,
            bay_temperature_k=scan.bay_temperature_k,
            standoff_m=scan.standoff_m,
            flags=scan.flags[:FLAGS_MAX],
            calibrated=scan.trust.calibrated,
            reason=scan.trust.reason,
            seen_at=scan.seen_at,
        )
        digests = {"certificate_sha256": scan.trust.certificate_sha256, "raw_sha256": scan.raw_sha256}
        return self.draft(now, body, **digests, sources=ordered)

    def verdict(
        self, now: Now, instrument: str, verdict: Verdict, scan: CalibratedScan, sources: tuple[int, ...]
    ) -> Draft:
        """Return the record of the answer to the scan, and to the order, in the records `sources`."""
        return self.draft(
            now,
            VerdictBody(instrument, verdict),
            certificate_sha256=scan.trust.certificate_sha256,
            model_sha256=verdict.model_sha256,
            raw_sha256=scan.raw_sha256,
            sources=sources,
        )

    def anomaly(self, now: Now, instrument: str, anomaly: Anomaly, reading: Reading, source: int) -> Draft:
        """Return the record of a magnetic anomaly that ended with the reading in record `source`."""
        return self.draft(
            now,
            AnomalyBody(instrument, anomaly, reading.seen_at),
            certificate_sha256=reading.trust.certificate_sha256,
            sources=(source,),
        )

    def instrument_fault(self, now: Now, instrument: str, fault: Fault) -> Draft:
        """Return the record of a fault of an instrument."""
        body = FaultBody(FaultSource.INSTRUMENT, instrument, fault.kind, clipped(fault.detail), fault.seen_at)
        return self.draft(now, body)

    def component_fault(self, now: Now, component: str, kind: str, detail: str) -> Draft:
        """Return the record of a fault of a part of the gateway itself."""
        body = FaultBody(FaultSource.COMPONENT, component, kind, clipped(detail), now.monotonic_ns)
        return self.draft(now, body)

    def context(self, now: Now, source: str, scan_id: int, claims: Claims) -> Draft:
        """Return the record of who ordered a scan and of what they claim about the load."""
        body = ContextBody(
            source=clipped(source, NAME_BYTES_MAX),
            received_at=now.monotonic_ns,
            scan_id=scan_id,
            container=claims.container or None,
            ucr=claims.ucr or None,
            mrn=claims.mrn or None,
            lrn=claims.lrn or None,
            unlocode=claims.unlocode or None,
            lane=claims.lane or None,
            hs6=claims.hs6 or None,
            event_id=clipped(claims.label, NAME_BYTES_MAX) or None,
        )
        return self.draft(now, body)


def summaries(scan: CalibratedScan) -> tuple[BandSummary, ...]:
    """Return what a scan record says of its bands: a millisecond of arithmetic."""
    return tuple(summary(band) for band in scan.bands)


def summary(band: CalibratedBand) -> BandSummary:
    """Return what a scan record says of one band; noise is the standard deviation of one point by channel."""
    gain = np.stack([band.pilot_gain.real, band.pilot_gain.imag], axis=-1)
    return BandSummary(
        plan=band.plan,
        pilot_offset_hz=band.pilot_offset_hz,
        pilot_gain=float32(gain),
        noise_ft=float32(band.field_ft.std(axis=(1, 2))),
        reflected=band.reflected,
        u_relative=band.u_relative,
    )


def float64(values: NDArray[np.float64]) -> TypedArray:
    """Return the array as the record keeps it."""
    return TypedArray(values.shape, values.astype("<f8").tobytes(), 64)


def float32(values: NDArray[np.float32]) -> TypedArray:
    """Return the array as the record keeps a summary."""
    return TypedArray(values.shape, values.astype("<f4").tobytes(), 32)

"""Which instrument gets which certificate, detector and lane, as the configuration says. Edge: reads files.

A certificate or model that cannot be used is a fault to be journaled, not a reason to stop measuring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration.certificate import Certificate, CertificateRefused, read_certificate
from drivers import geometrics, nqr_head, twinleaf
from drivers.table import DRIVERS
from gateway.block import Block
from gateway.evidence.act import CalibrationBody
from gateway.evidence.body import clipped
from gateway.evidence.layout import DOCUMENT
from gateway.lane.anomaly import LaneSettings, PassDetector
from gateway.lane_watch import LaneWatch
from gateway.pipeline import Lane

if TYPE_CHECKING:
    from gateway.config import Loaded
    from gateway.config_tables import InstrumentTable
    from gateway.lane.anomaly import Labeller

# These stand in a lane and give rows without a gap. The shielded and the swept ones (QZFM, NV diamond) do not.
LANE_MAGNETOMETERS = {twinleaf.INSTRUMENT.name, geometrics.INSTRUMENT.name}
REFUSAL_BYTES_MAX = 400  # every reading repeats it; the journal has it whole, once


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One instrument's lane, and what the journal has to say of its certificate (None: none is configured)."""

    lane: Lane
    body: CalibrationBody | None
    sha256: bytes | None


def open_lane(loaded: Loaded, instrument: InstrumentTable, labeller: Labeller | None = None) -> Calibrated:
    """Return the lane of one instrument with its certificate, or with the reason why it has none.

    `labeller` says how like a passing object a flagged passage of a magnetometer is.
    """
    certificate, body = take_up(loaded, instrument)
    block_s = instrument.block_ms / 1000
    watch = None
    if instrument.driver in LANE_MAGNETOMETERS:
        settings = LaneSettings(false_alarms_per_hour=loaded.config.detection.anomalies_per_hour)
        watch = LaneWatch(lambda: PassDetector(settings, labeller), block_s)
    scans = DRIVERS[instrument.driver] is nqr_head.INSTRUMENT
    refusal = "" if body is None or body.accepted else clipped(f"certificate refused: {body.reason}", REFUSAL_BYTES_MAX)
    lane = Lane(instrument.name, Block(block_s), certificate, watch, instrument.serial, scans, refusal)
    return Calibrated(lane, body, certificate.sha256 if certificate else None)


def take_up(loaded: Loaded, instrument: InstrumentTable) -> tuple[Certificate | None, CalibrationBody | None]:
    """Read an instrument's certificate; a refusal leaves it uncalibrated, with the reason for the journal."""
    if not instrument.certificate:
        return None, None
    path = loaded.resolve(instrument.certificate)
    try:
        certificate = read_certificate(path)
    except (CertificateRefused, OSError) as error:
        return None, CalibrationBody(instrument.name, "", accepted=False, reason=clipped(str(error)))
    text = path.read_text()
    if len(text.encode()) > DOCUMENT.bytes_max:
        text = ""  # its digest names it all the same
    return certificate, CalibrationBody(instrument.name, text, accepted=True, reason="")

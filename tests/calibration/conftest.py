"""Certificates and samples of every kind, for the tests of this folder. Dates are fixed: no test reads a clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.certificate import Certificate, Reference, Statement, Subject, parse_certificate
from calibration.certificate_text import certificate_text
from calibration.correction import ChannelLine, GainPoint, NqrHead, ScaleOffset, VectorMagnetometer
from drivers.sample import BandCapture, BandPlan, Channel, Identity, Sample, ScanCapture

if TYPE_CHECKING:
    from collections.abc import Callable

    from calibration.correction import Correction

ISSUED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UNTIL = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
INSIDE_S = datetime(2026, 9, 1, tzinfo=UTC).timestamp()


def _state(device: Identity, units: tuple[str, str, str], reference: Reference, model: Correction) -> Statement:
    return Statement(
        schema=1, id="CAL-7", issued=ISSUED, valid_from=ISSUED, valid_until=UNTIL, quantity=units[0],
        unit_in=units[1], unit_out=units[2], procedure="comparison", environment='21 °C, "quiet" bench \\ 2',
        operator_role="technician", instrument=Subject(device.make, device.model, device.serial),
        reference=reference, model=model)


@pytest.fixture
def inside_s() -> float:
    """Return a wall time at which every certificate here holds."""
    return INSIDE_S


@pytest.fixture
def oven() -> Statement:
    """State an oven controller: two channels, degC to K, reference in the value."""
    lines = (ChannelLine("process_value", 1.002, 3e-4, 273.05, 0.08, 0.03, -0.6),
             ChannelLine("working_set_point", 1.0, 0.0, 273.15, 0.0, 0.03))
    return _state(Identity("Eurotherm", "3200", "E-11", ""), ("temperature", "degC", "K"),
                  Reference("PT-3", "Pt100 in a dry block", 0.05, "K", "value"), ScaleOffset(lines))


@pytest.fixture
def vector() -> Statement:
    """State a three-axis magnetometer with correlated parameters."""
    chance = np.random.default_rng(5)
    correlation = np.asarray(np.corrcoef(chance.standard_normal((9, 30)))).tolist()
    model = VectorMagnetometer(
        ("vector.x", "vector.y", "vector.z"), (120.5, -80.25, 33.0), (2.0, 1.0, 3.0), (1.01, 0.99, 1.003),
        (3e-5, 2e-5, 4e-5), (0.012, -0.02, 0.004), (3e-5, 5e-5, 2e-5), (0.5, 0.7, 0.9),
        tuple(tuple(row) for row in correlation))
    return _state(Identity("Twinleaf", "VMR", "V-1", "abc"), ("magnetic flux density", "nT", "T"),
                  Reference("OPM-2", "scalar magnetometer", 1.0, "nT", "parameters"), model)


@pytest.fixture
def head() -> Statement:
    """State an NQR head with a gain that changes with frequency, in magnitude and phase, differently by channel."""
    channel = np.arange(8)

    def point(khz: float, factor: float, turn: float) -> GainPoint:
        return GainPoint(khz, tuple((factor * (40.0 + channel)).tolist()), (0.006,) * 8,
                         tuple((turn + 0.1 * channel).tolist()), (0.01,) * 8)
    model = NqrHead(0.008, (point(400.0, 1.0, 0.2), point(1000.0, 1.1, 3.0), point(5200.0, 0.9, -3.1)))
    return _state(Identity("open profile", "NQR-8", "H-1", "1.0"), ("magnetic flux density", "count", "fT"),
                  Reference("COIL-1", "Helmholtz coil", 0.0063, "1", "value"), model)


@pytest.fixture
def issued() -> Callable[[Statement], Certificate]:
    """Write a statement and read it back, as a certificate has a digest only as a file."""
    return lambda statement: parse_certificate(certificate_text(statement).encode(), "test.toml")


@pytest.fixture
def oven_sample(oven: Statement) -> Sample:
    """Return one poll of the oven controller: two certified channels and one that is not."""
    subject = oven.instrument
    channels = (Channel("process_value", "temperature", "degC"), Channel("output", "ratio", "%"),
                Channel("working_set_point", "temperature", "degC"))
    return Sample(Identity(subject.make, subject.model, subject.serial, ""), "oven", channels,
                  np.array([[100.5, 23.4, 100.0]]), None, 0, 1, b"\x03\xed")


@pytest.fixture
def vector_sample() -> Sample:
    """Return fifty rows of a magnetometer in the Earth's field, with its temperature."""
    chance = np.random.default_rng(2)
    channels = (*(Channel(f"vector.{axis}", "magnetic flux density", "nT") for axis in "xyz"),
                Channel("therm", "temperature", "C"))
    values = np.array([21000.5, -500.25, 43210.5, 24.0]) + chance.standard_normal((50, 4))
    return Sample(Identity("Twinleaf", "VMR", "V-1", "abc"), "field", channels, values, 50.0, 100, 7, b"raw")


@pytest.fixture
def scan() -> ScanCapture:
    """Return fourteen bands of noise in counts, each with a pilot tone seen through a gain of 40 counts per fT."""
    chance = np.random.default_rng(3)
    points = np.arange(256)

    def band(carrier_hz: float) -> BandCapture:
        plan = BandPlan(carrier_hz, 20_000.0, 14e-3, 8, 100)
        tone = 50.0 * np.exp(2j * np.pi * -9375.0 * (points - 127.5) / plan.rate_hz)
        noise = chance.standard_normal((8, 8, 256, 2)) @ np.array([1.0, 1j])
        counts = (40.0 * (noise + tone)).astype(np.complex64)
        return BandCapture(plan, counts, -9375.0, 50.0, 400.0, 8.0)
    bands = tuple(band(hz) for hz in np.linspace(423e3, 5192e3, 14))
    return ScanCapture(Identity("open profile", "NQR-8", "H-1", "1.0"), 4, bands, 300.0, 21.5, 0.2, 9, b"registers")

"""Certificates for the emulated instruments, true to what the emulators do. For demonstration and tests only.

Every uncertainty is an assumption taken from the example budget of an RF chain or the emulators' own numbers;
each certificate says that its instrument is emulated.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.certificate import SCHEMA, Reference, Statement, Subject, utc
from calibration.correction import ChannelLine, GainPoint, NqrHead, ScaleOffset, VectorMagnetometer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.correction import Correction
    from drivers.sample import Identity

VALID_DAYS: Final = 365
# Coil current, radius, turns, alignment, AC response, digitiser, repeatability combined: 0.63 % (GUM example).
U_COIL_RELATIVE: Final = 0.0063
# The emulated bay draws a new gain and phase error for each band and scan: hil.scene.bay, 1 % and 0.02 rad.
U_REPEATABILITY_RELATIVE: Final = 0.01
U_PHASE_RAD: Final = 0.02
HEAD_KHZ: Final = (100.0, 6000.0)     # the emulated gain does not depend on frequency
CELSIUS_ZERO_K: Final = 273.15


def head_certificate(device: Identity, counts_per_ft: NDArray[np.complex64], wall_s: float) -> Statement:
    """Return the certificate of an emulated NQR head with the gains it really has, complex counts per fT [8]."""
    size, phase = np.abs(counts_per_ft).astype(float), np.angle(counts_per_ft).astype(float)
    points = tuple(GainPoint(frequency_khz=khz, magnitude=tuple(size.tolist()),
                             u_magnitude_relative=(U_COIL_RELATIVE,) * len(size),
                             phase_rad=tuple(phase.tolist()), u_phase_rad=(U_PHASE_RAD,) * len(size))
                   for khz in HEAD_KHZ)
    return _statement(device, wall_s, ("magnetic flux density", "count", "fT"),
                      Reference(id="emulated Helmholtz coil", description="gain known from the emulator",
                                u=U_COIL_RELATIVE, unit="1", enters="parameters"),
                      NqrHead(u_repeatability_relative=U_REPEATABILITY_RELATIVE, points=points))


def magnetometer_certificate(device: Identity, channels: tuple[str, str, str], wall_s: float) -> Statement:
    """Return the certificate of an emulated three-axis magnetometer without errors: it reads what the scene says."""
    model = VectorMagnetometer(
        channels=channels, offset=(0.0, 0.0, 0.0), u_offset=(0.5, 0.5, 0.5), scale=(1.0, 1.0, 1.0),
        u_scale=(2e-5, 2e-5, 2e-5), angle_rad=(0.0, 0.0, 0.0), u_angle_rad=(1e-5, 1e-5, 1e-5),
        u_noise=(0.04, 0.04, 0.04))
    return _statement(device, wall_s, ("magnetic flux density", "nT", "T"),
                      Reference(id="emulated scalar magnetometer", description="field known from the scene",
                                u=0.5, unit="nT", enters="parameters"), model)


def scalar_magnetometer_certificate(device: Identity, channel: str, wall_s: float) -> Statement:
    """Return the certificate of an emulated total-field magnetometer without errors."""
    line = ChannelLine(channel=channel, scale=1e-9, u_scale=1e-14, offset=0.0, u_offset=5e-10, u_noise=0.04)
    return _statement(device, wall_s, ("magnetic flux density", "nT", "T"),
                      Reference(id="emulated scalar magnetometer", description="field known from the scene",
                                u=0.5, unit="nT", enters="parameters"), ScaleOffset(channels=(line,)))


def oven_certificate(device: Identity, channel: str, wall_s: float) -> Statement:
    """Return the certificate of an emulated oven controller, degC to K. Its display shows tenths of a degree."""
    line = ChannelLine(channel=channel, scale=1.0, u_scale=2e-4, offset=CELSIUS_ZERO_K, u_offset=0.05,
                       u_noise=0.1 / math.sqrt(12.0))
    return _statement(device, wall_s, ("temperature", "degC", "K"),
                      Reference(id="emulated Pt100", description="temperature known from the emulator",
                                u=0.02, unit="K", enters="value"), ScaleOffset(channels=(line,)))


def _statement(device: Identity, wall_s: float, units: tuple[str, str, str], reference: Reference,
               model: Correction) -> Statement:
    issued = utc(wall_s).replace(microsecond=0)
    return Statement(
        schema=SCHEMA, id=f"EMULATED-{device.serial}-{issued:%Y%m%d}", issued=issued, valid_from=issued,
        valid_until=issued + timedelta(days=VALID_DAYS), quantity=units[0], unit_in=units[1], unit_out=units[2],
        procedure="values of the emulator, not measured", environment="emulated instrument",
        operator_role="demonstration", reference=reference, model=model,
        instrument=Subject(make=device.make, model=device.model, serial=device.serial))

"""State a vector magnetometer's fit as a certificate. Pure: the time of issue is an argument.

The parameters' uncertainties contain the reference already, and the certificate says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from calibration.certificate import SCHEMA, Reference, Statement, Subject, utc
from calibration.vector_magnetometer import vector_correction

if TYPE_CHECKING:
    from calibration.vector_field import Floats
    from calibration.vector_magnetometer import ScalarReference, VectorFit
    from drivers.sample import Identity


@dataclass(frozen=True, slots=True)
class Issue:
    """Who issues, when (seconds since 1970), for how long, and what the reference was."""

    wall_s: float
    valid_days: int
    reference_standard: str
    environment: str
    operator_role: str


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The sensor and what its session found; `row_noise` is the spread of one row on each axis, nT [3]."""

    device: Identity
    channels: tuple[str, str, str]
    reference: ScalarReference
    fit: VectorFit
    row_noise: Floats


def vector_statement(found: Calibrated, issue: Issue) -> Statement:
    """Return what the certificate of this fit states."""
    issued = utc(issue.wall_s).replace(microsecond=0)
    fit, device = found.fit, found.device
    return Statement(
        schema=SCHEMA, id=f"VM-{device.serial}-{issued:%Y%m%dT%H%M%SZ}", issued=issued, valid_from=issued,
        valid_until=issued + timedelta(days=issue.valid_days), quantity="magnetic flux density", unit_in="nT",
        unit_out="T", environment=issue.environment, operator_role=issue.operator_role,
        procedure=(f"nine parameters from a scalar reference; {len(fit.residuals)} attitudes, "
                   f"{len(fit.outliers)} outliers left out, residual rms {fit.residual_rms:.3g} nT, "
                   f"condition number {fit.condition:.3g}, noise raised by {fit.birge:.3g}"),
        instrument=Subject(make=device.make, model=device.model, serial=device.serial),
        reference=Reference(id=issue.reference_standard,
                            description=f"magnitude of the field at the place, {found.reference.field!r} nT",
                            u=found.reference.u, unit="nT", enters="parameters"),
        model=vector_correction(fit, found.channels, found.row_noise))

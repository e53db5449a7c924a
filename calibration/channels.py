"""Apply a certificate to the columns of a sample and carry its uncertainties along. Pure arithmetic.

The law of propagation (JCGM 100:2008, 5.1.2 and 5.2.2): u^2 = J C J' with the parameters' covariance C,
plus the noise of one row and, where the certificate says it enters the value, the reference standard. A
channel has one u for all rows of a reading: that of its worst row, so it holds for every row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.correction import NqrHead, ScaleOffset, VectorMagnetometer
from calibration.units import TESLA_PER
from calibration.vector_field import NineParameters, correct, correction_matrix, derivatives

if TYPE_CHECKING:
    from calibration.certificate import Statement
    from calibration.correction import ChannelLine
    from calibration.vector_field import Floats
    from drivers.sample import Channel, Sample


def why_unlike(sample: Sample, statement: Statement) -> str:
    """Return why the certificate does not fit this sample's channels, quantity or unit; empty if it does."""
    wanted = certified_channels(statement)
    if not wanted:
        return f"certificate {statement.id} is for the scans of an NQR head, not for stream {sample.stream}"
    have = {channel.name: channel for channel in sample.channels}
    if sample.values.ndim != 2 or sample.values.shape[1] != len(sample.channels):
        return f"stream {sample.stream} delivered values {sample.values.shape} for {len(have)} channels"
    for name in wanted:
        if name not in have:
            return (f"certificate {statement.id} is for channel {name}; stream {sample.stream} has "
                    f"{', '.join(have) or 'none'}")
        quantity, unit = have[name].quantity or "an unnamed quantity", have[name].unit or "no unit"
        if (quantity, unit) != (statement.quantity, statement.unit_in):
            return (f"certificate {statement.id} is for {statement.quantity} in {statement.unit_in}; "
                    f"channel {name} delivers {quantity} in {unit}")
    return ""


def certified_channels(statement: Statement) -> tuple[str, ...]:
    """Return the names of the channels a certificate is for; none for an NQR head."""
    if isinstance(statement.model, ScaleOffset):
        return tuple(line.channel for line in statement.model.channels)
    return statement.model.channels if isinstance(statement.model, VectorMagnetometer) else ()


def stated_u(sample: Sample) -> Floats:
    """Return a copy of the uncertainties [channels] that the sample's source states, NaN where it states none."""
    return np.full(sample.values.shape[-1], np.nan) if sample.u is None else sample.u.copy()


def calibrated_channels(sample: Sample, statement: Statement) -> tuple[tuple[Channel, ...], Floats, Floats]:
    """Return channels, values [rows, channels] and u [channels] of a sample that fits the certificate."""
    names = [channel.name for channel in sample.channels]
    index = [names.index(name) for name in certified_channels(statement)]
    values, u = sample.values.astype(np.float64), stated_u(sample)
    values[:, index], u[index] = _converted(sample.values[:, index], statement)
    channels = tuple(replace(channel, unit=statement.unit_out) if at in index else channel
                     for at, channel in enumerate(sample.channels))
    return channels, values, u


def _converted(readings: Floats, statement: Statement) -> tuple[Floats, Floats]:
    u_reference = statement.reference.u if statement.reference.enters == "value" else 0.0
    if isinstance(statement.model, ScaleOffset):
        return _straight_lines(readings, statement.model.channels, u_reference)
    if isinstance(statement.model, NqrHead):
        raise TypeError("the certificate of an NQR head has no channels")  # why_unlike has refused it before
    return _vector(readings, statement.model, TESLA_PER[statement.unit_in], u_reference)


def _straight_lines(readings: Floats, lines: tuple[ChannelLine, ...],
                    u_reference: float) -> tuple[Floats, Floats]:
    table = np.array([(x.scale, x.u_scale, x.offset, x.u_offset, x.u_noise, x.correlation) for x in lines])
    scale, u_scale, offset, u_offset, u_noise, correlation = table.T
    along = readings * u_scale
    variance = along**2 + u_offset**2 + 2.0 * correlation * along * u_offset
    variance += (scale * u_noise)**2 + u_reference**2
    return readings * scale + offset, _worst(variance)


def _vector(readings: Floats, model: VectorMagnetometer, si: float,
            u_reference: float) -> tuple[Floats, Floats]:
    """Return the field in tesla; `si` is tesla per unit of the readings, `u_reference` in tesla."""
    p = NineParameters(np.array(model.offset), np.array(model.scale), np.array(model.angle_rad))
    slopes = derivatives(readings, p)
    variance = np.einsum("nij,jk,nik->ni", slopes, _covariance(model), slopes, optimize=True)
    variance += correction_matrix(p)**2 @ np.array(model.u_noise)**2
    return correct(readings, p) * si, _worst(variance * si**2 + u_reference**2)


def _covariance(model: VectorMagnetometer) -> Floats:
    u = np.array([*model.u_offset, *model.u_scale, *model.u_angle_rad])
    correlation = np.eye(9) if model.correlation is None else np.array(model.correlation)
    return np.asarray(correlation * np.outer(u, u))


def _worst(variance: Floats) -> Floats:
    """Return the standard uncertainty of each column's worst finite row, NaN where there is none."""
    finite = np.isfinite(variance)
    worst = np.where(finite, variance, 0.0).max(axis=0, initial=0.0)  # rounding may give a variance of -1e-30
    return np.asarray(np.where(finite.any(axis=0), np.sqrt(worst), np.nan))

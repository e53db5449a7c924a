"""Write a certificate as tidy TOML with a comment beside what a reader may not know.

Reading the text back gives an equal statement: numbers are written in full precision.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

from calibration.correction import NqrHead, ScaleOffset, VectorMagnetometer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from calibration.certificate import Statement


def certificate_text(s: Statement) -> str:
    """Return the certificate file for a statement."""
    return "\n".join([*_head(s), "", *_model(s)]) + "\n"


def _head(s: Statement) -> Iterator[str]:
    yield "# Calibration certificate. Its digest is the SHA-256 of this file's bytes: any edit makes another"
    yield "# certificate. Every u is a standard uncertainty (k = 1). Times are UTC."
    yield f"schema = {s.schema}"
    yield f"id = {_text(s.id)}"
    yield f"issued = {_moment(s.issued)}"
    yield f"valid_from = {_moment(s.valid_from)}"
    yield f"valid_until = {_moment(s.valid_until)}    # from this moment on the readings are uncalibrated"
    for key in ("quantity", "unit_in", "unit_out", "procedure", "environment", "operator_role"):
        yield f"{key} = {_text(getattr(s, key))}"
    yield from ("", "[instrument]    # spelt as the instrument itself tells it")
    for key in ("make", "model", "serial"):
        yield f"{key} = {_text(getattr(s.instrument, key))}"
    yield from ("", "[reference]")
    yield f"id = {_text(s.reference.id)}"
    yield f"description = {_text(s.reference.description)}"
    yield f"u = {_number(s.reference.u)}"
    yield f"unit = {_text(s.reference.unit)}"
    yield f"enters = {_text(s.reference.enters)}    # parameters: already inside their u; value: added to it"


def _model(s: Statement) -> Iterator[str]:
    yield "[model]"
    if isinstance(s.model, ScaleOffset):
        yield from _scale_offset(s.model, s.unit_in, s.unit_out)
    elif isinstance(s.model, VectorMagnetometer):
        yield from _vector(s.model, s.unit_in)
    else:
        yield from _head_gain(s.model)


def _scale_offset(model: ScaleOffset, unit_in: str, unit_out: str) -> Iterator[str]:
    yield 'kind = "scale-offset"    # out = scale * in + offset'
    for line in model.channels:
        yield from ("", "[[model.channels]]")
        yield f"channel = {_text(line.channel)}"
        yield f"scale = {_number(line.scale)}    # {unit_out} per {unit_in}"
        yield f"u_scale = {_number(line.u_scale)}"
        yield f"offset = {_number(line.offset)}    # {unit_out}"
        yield f"u_offset = {_number(line.u_offset)}"
        yield f"u_noise = {_number(line.u_noise)}    # {unit_in}, a single reading"
        yield f"correlation = {_number(line.correlation)}    # of scale and offset"


def _vector(model: VectorMagnetometer, unit_in: str) -> Iterator[str]:
    yield 'kind = "vector-magnetometer"    # reading = S P field + offset; S = diag(scale)'
    yield "# P = [[1, 0, 0], [-sin a1, cos a1, 0], [sin a2, sin a3, sqrt(1 - sin^2 a2 - sin^2 a3)]]"
    yield f"channels = [{', '.join(map(_text, model.channels))}]"
    for key, remark in (("offset", unit_in), ("u_offset", unit_in), ("scale", "reading over true field"),
                        ("u_scale", ""), ("angle_rad", "a1, a2, a3"), ("u_angle_rad", ""),
                        ("u_noise", f"{unit_in}, one row")):
        yield f"{key} = {_numbers(getattr(model, key))}" + (f"    # {remark}" if remark else "")
    if model.correlation is not None:
        yield "correlation = [    # offset x y z, scale x y z, a1 a2 a3"
        for row in model.correlation:
            yield f"  {_numbers(row)},"
        yield "]"


def _head_gain(model: NqrHead) -> Iterator[str]:
    yield 'kind = "nqr-head"    # counts per fT, straight lines between the frequencies, none beyond'
    yield f"u_repeatability_relative = {_number(model.u_repeatability_relative)}"
    for point in model.points:
        yield from ("", "[[model.points]]")
        yield f"frequency_khz = {_number(point.frequency_khz)}"
        for key in ("magnitude", "u_magnitude_relative", "phase_rad", "u_phase_rad"):
            yield f"{key} = {_numbers(getattr(point, key))}"


def _numbers(values: Iterable[float]) -> str:
    return "[" + ", ".join(map(_number, values)) + "]"


def _number(value: float) -> str:
    """Return all digits; a numpy number would otherwise write its type's name."""
    return repr(float(value))


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(text: str) -> str:
    """Quote a line. A JSON string without control characters is a TOML basic string (TOML 1.0)."""
    return json.dumps(text, ensure_ascii=False)

"""A certificate file is read whole or refused with file, key, value and rule; never half."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.certificate import (
    FILE_BYTES_MAX,
    CertificateRefused,
    Statement,
    parse_certificate,
    read_certificate,
)
from calibration.certificate_text import certificate_text
from calibration.correction import ChannelLine, ScaleOffset

if TYPE_CHECKING:
    from pathlib import Path

FULL = st.floats(min_value=-1e18, max_value=1e18, allow_nan=False)
LINES = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)


@pytest.mark.parametrize("kind", ["oven", "vector", "head"])
def test_a_written_certificate_reads_back_equal(kind: str, request: pytest.FixtureRequest) -> None:
    """Every number survives in full precision, and the text carries its comments."""
    statement: Statement = request.getfixturevalue(kind)
    text = certificate_text(statement)
    assert parse_certificate(text.encode(), "x").statement == statement
    assert "standard uncertainty (k = 1)" in text
    assert max(map(len, text.splitlines())) < 400


@settings(max_examples=60, deadline=None)
@given(offset=FULL, u=st.floats(min_value=0.0, max_value=1e18), name=LINES, identity=LINES)
def test_any_legal_value_and_any_printable_line_survives_writing(offset: float, u: float, name: str,
                                                                 identity: str) -> None:
    """Quotes, backslashes and extreme numbers do not break the file."""
    line = ChannelLine(name, 1.0, 0.0, offset, u, 0.0)
    base = {"schema": 1, "id": identity, "issued": "2026-01-01T00:00:00Z", "valid_from": "2026-01-01T00:00:00Z",
            "valid_until": "2027-01-01T00:00:00Z", "quantity": name, "unit_in": "a", "unit_out": "b",
            "procedure": name, "environment": name, "operator_role": name,
            "instrument": {"make": name, "model": name, "serial": name},
            "reference": {"id": name, "description": name, "u": u, "unit": "b", "enters": "value"},
            "model": {"kind": "scale-offset", "channels": [msgspec.to_builtins(line)]}}
    statement = msgspec.convert(base, Statement)
    assert parse_certificate(certificate_text(statement).encode(), "x").statement == statement
    assert statement.model == ScaleOffset((line,))


def test_the_digest_is_that_of_the_bytes_as_received(oven: Statement, tmp_path: Path) -> None:
    """A comment or a blank changes the digest though it changes no value."""
    received = certificate_text(oven).encode() + b"# a remark\n"
    path = tmp_path / "oven.toml"
    path.write_bytes(received)
    certificate = read_certificate(path)
    assert certificate.sha256 == hashlib.sha256(received).digest()
    assert certificate.statement == oven


def _refusal(statement: Statement, change: dict[str, Any]) -> CertificateRefused:
    """Return the refusal of a certificate in which values at dotted keys were replaced (None: removed)."""
    tree = msgspec.json.decode(msgspec.json.encode(statement))
    for key, value in change.items():
        *way, last = [int(step) if step.isdigit() else step for step in key.split(".")]
        at = tree
        for step in way:
            at = at[step]
        if value is None:
            del at[last]
        else:
            at[last] = value
    with pytest.raises(CertificateRefused) as refused:
        parse_certificate("\n".join(f"{key} = {_toml(value)}" for key, value in tree.items()).encode(),
                          "bay/oven.toml")
    return refused.value


def _toml(value: object) -> str:
    """Return any value as TOML on one line, also those that no certificate may hold."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float | datetime):
        return str(value)
    return json.dumps(value)


@pytest.mark.parametrize(("change", "key", "value", "rule"), [
    ({"schema": 2}, "schema", "2", "Invalid enum value"),
    ({"id": None}, "id", "(absent)", "required"),
    ({"id": ""}, "id", "''", "length >= 1"),
    ({"id": "a\nb"}, "id", "'a\\nb'", "regex"),
    ({"id": "x" * 301}, "id", "xxx", "length <= 300"),
    ({"colour": "red"}, "colour", "'red'", "unknown key"),
    ({"issued": "yesterday"}, "issued", "'yesterday'", "RFC3339"),
    ({"valid_from": datetime(2026, 1, 1)}, "valid_from", "2026-01-01", "timezone"),  # noqa: DTZ001  the point
    ({"valid_until": "2027-03-01T12:00:00+02:00"}, "valid_until", "+02:00", "must be UTC"),
    ({"valid_until": "2026-03-01T12:00:00Z"}, "valid_until", "2026-03-01", "after valid_from"),
    ({"valid_until": "2126-03-01T12:00:00Z"}, "valid_until", "2126-03-01", "3660 days"),
    ({"issued": "2028-03-01T12:00:00Z"}, "issued", "2028-03-01", "before valid_until"),
    ({"unit_in": 7}, "unit_in", "7", "Expected `str`"),
    ({"instrument.serial": None}, "instrument.serial", "(absent)", "required"),
    ({"instrument.seriel": "x"}, "instrument.seriel", "'x'", "unknown key"),
    ({"reference.u": -1.0}, "reference.u", "-1.0", ">= 0.0"),
    ({"reference.enters": "both"}, "reference.enters", "'both'", "Invalid enum value"),
    ({"reference.unit": "nT"}, "reference.unit", "'nT'", "must be 'K'"),
    ({"model.kind": "polynomial"}, "model.kind", "'polynomial'", "Invalid value"),
    ({"model.channels": []}, "model.channels", "[]", "length >= 1"),
    ({"model.channels.0.scale": 0.0}, "model.channels[0].scale", "0.0", "> 0.0"),
    ({"model.channels.0.scale": "1"}, "model.channels[0].scale", "'1'", "Expected `float`"),
    ({"model.channels.0.offset": float("nan")}, "model.channels[0].offset", "nan", ">="),
    ({"model.channels.0.offset": float("inf")}, "model.channels[0].offset", "inf", "<="),
    ({"model.channels.0.correlation": 1.5}, "model.channels[0].correlation", "1.5", "<= 1.0"),
    ({"model.channels.1.u_noise": None}, "model.channels[1].u_noise", "(absent)", "required"),
    ({"model.channels.1.channel": "process_value"}, "model.channels", "process_value", "named once"),
])
def test_a_wrong_value_is_refused_with_key_value_and_rule(oven: Statement, change: dict[str, Any], key: str,
                                                          value: str, rule: str) -> None:
    """The message alone lets a technician repair the file."""
    refused = _refusal(oven, change)
    assert (refused.name, refused.key) == ("bay/oven.toml", key)
    assert value in refused.value
    assert rule in refused.rule
    assert str(refused) == f"bay/oven.toml: {key} = {refused.value}: {refused.rule}"


@pytest.mark.parametrize(("change", "key", "rule"), [
    ({"unit_in": "gauss"}, "unit_in", "must be one of T, mT, uT, nT, pT, fT"),
    ({"unit_out": "nT"}, "unit_out", "must be 'T'"),
    ({"model.offset": [1.0, 2.0]}, "model.offset", "length 3"),
    ({"model.angle_rad.1": 0.7}, "model.angle_rad[1]", "<= 0.5"),
    ({"model.channels.2": "vector.x"}, "model.channels", "named once"),
    ({"model.correlation.3": [0.0] * 8}, "model.correlation[3]", "length >= 9"),
    ({"model.correlation.3.3": 0.5}, "model.correlation", "1 on its diagonal"),
    ({"model.correlation.3.4": 1.0}, "model.correlation", "symmetric"),
    ({"model.correlation": (2.0 * np.eye(9) - 1.0).tolist()}, "model.correlation", "negative eigenvalue"),
])
def test_a_magnetometer_certificate_is_checked_between_its_fields(vector: Statement, change: dict[str, Any],
                                                                  key: str, rule: str) -> None:
    """Units, axes and correlations must be possible together."""
    refused = _refusal(vector, change)
    assert refused.key == key
    assert rule in refused.rule


@pytest.mark.parametrize(("change", "key", "rule"), [
    ({"unit_out": "T"}, "unit_in", "'fT' (unit_out)"),
    ({"reference.unit": "fT"}, "reference.unit", "must be '1'"),
    ({"model.points.1.frequency_khz": 400.0}, "model.points[1].frequency_khz", "must rise"),
    ({"model.points.1.magnitude": [40.0] * 7}, "model.points[1].magnitude", "length >= 8"),
    ({"model.points.0.u_phase_rad": [0.1] * 9}, "model.points[0].u_phase_rad", "length <= 8"),
    ({"model.u_repeatability_relative": 2.0}, "model.u_repeatability_relative", "<= 1.0"),
])
def test_a_head_certificate_is_checked_between_its_fields(head: Statement, change: dict[str, Any], key: str,
                                                          rule: str) -> None:
    """Eight channels at rising frequencies, counts to fT."""
    refused = _refusal(head, change)
    assert refused.key == key
    assert rule in refused.rule


@pytest.mark.parametrize(("received", "rule"), [
    (b"", "required, but missing"),
    (b"\xff\xfe\x00", "not a TOML file"),
    (b"a = [" * 20, "not a TOML file"),
    (b"a = " + b"[" * 100_000, "not a TOML file"),
    (b"a = " + b"9" * 10_000, "not a TOML file"),
    (b"# " + b"x" * FILE_BYTES_MAX, f"larger than {FILE_BYTES_MAX} bytes"),
])
def test_what_is_no_certificate_at_all_is_refused_and_never_crashes(received: bytes, rule: str) -> None:
    """Nesting, digits and size from a hostile file end in the same clear refusal."""
    with pytest.raises(CertificateRefused, match=r"^junk") as refused:
        parse_certificate(received, "junk")
    assert rule in refused.value.rule


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_read_with_another_digest(data: st.DataObject) -> None:
    """No damage to the file raises anything but the refusal, and none keeps the digest."""
    line = ChannelLine("pv", 1.0, 0.1, 273.15, 0.1, 0.1)
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    statement = msgspec.convert({
        "schema": 1, "id": "a", "issued": moment, "valid_from": moment, "valid_until": moment + timedelta(days=9),
        "quantity": "temperature", "unit_in": "degC", "unit_out": "K", "procedure": "p", "environment": "e",
        "operator_role": "r", "instrument": {"make": "m", "model": "n", "serial": "s"},
        "reference": {"id": "r", "description": "d", "u": 0.1, "unit": "K", "enters": "value"},
        "model": {"kind": "scale-offset", "channels": [msgspec.to_builtins(line)]}}, Statement)
    text = bytearray(certificate_text(statement).encode())
    whole = parse_certificate(bytes(text), "x")
    text[data.draw(st.integers(0, len(text) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        damaged = parse_certificate(bytes(text), "x")
    except CertificateRefused:
        return
    assert damaged.sha256 != whole.sha256

"""The lane's network: shipped whole, refused when damaged, a label and nothing more."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.lane.anderson import functions
from gateway.lane.anomaly import PassDetector
from gateway.lane.pass_model import MODEL_BYTES_MAX, SHIPPED, LateModel, PassModelRefused, load
from gateway.lane.pass_portrait import SHAPE, portrait
from hil.bench.lane import reading

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.detection.verdict import Anomaly

STEP_S = 0.2
RATE_HZ = 20


def picture_of(field: np.ndarray, seed: int = 1) -> np.ndarray:
    """The picture of 61 steps of a field in units of white noise, with a pass of one second taken out."""
    white = field + np.random.default_rng(seed).standard_normal(field.shape)
    basis = np.linalg.qr(functions(1.0, STEP_S, -30, 30))[0]
    return portrait(white, white - basis @ (basis.T @ white), 1.0)


def test_a_turned_sensor_gives_the_same_picture() -> None:
    """Principal components do not know how the sensor stands; only their residual's maximum may differ a little."""
    rng = np.random.default_rng(2)
    white = 20.0 * functions(1.0, STEP_S, -30, 30) @ rng.standard_normal((3, 3)) + rng.standard_normal((61, 3))
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    for scale in (white[:, :1], white):
        assert portrait(scale, 0 * scale, 1.0).shape == SHAPE
    assert portrait(white @ turn, 0 * white, 1.0) == pytest.approx(portrait(white, 0 * white, 1.0), abs=1e-5)


@pytest.mark.parametrize("rows", [7, 61, 64, 241])
def test_windows_of_any_length_give_finite_pictures_of_one_size(rows: int) -> None:
    """From the shortest to the longest scale of the bank, quiet, huge or constant."""
    for white in (np.zeros((rows, 1)), np.full((rows, 3), 1e9), np.random.default_rng(1).standard_normal((rows, 2))):
        picture = portrait(white, white, 0.25)
        assert picture.shape == SHAPE
        assert np.isfinite(picture).all()


def test_the_shipped_network_tells_a_pass_from_a_step_and_a_spike() -> None:
    """Clean examples at 30 times the noise lie on their own sides of a half."""
    model, at = load(SHIPPED), np.arange(61) - 30
    rng = np.random.default_rng(3)
    passing = functions(1.0, STEP_S, -30, 30) @ rng.standard_normal((3, 3))
    step, spike = np.outer(at > 0, (1.0, 0.4, -0.3)), np.outer(at == 0, (1.0, 0.4, -0.3))
    like = [model.likeness(picture_of(30.0 * one / np.abs(one).max())).passing for one in (passing, step, spike)]
    assert like[0] > 0.5, like
    assert max(like[1:]) < 0.2, like


def test_the_package_is_small_and_a_damaged_one_is_refused_without_being_run(tmp_path: Path) -> None:
    """Under 200 kB; a changed byte of the network or an unknown key of the card stops it before the interpreter."""
    assert (SHIPPED / "lane.tflite").stat().st_size < MODEL_BYTES_MAX
    shutil.copytree(SHIPPED, tmp_path / "lane")
    network, card = tmp_path / "lane" / "lane.tflite", tmp_path / "lane" / "lane.toml"
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    with pytest.raises(PassModelRefused, match="digest"):
        load(tmp_path / "lane")
    card.write_text("surprise = 1\n" + card.read_text())
    with pytest.raises(PassModelRefused, match="surprise"):
        load(tmp_path / "lane")


def told(detector: PassDetector) -> Anomaly:
    """The strongest moment of a strong pass in white noise, measured."""
    rng = np.random.default_rng(4)
    u = np.arange(40 * RATE_HZ) / RATE_HZ - 32.0
    field = rng.standard_normal((len(u), 3)) + 40.0 * np.outer((1 + u * u) ** -2.5, (1.0, -0.5, 0.2))
    best = None
    for second in range(40):
        found = detector.feed(reading(field[second * RATE_HZ:(second + 1) * RATE_HZ], second))
        if found is not None and (best is None or found.energy > best.energy):
            best = detector.measured(found)
    assert best is not None
    return best


def test_the_network_changes_nothing_but_the_label(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Energy, threshold and passage are the same with it, without it and where it is missing, which is logged once."""
    missing = LateModel(tmp_path)
    with caplog.at_level(logging.WARNING):
        plain, without = told(PassDetector()), told(PassDetector(labeller=missing))
        told(PassDetector(labeller=missing))
    labelled = told(PassDetector(labeller=LateModel()))
    assert plain == without == replace(labelled, likeness=None)
    assert labelled.likeness is not None
    assert labelled.likeness.passing > 0.5
    assert sum("network" in record.message for record in caplog.records) == 1

"""Train the classifier and write its package: `make train`. Its own environment: TensorFlow.

Three seeds, three sets: what trains never calibrates, what calibrates never measures.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import tensorflow as tf

from gateway.detection.model_card import (
    SCENE_CLASSES,
    SCHEMA,
    Card,
    SelfTest,
    Training,
    self_test_inputs,
)
from gateway.detection.portrait import LAYOUT
from gateway.detection.runtime import TfliteNetwork
from hil.training.card_page import page_of
from hil.training.card_text import toml_of
from hil.training.examples import SUBSTANCES
from hil.training.field_trial import field_trial
from hil.training.gather import Gathered, gather
from hil.training.measure import measured, pd_at
from hil.training.network import REPRESENTATIVE, build, export, train, turned
from hil.training.thresholds import find_thresholds, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.model_card import Thresholds

SEED_TRAIN: Final = 101
SEED_CALIBRATION: Final = 202
SEED_TEST: Final = 505
SCANS_TRAIN: Final = 9_000
SCANS_CALIBRATION: Final = 4_000
SCANS_TEST: Final = 5_000
PACKAGE: Final = Path(__file__).parents[2] / "gateway" / "models" / "nqr"
PAGE: Final = Path(__file__).parents[2] / "docs" / "model-card.md"
# Pd on the calibration set by which int8 would have to be better.
INT8_GAIN: Final = 0.005
VERSION: Final = "1"
# Between runtimes float32 differs by rounding only, int8 by one step of its logits.
TOLERANCE: Final = {"float32": 1e-3, "int8": 0.1}


def words() -> argparse.Namespace:
    """Return the command line. A share of the scans shows that the way works; it makes no classifier."""
    parser = argparse.ArgumentParser(description="train the classifier from its seeds")
    parser.add_argument("scratch", type=Path, help="folder for emulated scans, kept between runs")
    parser.add_argument("--share", type=float, default=1.0, help="use this share of the scans (1); needs --out")
    parser.add_argument("--out", type=Path, help="write model, card and page there, not over the shipped ones")
    arguments = parser.parse_args()
    if not 0 < arguments.share <= 1:
        parser.error(f"--share {arguments.share:g}: must be above 0 and at most 1")
    if arguments.share < 1 and arguments.out is None:
        parser.error("--share needs --out: a classifier of fewer scans must not take the shipped one's place")
    return arguments


def main() -> None:
    """Gather, train, export both ways, calibrate and measure both, keep the better."""
    said = words()
    scratch, share = said.scratch, said.share
    data = gather(scratch, SEED_TRAIN, round(share * SCANS_TRAIN), with_likelihood=False)
    tf.keras.utils.set_random_seed(SEED_TRAIN)
    model = build(len(SUBSTANCES))
    train(model, data.pictures, data.wanted, data.weight, SEED_TRAIN)
    pictures = turned(data.pictures[:REPRESENTATIVE].astype(np.float32), np.random.default_rng(SEED_TRAIN))
    calibration = gather(scratch, SEED_CALIBRATION, round(share * SCANS_CALIBRATION), with_likelihood=True)
    test = gather(scratch, SEED_TEST, round(share * SCANS_TEST), with_likelihood=True)
    made = {"float32": export(model), "int8": export(model, pictures)}
    found = {kind: _calibrated(content, calibration) for kind, content in made.items()}
    for kind, (thresholds, pd) in found.items():
        sys.stdout.write(f"{kind}: {len(made[kind])} bytes, Pd on the calibration set {pd:.4f}, {thresholds}\n")
    # int8 must earn its place: one step of its logits moves a probability by up to 0.2 between two runtimes.
    kind = "int8" if found["int8"][1] > found["float32"][1] + INT8_GAIN else "float32"
    folder = said.out or PACKAGE
    sizes = (len(data.truths), len(calibration.truths), len(test.truths))
    _write(folder, (made[kind], kind), found[kind][0], test, (*sizes, model.count_params()))


def answers_of(content: bytes, data: Gathered) -> NDArray[np.float32]:
    """The network's outputs on a whole set, through the interpreter that serves."""
    network = TfliteNetwork(content)
    return np.array([network.score(picture.astype(np.float32)) for picture in data.pictures])


def _calibrated(content: bytes, calibration: Gathered) -> tuple[Thresholds, float]:
    answers = answers_of(content, calibration)
    thresholds = find_thresholds(calibration, answers)
    return thresholds, pd_at(calibration, judge(calibration, answers, thresholds))


def _write(folder: Path, made: tuple[bytes, str], thresholds: Thresholds, test: Gathered,
           numbers: tuple[int, int, int, int]) -> None:
    """Write the package: model, card, and the measured figures in it.

    `made` is the model and its number format, `numbers` the sizes of the three sets and the count of parameters.
    """
    content, kind = made
    folder.mkdir(parents=True, exist_ok=True)
    network = TfliteNetwork(content)
    answer = np.concatenate([network.score(picture) for picture in self_test_inputs()])
    card = Card(
        schema=SCHEMA, name="nqr", version=VERSION, file="nqr.tflite", sha256=hashlib.sha256(content).hexdigest(),
        layout=LAYOUT, outputs=(*SUBSTANCES, *SCENE_CLASSES), thresholds=thresholds,
        self_test=SelfTest(tuple(round(float(v), 6) for v in answer), TOLERANCE[kind]),
        training=Training(f"hil/training/train.py, exported as {kind}", tf.__version__, SEED_TRAIN, SEED_CALIBRATION,
                          SEED_TEST, *numbers),
        measured=measured(test, answers_of(content, test), thresholds),
        assumptions=ASSUMPTIONS)
    (folder / card.file).write_bytes(content)
    (folder / "model.toml").write_text(toml_of(card))
    # The card pins the model, so the named scenes are tried with what was just written, and then added to it.
    card = msgspec.structs.replace(card, measured=(*card.measured, *field_trial(folder)))
    (folder / "model.toml").write_text(toml_of(card))
    (PAGE if folder == PACKAGE else folder / "model-card.md").write_text(page_of(card))


ASSUMPTIONS: Final = (
    "every scan is emulated: no recording of a real 14N signal was available",
    "line positions are exactly those of the table; only temperature and slope move them",
    "T1, T2e, T2* and slopes that the table marks as priors are what the priors say",
    "a load is a point dipole on or near the axis, pure and crystalline",
    "sensor noise has the density of tier A, B or C, coloured as a tuned sensor's, and is Gaussian",
    "stations are carriers with one pair of sidebands; ringing is one exponential at the carrier",
)

if __name__ == "__main__":
    main()

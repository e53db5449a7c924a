"""Train the lane's network and write its package: `python -m hil.training.lane`. Its own environment: TensorFlow.

What trains never calibrates, and what measures is drawn by the bench from other distributions.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf

from gateway.detection.runtime import TfliteNetwork
from gateway.lane.pass_card import SCHEMA, Calibration, PassCard, SelfTest, Training, self_test_inputs
from gateway.lane.pass_portrait import LAYOUT
from hil.training.card_text import text_of
from hil.training.lane_calibration import calibrate, calibrated, log_loss
from hil.training.lane_events import draw_event
from hil.training.lane_flagged import Flagged, flagged
from hil.training.lane_network import build, export, train

SEED_TRAIN: Final = 11
SEED_CALIBRATION: Final = 22
EVENTS_TRAIN: Final = 4_000
EVENTS_CALIBRATION: Final = 1_500
REPRESENTATIVE: Final = 300
PACKAGE: Final = Path(__file__).parents[2] / "gateway" / "models" / "lane"
VERSION: Final = "1"
# Log loss on the calibration set by which int8 would have to be better: float32 is small and fast enough.
INT8_GAIN: Final = 0.01
# Between runtimes float32 differs by rounding only, int8 by one step of its output.
TOLERANCE: Final = {"float32": 1e-3, "int8": 0.1}
ASSUMPTIONS: Final = (
    "every event is emulated; half of them are passes, so a probability of a half is where nothing is known",
    "a disturbance is a step, a door, a glitch, a load on the mains, a swaying mast or a long vehicle",
    "a pass is one to three dipoles carried past, also turning, swinging and off a straight line",
    "quiet noise is white with a 1/f part and Gaussian",
)


def words() -> argparse.Namespace:
    """Return the command line. A share of the events shows that the way works; it makes no network."""
    parser = argparse.ArgumentParser(description="train the lane's network from its seeds")
    parser.add_argument("--share", type=float, default=1.0, help="use this share of the events (1); needs --out")
    parser.add_argument("--out", type=Path, help="write network and card there, not over the shipped ones")
    arguments = parser.parse_args()
    if not 0 < arguments.share <= 1:
        parser.error(f"--share {arguments.share:g}: must be above 0 and at most 1")
    if arguments.share < 1 and arguments.out is None:
        parser.error("--share needs --out: a network of fewer events must not take the shipped one's place")
    return arguments


def main() -> None:
    """Draw, train, export both ways, calibrate both, keep the better."""
    said = words()
    learnt = events(SEED_TRAIN, round(said.share * EVENTS_TRAIN))
    kept = events(SEED_CALIBRATION, round(said.share * EVENTS_CALIBRATION))
    tf.keras.utils.set_random_seed(SEED_TRAIN)
    model = build()
    pictures = np.stack([one.picture for one in learnt])
    train(model, pictures, np.array([one.event.passed for one in learnt], np.float32))
    passed = np.array([one.event.passed for one in kept])
    made, losses = {"float32": export(model), "int8": export(model, pictures[:REPRESENTATIVE])}, {}
    found: dict[str, Calibration] = {}
    for kind, content in made.items():
        outputs = answers_of(content, np.stack([one.picture for one in kept]))
        found[kind] = calibrate(outputs, passed)
        losses[kind] = log_loss(calibrated(outputs, found[kind]), passed)
        sys.stdout.write(f"{kind}: {len(content)} bytes, log loss {losses[kind]:.4f}, {found[kind]}\n")
    kind = "int8" if losses["int8"] < losses["float32"] - INT8_GAIN else "float32"
    sizes = (len(learnt), len(kept), int(model.count_params()))
    _write(said.out or PACKAGE, (made[kind], kind), found[kind], sizes)


def events(seed: int, count: int) -> list[Flagged]:
    """Return the events of a seed that the search flags."""
    return list(flagged(np.random.default_rng(seed), count, draw_event))


def answers_of(content: bytes, pictures: np.ndarray) -> np.ndarray:
    """Return the network's raw output for each picture, through the interpreter that serves."""
    network = TfliteNetwork(content)
    return np.array([float(network.score(picture)[0]) for picture in pictures])


def _write(folder: Path, made: tuple[bytes, str], calibration: Calibration, sizes: tuple[int, int, int]) -> None:
    content, kind = made
    folder.mkdir(parents=True, exist_ok=True)
    expected = tuple(round(float(one), 6) for one in answers_of(content, self_test_inputs()))
    card = PassCard(
        schema=SCHEMA, name="lane", version=VERSION, file="lane.tflite", sha256=hashlib.sha256(content).hexdigest(),
        layout=LAYOUT, calibration=calibration, self_test=SelfTest(expected, TOLERANCE[kind]),
        training=Training(f"hil/training/lane.py, exported as {kind}", tf.__version__, SEED_TRAIN, SEED_CALIBRATION,
                          *sizes),
        assumptions=ASSUMPTIONS)
    (folder / card.file).write_bytes(content)
    (folder / "lane.toml").write_text(text_of(card, HEADER))


HEADER: Final = "# The card of the network beside it. Written by hil/training/lane.py; docs/detection.md explains it.\n"

if __name__ == "__main__":
    main()

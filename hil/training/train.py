"""Train the classifier and write its package: `make train`. Its own environment: TensorFlow.

Three seeds, three sets: what trains never calibrates, what calibrates never measures; and what measures is drawn from
another world (hil/training/worlds.py).
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np
import tensorflow as tf

from gateway.detection.model_card import SCENE_CLASSES, SCHEMA, Card, Figure, SelfTest, Training, self_test_inputs
from gateway.detection.portrait import LAYOUT
from gateway.detection.runtime import TfliteNetwork
from hil.training.batches import turned
from hil.training.card_page import page_of
from hil.training.card_text import toml_of
from hil.training.cost import cost_of
from hil.training.examples import SUBSTANCES, Set
from hil.training.field_trial import field_trial
from hil.training.fitting import REPRESENTATIVE, export, fit
from hil.training.gather import Gathered, gather, pictures
from hil.training.measure import candidate, figures, measured
from hil.training.network import build
from hil.training.probabilities import stack_of
from hil.training.sensitivity_gap import gap
from hil.training.thresholds import find_thresholds
from hil.training.worlds import COMPOSITION, TESTING

if TYPE_CHECKING:
    from hil.training.cost import Cost
    from hil.training.sensitivity_gap import Gap

SEED_TRAIN: Final = 111
SEED_CALIBRATION: Final = 212
SEED_TEST: Final = 515
SCANS_TRAIN: Final = 4_000
SCANS_CALIBRATION: Final = 2_000
SCANS_TEST: Final = 3_000
PACKAGE: Final = Path(__file__).parents[2] / "gateway" / "models" / "nqr"
PAGE: Final = Path(__file__).parents[2] / "docs" / "model-card.md"
VERSION: Final = "2"
# Between runtimes float32 differs by rounding only, int8 by one step of its logits.
TOLERANCE: Final = {"float32": 1e-3, "int8": 0.1}
# int8 ships where it loses less than this for certain and saves so much of a look: a decision takes some 50 ms.
INT8_LOSS_DB_MAX: Final = 0.2
INT8_SAVED_MS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Made:
    """A model in one number format, trained on so many scans."""

    kind: str
    scans: int
    content: bytes
    cost: Cost


def words() -> argparse.Namespace:
    """Return the command line. A share of the scans shows that the way works; it makes no classifier."""
    parser = argparse.ArgumentParser(description="train the classifier from its seeds")
    parser.add_argument("scratch", type=Path, help="folder for models and answers, kept between runs of the same code")
    parser.add_argument("--share", type=float, default=1.0, help="use this share of the scans (1); needs --out")
    parser.add_argument("--out", type=Path, help="write model, card and page there, not over the shipped ones")
    arguments = parser.parse_args()
    if not 0 < arguments.share <= 1:
        parser.error(f"--share {arguments.share:g}: must be above 0 and at most 1")
    if arguments.share < 1 and arguments.out is None:
        parser.error("--share needs --out: a classifier of fewer scans must not take the shipped one's place")
    return arguments


def main() -> None:
    """Train, export both ways, gather what both say, keep one, calibrate it, measure it, write it down."""
    said = words()
    sizes = tuple(round(said.share * count) for count in (SCANS_TRAIN, SCANS_CALIBRATION, SCANS_TEST))
    scratch = said.scratch / f"{SEED_TRAIN}-{'-'.join(map(str, sizes))}"
    made = _trained(scratch, sizes[0])
    networks = [TfliteNetwork(one.content) for one in made]
    calibration = gather(scratch / "calibration.npz", Set(SEED_CALIBRATION, sizes[1]), networks)
    test = gather(scratch / "test.npz", Set(SEED_TEST, sizes[2], TESTING), networks)
    rng = np.random.default_rng(SEED_TEST)
    plain, quantised = (answers[:, :len(SUBSTANCES)] for answers in test.answers)
    loss = gap(test, quantised, plain, rng)
    chosen = int(loss.high < INT8_LOSS_DB_MAX and made[0].cost.look_ms - made[1].cost.look_ms >= INT8_SAVED_MS)
    card = _card(made[chosen], (calibration, test), chosen, _formats(made, loss), rng)
    _write(said.out or PACKAGE, card, made[chosen].content)


def _trained(scratch: Path, count: int) -> tuple[Made, Made]:
    """float32 and int8, trained now or in an earlier run."""
    files = [scratch / f"{kind}.tflite" for kind in TOLERANCE]
    if not all(file.exists() for file in files):
        scratch.mkdir(parents=True, exist_ok=True)
        drawn, truths = pictures(Set(SEED_TRAIN, count, with_likelihood=False))
        tf.keras.utils.set_random_seed(SEED_TRAIN)
        model = build()
        fit(model, drawn, truths, SEED_TRAIN)
        files[0].write_bytes(export(model))
        some = turned(drawn[:REPRESENTATIVE].astype(np.float32), np.random.default_rng(SEED_TRAIN))
        files[1].write_bytes(export(model, some))
    made = [Made(kind, count, file.read_bytes(), cost_of(file)) for kind, file in zip(TOLERANCE, files, strict=True)]
    for one in made:
        sys.stdout.write(f"{one.kind}: {len(one.content)} bytes, {one.cost.look_ms:.2f} ms a look, "
                         f"{one.cost.peak_mb:.1f} MB at most ({one.cost.bare_mb:.1f} MB without a network)\n")
    return made[0], made[1]


def _formats(made: tuple[Made, Made], loss: Gap) -> tuple[Figure, ...]:
    """What int8 loses, and what both formats cost."""
    what = f"loss of int8 against float32, all test scans ({loss.targets} targets, {loss.nulls} nulls)"
    rows = [Figure(what, round(loss.db, 3), "dB", round(loss.low, 3), round(loss.high, 3))]
    for one in made:
        rows += [Figure(f"{one.kind}: size", len(one.content) / 1e3, "kB"),
                 Figure(f"{one.kind}: CPU time of one look", round(one.cost.look_ms, 2), "ms"),
                 Figure(f"{one.kind}: resident memory of a process with the network, at most",
                        round(one.cost.peak_mb, 1), "MB"),
                 Figure(f"{one.kind}: the same without a network", round(one.cost.bare_mb, 1), "MB")]
    return tuple(rows)


def _card(made: Made, sets: tuple[Gathered, Gathered], at: int, formats: tuple[Figure, ...],
          rng: np.random.Generator) -> Card:
    """Calibrate on the first set and measure on the second; `at` says which of their answers are this model's."""
    calibration, test = sets
    thresholds = find_thresholds(calibration, calibration.answers[at])
    stack = msgspec.structs.replace(stack_of(calibration, calibration.answers[at]), composition=COMPOSITION)
    sys.stdout.write(f"{made.kind} ships: {thresholds}, {stack}\n")
    network = TfliteNetwork(made.content)
    answer = np.concatenate([network.score(picture) for picture in self_test_inputs()])
    return Card(
        schema=SCHEMA, name="nqr", version=VERSION, file="nqr.tflite", sha256=hashlib.sha256(made.content).hexdigest(),
        layout=LAYOUT, outputs=(*SUBSTANCES, *SCENE_CLASSES), thresholds=thresholds, stack=stack,
        self_test=SelfTest(tuple(round(float(v), 6) for v in answer), TOLERANCE[made.kind]),
        training=Training(f"hil/training/train.py, exported as {made.kind}", tf.__version__, SEED_TRAIN,
                          SEED_CALIBRATION, SEED_TEST, made.scans, len(calibration.truths), len(test.truths),
                          build().count_params()),
        measured=measured(test, test.answers[at], thresholds),
        figures=(*candidate(calibration, calibration.answers[at], rng), *figures(test, test.answers[at], stack, rng),
                 *formats), assumptions=ASSUMPTIONS)


def _write(folder: Path, card: Card, content: bytes) -> None:
    """Write the package, try the named scenes with it, and write the card again with what came of that."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.file).write_bytes(content)
    (folder / "model.toml").write_text(toml_of(card))
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

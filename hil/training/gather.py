"""Sets of emulated scans: pictures held for training, answers alone kept of the others. No picture goes to the disk.

A set for calibrating or measuring is streamed past the networks; what they and the likelihood ratio said is kept.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.portrait import SHAPE
from hil.training.emulated import Truth
from hil.training.examples import SUBSTANCES, examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gateway.detection.runtime import TfliteNetwork
    from hil.training.examples import Example, Set

# Progress is said this often.
SAY_EVERY: Final = 500
# A training set is held in memory: 43 kB a scan in half precision, so that this many take 0.7 GB.
PICTURES_MAX: Final = 16_000
TRUTH_FIELDS: Final = (("substance", "U40"), ("deflection", "f4"), ("kind", "U16"), ("flat", "?"),
                       ("interference", "?"), ("ringing", "?"))


class TooManyPictures(ValueError):
    """A training set would not fit the memory that is meant for it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was said of a set: likelihood [n, 8, 3], the networks' answers [network][n, 11], truths [n]."""

    likelihood: NDArray[np.float32]
    answers: tuple[NDArray[np.float32], ...]
    truths: tuple[Truth, ...]


def pictures(wanted: Set) -> tuple[NDArray[np.float16], tuple[Truth, ...]]:
    """The pictures of a training set, [n, 14, 256, 6]. Raises `TooManyPictures`."""
    if wanted.count > PICTURES_MAX:
        raise TooManyPictures(f"{wanted.count} scans: must be {PICTURES_MAX} or fewer")
    drawn, truths = np.zeros((wanted.count, *SHAPE), np.float16), []
    for n, example in enumerate(_told(wanted)):
        drawn[n] = example.picture
        truths.append(example.truth)
    return drawn, tuple(truths)


def gather(path: Path, wanted: Set, networks: Sequence[TfliteNetwork]) -> Gathered:
    """Read what was said of a set if it was gathered before, else stream the set past the networks and keep it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _stream(path, wanted, networks)
    kept = np.load(path)
    truths = tuple(Truth(str(row["substance"]), float(row["deflection"]), str(row["kind"]), bool(row["flat"]),
                         bool(row["interference"]), bool(row["ringing"])) for row in kept["truths"])
    return Gathered(kept["likelihood"], tuple(kept["answers"]), truths)


def _stream(path: Path, wanted: Set, networks: Sequence[TfliteNetwork]) -> None:
    likelihood = np.zeros((wanted.count, len(SUBSTANCES), 3), np.float32)
    answers = np.zeros((len(networks), wanted.count, len(SUBSTANCES) + 3), np.float32)
    rows = []
    for n, example in enumerate(_told(wanted)):
        likelihood[n] = example.likelihood
        answers[:, n] = [network.score(example.picture.astype(np.float32)) for network in networks]
        truth = example.truth
        rows.append(tuple(getattr(truth, name) for name, _ in TRUTH_FIELDS))
    np.savez(path, likelihood=likelihood, answers=answers, truths=np.array(rows, dtype=list(TRUTH_FIELDS)))


def _told(wanted: Set) -> Iterator[Example]:
    """The examples of a set, with a word on the way."""
    for n, example in enumerate(examples(wanted)):
        if n % SAY_EVERY == 0:
            sys.stdout.write(f"seed {wanted.seed}: {n} of {wanted.count} scans\n")
            sys.stdout.flush()
        yield example

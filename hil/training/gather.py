"""Emulated examples kept on disk between runs of the training. One file per set, fixed by seed and size."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.portrait import SHAPE
from hil.scene.bay import Tier
from hil.training.emulated import Truth
from hil.training.examples import SUBSTANCES, examples, targets

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Progress is said this often.
SAY_EVERY = 500


@dataclass(frozen=True, slots=True)
class Gathered:
    """All examples of a set: pictures [n, 14, 256, 6], wanted and weight [n, 11], likelihood [n, 8, 3], truths [n]."""

    pictures: NDArray[np.float16]
    wanted: NDArray[np.float32]
    weight: NDArray[np.float32]
    likelihood: NDArray[np.float32]
    truths: tuple[Truth, ...]


def gather(folder: Path, seed: int, count: int, *, with_likelihood: bool) -> Gathered:
    """Read the set if it was made before, else make it."""
    path = folder / f"examples-{seed}-{count}{'-likelihood' if with_likelihood else ''}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _make(path, seed, count, with_likelihood=with_likelihood)
    kept = np.load(path)
    truths = tuple(Truth(str(row["substance"]), float(row["deflection"]), str(row["kind"]), bool(row["interference"]),
                         bool(row["ringing"]), Tier[str(row["tier"])], float(row["dwell_s"])) for row in kept["truths"])
    wanted, weight = zip(*(targets(truth) for truth in truths), strict=True)
    return Gathered(kept["pictures"], np.array(wanted), np.array(weight), kept["likelihood"], truths)


def _make(path: Path, seed: int, count: int, *, with_likelihood: bool) -> None:
    pictures = np.zeros((count, *SHAPE), np.float16)
    likelihood = np.zeros((count, len(SUBSTANCES), 3), np.float32)
    rows = []
    for n, example in enumerate(examples(seed, count, with_likelihood=with_likelihood)):
        pictures[n], likelihood[n] = example.picture, example.likelihood
        rows.append(tuple(asdict(example.truth).values()))
        if n % SAY_EVERY == 0:
            sys.stdout.write(f"seed {seed}: {n} of {count} scans\n")
            sys.stdout.flush()
    kinds = [("substance", "U40"), ("deflection", "f4"), ("kind", "U16"), ("interference", "?"), ("ringing", "?"),
             ("tier", "U1"), ("dwell_s", "f4")]
    truths = np.array([(*row[:5], row[5].name, row[6]) for row in rows], dtype=kinds)
    np.savez(path, pictures=pictures, likelihood=likelihood, truths=truths)


"""Emulated scans turned into what the network sees and what the likelihood ratio said, streamed from worker processes.

An example is fixed by (seed, number) and its world, whatever the number of workers.
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from gateway.detection.detector import beams_of
from gateway.detection.glrt import Scene
from gateway.detection.hypotheses import grids
from gateway.detection.identify import identify
from gateway.detection.policy import Policy
from gateway.detection.portrait import portrait
from hil.training.emulated import KELVIN, Truth, emulate
from hil.training.worlds import TRAINING, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SUBSTANCES: Final = tuple(substance.name for substance in covered())
# A target below this deflection is not there for any detector; up to the second figure the truth is moot.
INVISIBLE: Final = 3.5
VISIBLE: Final = 6.0
UNSEEN: Final = (0.0, False, False)
WORKERS: Final = 2
BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Example:
    """One scan. `likelihood` is [substance 8][log p, accepted, consistent], NaN unless asked for."""

    picture: NDArray[np.float16]
    truth: Truth
    likelihood: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Set:
    """Which scans: fixed by seed, number and world. `with_likelihood` looks at them with the likelihood ratio too."""

    seed: int
    count: int
    world: World = TRAINING
    with_likelihood: bool = True


def examples(wanted: Set) -> Iterator[Example]:
    """The examples of a set, in order, one after the other: none is kept here."""
    make = partial(example, wanted.seed, world=wanted.world, with_likelihood=wanted.with_likelihood)
    with ProcessPoolExecutor(WORKERS) as pool:
        yield from pool.map(make, range(wanted.count), chunksize=BATCH)


def example(seed: int, number: int, *, world: World = TRAINING, with_likelihood: bool) -> Example:
    """One example."""
    scan, truth = emulate(seed, number, world)
    beams = beams_of(scan, scan.standoff_m)
    picture = portrait(beams).astype(np.float16)
    likelihood = np.full((len(SUBSTANCES), 3), math.nan, np.float32)
    if with_likelihood:
        laid = grids(tuple(b.plan for b in beams), *KELVIN)
        fits = identify(Scene(beams, scan.dwell_s, scan.standoff_m), laid, Policy().pfa_per_scan).fits
        # A station over the pilot silences a whole band: then a substance may have no line left to look for.
        likelihood[:] = [[fits[n].log_p, fits[n].accepted, fits[n].consistent] if n in fits else UNSEEN
                         for n in SUBSTANCES]
    return Example(picture, truth, likelihood)


def targets(truth: Truth) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Wanted outputs [8 substances, 3 scene classes] and the weight of each in the loss."""
    wanted, weight = np.zeros(len(SUBSTANCES) + 3, np.float32), np.ones(len(SUBSTANCES) + 3, np.float32)
    if truth.substance:
        at = SUBSTANCES.index(truth.substance)
        wanted[at] = float(truth.deflection > VISIBLE)
        weight[at] = float(not INVISIBLE < truth.deflection <= VISIBLE)
    scene = np.array([0.0, truth.interference, truth.ringing])
    scene[0] = float(not scene.any())
    wanted[-3:] = scene / scene.sum()
    return wanted, weight

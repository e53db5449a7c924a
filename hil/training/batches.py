"""Batches for training: phases turned, and bands that hold noise alone exchanged between scans. Seeded, NumPy alone.

What is unknown in service is made unknown here: the receiver's phase in each band, and which noise meets which load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.schedule import DWELL_S_MAX, schedule
from gateway.detection.echo_search import STEP_CELLS
from gateway.detection.hypotheses import grids
from gateway.detection.portrait import KNEE, SHAPE
from hil.training.emulated import KELVIN
from hil.training.examples import SUBSTANCES, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hil.training.emulated import Truth

BANDS, BINS, _ = SHAPE
BATCH: Final = 64
# Strata whose bands hold noise alone, but for the lines of a target.
PLAIN: Final = frozenset({"flat noise", "coloured noise"})
EXCHANGED: Final = 0.5


def batches(pictures: NDArray[np.float16], truths: tuple[Truth, ...],
            rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Batches for ever: pictures, and wanted outputs with their weights behind them."""
    wanted = np.array([np.concatenate(targets(truth)) for truth in truths], np.float32)
    free, empty = free_bands(truths), np.flatnonzero([t.stratum in PLAIN and t.kind != "target" for t in truths])
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order), BATCH):
            chosen = order[start: start + BATCH]
            batch = pictures[chosen].astype(np.float32)
            scan, band = np.nonzero(free[chosen] & (rng.random((len(chosen), SHAPE[0])) < EXCHANGED))
            batch[scan, band] = pictures[rng.choice(empty, len(scan)), band] if len(empty) else batch[scan, band]
            yield turned(batch, rng), wanted[chosen]


def free_bands(truths: tuple[Truth, ...]) -> NDArray[np.bool_]:
    """Bands that hold noise alone, [scan, band]: noise from another scan's same band is as good.

    Bands are independent, and every band of a scan without a hazard holds noise but for those of the target's lines,
    which stay together. A calibrant, a confuser or a foreign line may lie anywhere: those scans stay as they are.
    """
    held = {name: np.isin(np.arange(SHAPE[0]), places // BINS) for name, places in
            zip(SUBSTANCES, hypotheses(), strict=True)}
    nothing = np.zeros(SHAPE[0], bool)
    return np.array([~held.get(t.substance, nothing) if t.stratum in PLAIN else nothing for t in truths])


def hypotheses() -> list[NDArray[np.int32]]:
    """Of each substance: the bin of each line, [hypothesis, line], counted through all bands; behind the last: none."""
    laid = {grid.substance.name: grid for grid in grids(schedule(DWELL_S_MAX), *KELVIN)}
    return [np.where(laid[name].band >= 0, laid[name].band.astype(np.int32) * BINS + laid[name].cell // STEP_CELLS,
                     BANDS * BINS).astype(np.int32) for name in SUBSTANCES]


def turned(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Pictures [scan, band, bin, channel] with the complex pairs of each band turned by a random phase."""
    turn = np.exp(2j * np.pi * rng.random((*picture.shape[:2], 1))).astype(np.complex64)
    plain = np.sinh(picture[..., :4] / np.float32(KNEE))
    for pair in (0, 2):
        z = (plain[..., pair] + 1j * plain[..., pair + 1]) * turn
        plain[..., pair], plain[..., pair + 1] = z.real, z.imag
    picture[..., :4] = np.float32(KNEE) * np.arcsinh(plain)
    return picture

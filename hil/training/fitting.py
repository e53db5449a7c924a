"""Fit the network to a set of pictures: phases turned, empty bands exchanged, then exported. Needs TensorFlow.

What is unknown in service is made unknown here: the receiver's phase in each band, and which noise meets which load.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import tensorflow as tf

from gateway.detection.portrait import KNEE, SHAPE
from hil.training.examples import SUBSTANCES, targets
from hil.training.network import BINS, hypotheses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from hil.training.emulated import Truth
    from hil.training.network import Model

BATCH: Final = 64
EPOCHS: Final = 14
LEARNING_RATE: Final = 3e-3
REPRESENTATIVE: Final = 300
# Strata whose bands hold noise alone, but for the lines of a target.
PLAIN: Final = frozenset({"flat noise", "coloured noise"})
EXCHANGED: Final = 0.5
# What the scene classes weigh beside the names.
SCENE_WEIGHT: Final = 0.3


def fit(model: Model, pictures: NDArray[np.float16], truths: tuple[Truth, ...], seed: int) -> None:
    """Fit with a cosine schedule."""
    steps = math.ceil(len(pictures) / BATCH)
    schedule = tf.keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * steps)
    model.compile(tf.keras.optimizers.Adam(schedule), loss=_loss)
    model.fit(batches(pictures, truths, np.random.default_rng(seed)), epochs=EPOCHS, steps_per_epoch=steps, verbose=2)


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


def turned(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Pictures [scan, band, bin, channel] with the complex pairs of each band turned by a random phase."""
    turn = np.exp(2j * np.pi * rng.random((*picture.shape[:2], 1))).astype(np.complex64)
    plain = np.sinh(picture[..., :4] / np.float32(KNEE))
    for pair in (0, 2):
        z = (plain[..., pair] + 1j * plain[..., pair + 1]) * turn
        plain[..., pair], plain[..., pair + 1] = z.real, z.imag
    picture[..., :4] = np.float32(KNEE) * np.arcsinh(plain)
    return picture


def _loss(truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of every output, weighted; the truth carries the weights behind the wanted values."""
    outputs = answer.shape[-1]
    wanted, weight = truth[:, :outputs], truth[:, outputs:]
    p = tf.clip_by_value(answer, 1e-6, 1.0 - 1e-6)
    named = wanted * tf.math.log(p) + (1.0 - wanted) * tf.math.log(1.0 - p)
    scene = wanted[:, -3:] * tf.math.log(p[:, -3:])
    return (-tf.reduce_sum((named * weight)[:, :-3], axis=1) - SCENE_WEIGHT * tf.reduce_sum(scene, axis=1))


def export(model: Model, examples: Iterable[NDArray[np.float32]] | None = None) -> bytes:
    """TFLite bytes: float32, or int8 throughout where examples for calibration are given."""
    with tempfile.TemporaryDirectory() as folder:
        # from_concrete_functions on a Keras 3 model leaves READ_VARIABLE in, and int8 calibration then fails.
        model.export(folder, format="tf_saved_model", verbose=False,
                     input_signature=[tf.TensorSpec((1, *SHAPE), tf.float32)])
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(folder)))
        if examples is not None:
            pictures = list(examples)
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([x[None]] for x in pictures)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())

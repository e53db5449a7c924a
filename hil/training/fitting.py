"""Fit the network to a set of pictures, and export it. Needs TensorFlow.

The pictures it sees are those of hil/training/batches.py; ambiguous targets do not count.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import tensorflow as tf

from gateway.detection.portrait import SHAPE
from hil.training.batches import BATCH, batches

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hil.training.emulated import Truth
    from hil.training.network import Model

EPOCHS: Final = 14
LEARNING_RATE: Final = 3e-3
REPRESENTATIVE: Final = 300
# What the scene classes weigh beside the names.
SCENE_WEIGHT: Final = 0.3


def fit(model: Model, pictures: NDArray[np.float16], truths: tuple[Truth, ...], seed: int) -> None:
    """Fit with a cosine schedule."""
    steps = math.ceil(len(pictures) / BATCH)
    schedule = tf.keras.optimizers.schedules.CosineDecay(LEARNING_RATE, EPOCHS * steps)
    model.compile(tf.keras.optimizers.Adam(schedule), loss=_loss)
    model.fit(batches(pictures, truths, np.random.default_rng(seed)), epochs=EPOCHS, steps_per_epoch=steps, verbose=2)


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

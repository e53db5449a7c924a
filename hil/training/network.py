"""The network: matched filters learnt on complex spectra, their energy, and what coincides. Needs TensorFlow.

Real and imaginary parts pass through the same filters and only their energy goes on: a band's phase is unknown.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

from gateway.detection.portrait import KNEE, SHAPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

Model: TypeAlias = Any       # TensorFlow publishes no types
keras, layers, ops = tf.keras, tf.keras.layers, tf.keras.ops

FILTERS: Final = 12
BATCH: Final = 64
EPOCHS: Final = 14
LEARNING_RATE: Final = 2e-3
REPRESENTATIVE: Final = 300


def build(substances: int) -> Model:
    """The untrained network: [14][256][6] to substance probabilities and three scene classes."""
    picture = layers.Input(SHAPE)
    matched = layers.Conv2D(FILTERS, (1, 11), padding="same", use_bias=False)
    real, imaginary = matched(picture[..., 0:4:2]), matched(picture[..., 1:4:2])
    energy = layers.Lambda(lambda parts: ops.square(parts[0]) + ops.square(parts[1]))([real, imaginary])
    x = layers.Concatenate()([energy, picture[..., 4:6]])
    x = layers.BatchNormalization()(x)
    for filters, width, pool in ((16, 5, 4), (16, 3, 4), (12, 3, 2)):
        x = layers.Conv2D(filters, (1, width), padding="same", activation="relu")(x)
        x = layers.MaxPool2D((1, pool))(x)
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    x = layers.Dense(48, activation="relu")(x)
    named = layers.Dense(substances, activation="sigmoid")(x)
    scene = layers.Dense(3, activation="softmax")(x)
    return keras.Model(picture, layers.Concatenate()([named, scene]))


def train(model: Model, pictures: NDArray[np.float16], wanted: NDArray[np.float32],
          weight: NDArray[np.float32], seed: int) -> None:
    """Fit with a cosine schedule; every batch turns the unknown phase of every band."""
    steps = EPOCHS * math.ceil(len(pictures) / BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    model.compile(optimizer, loss=_loss)
    rng = np.random.default_rng(seed)
    model.fit(_turned(pictures, np.concatenate([wanted, weight], axis=1), rng), epochs=EPOCHS,
              steps_per_epoch=steps // EPOCHS, verbose=2)


def _turned(pictures: NDArray[np.float16], wanted: NDArray[np.float32],
            rng: np.random.Generator) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Batches for ever, each band of each scan turned by a phase of its own: as the receiver's chain does."""
    while True:
        order = rng.permutation(len(pictures))
        for start in range(0, len(order), BATCH):
            chosen = order[start: start + BATCH]
            yield turned(pictures[chosen].astype(np.float32), rng), wanted[chosen]


def turned(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Pictures [scan, band, bin, channel] with the complex pairs of each band turned by a random phase."""
    turn = np.exp(2j * np.pi * rng.random((*picture.shape[:2], 1)))
    for pair in (0, 2):
        z = KNEE * (np.sinh(picture[..., pair] / KNEE) + 1j * np.sinh(picture[..., pair + 1] / KNEE)) * turn
        picture[..., pair] = KNEE * np.arcsinh(z.real / KNEE)
        picture[..., pair + 1] = KNEE * np.arcsinh(z.imag / KNEE)
    return picture


def _loss(truth: tf.Tensor, answer: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of every output, weighted; the truth carries the weights behind the wanted values."""
    outputs = answer.shape[-1]
    wanted, weight = truth[:, :outputs], truth[:, outputs:]
    p = tf.clip_by_value(answer, 1e-6, 1.0 - 1e-6)
    named = wanted * tf.math.log(p) + (1.0 - wanted) * tf.math.log(1.0 - p)
    scene = wanted[:, -3:] * tf.math.log(p[:, -3:])
    return (-tf.reduce_sum((named * weight)[:, :-3], axis=1) - 0.3 * tf.reduce_sum(scene, axis=1))


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

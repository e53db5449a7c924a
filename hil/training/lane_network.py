"""The lane's network: three small convolutions over the flagged window. Needs TensorFlow.

It answers one probability: that an object passed, given that as many events are passes as are disturbances.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

from gateway.lane.pass_portrait import COMPONENTS, SHAPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

Model: TypeAlias = Any       # TensorFlow publishes no types
keras, layers = tf.keras, tf.keras.layers

BATCH: Final = 64
EPOCHS: Final = 24
LEARNING_RATE: Final = 2e-3


def build() -> Model:
    """Return the untrained network: [64][8] to one probability."""
    picture = layers.Input(SHAPE)
    x = picture
    for filters, width in ((16, 5), (24, 5), (24, 3)):
        x = layers.Conv1D(filters, width, padding="same", activation="relu")(x)
        x = layers.MaxPool1D(2)(x)
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    x = layers.Dense(24, activation="relu")(x)
    return keras.Model(picture, layers.Dense(1, activation="sigmoid")(x))


def train(model: Model, pictures: NDArray[np.float32], passed: NDArray[np.float32]) -> None:
    """Fit with a cosine schedule, each picture also with components of the other sign."""
    both = np.concatenate([pictures, _mirrored(pictures)])
    steps = EPOCHS * -(-len(both) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    model.compile(optimizer, loss=keras.losses.BinaryCrossentropy(label_smoothing=0.01))
    model.fit(both, np.concatenate([passed, passed]), batch_size=BATCH, epochs=EPOCHS, verbose=2)


def export(model: Model, examples: NDArray[np.float32] | None = None) -> bytes:
    """Return TFLite bytes: float32, or int8 throughout where examples for its ranges are given."""
    with tempfile.TemporaryDirectory() as folder:
        # from_concrete_functions on a Keras 3 model leaves READ_VARIABLE in, and int8 calibration then fails.
        model.export(folder, format="tf_saved_model", verbose=False,
                     input_signature=[tf.TensorSpec((1, *SHAPE), tf.float32)])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        if examples is not None:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda: ([picture[None]] for picture in examples)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def _mirrored(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pictures with the other sign of the first components: which one is positive is chance."""
    mirrored = pictures.copy()
    mirrored[:, :, :COMPONENTS] *= -1.0
    return mirrored

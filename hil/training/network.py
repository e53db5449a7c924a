"""The network: matched filters learnt on complex spectra, evidence for a line at each bin, and lines that coincide.

Real and imaginary parts pass through the same filters and only their energy goes on: a band's phase is unknown.
Evidence is added up where the lines of a substance lie at one temperature, and the best one counts. Needs TensorFlow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

from gateway.detection.portrait import SHAPE
from hil.training.batches import BANDS, BINS, hypotheses

if TYPE_CHECKING:
    from numpy.typing import NDArray

Model: TypeAlias = Any       # TensorFlow publishes no types
keras, layers, ops = tf.keras, tf.keras.layers, tf.keras.ops

# Of the filters' first guess: half widths in bins at half height (the narrowest line is RDX's, 1.4 bins; the widest of
# a poor crystal 20), and the angle between the two ways of joining the echo groups.
GUESSES: Final = (*((half, 0.0) for half in (1.2, 1.9, 3.0, 4.8, 7.6, 12.0)), (2.5, 0.35), (5.0, 0.35), (2.5, -0.35),
                  (5.0, -0.35), (3.0, 1.57), (8.0, 1.57))
FILTER_BINS: Final = 31
# Energy of a filter in noise is 2 on average and 50 in a line that is found; 60 and more says no more than 60.
ENERGY_SCALE: Final = 0.1
SEEN_SCALE: Final = 0.25
SURROUNDINGS_BINS: Final = 21
EVIDENCE: Final = 6


def build() -> Model:
    """The untrained network: [14][256][6] to substance probabilities and three scene classes."""
    picture = layers.Input(SHAPE)
    bins = _bins(picture)
    scene, hazard = _scene(bins)
    evidence = layers.Conv2D(EVIDENCE, (1, 1))(layers.Concatenate()([
        layers.Conv2D(24, (1, 1), activation="relu")(bins), bins[..., :len(GUESSES)]]))
    # One more place without evidence: where a hypothesis puts a line outside every band.
    flat = layers.ZeroPadding1D((0, 1))(layers.Reshape((BANDS * BINS, EVIDENCE))(evidence))
    best = [_BestHypothesis(places)(flat) for places in hypotheses()]
    return keras.Model(picture, layers.Concatenate()([_named(best, hazard), scene]))


class _BestHypothesis(layers.Layer):  # type: ignore[name-defined,misc]  # TensorFlow publishes no types
    """Evidence [bin, kind] added over the lines of each hypothesis; of each kind, the most that any has."""

    def __init__(self, places: NDArray[np.int32]) -> None:
        super().__init__()
        self.places = places

    def call(self, evidence: tf.Tensor) -> tf.Tensor:
        """[scan, kind]."""
        return tf.reduce_max(tf.reduce_sum(tf.gather(evidence, self.places, axis=1), axis=2), axis=1)


def _bins(picture: tf.Tensor) -> tf.Tensor:
    """What is known of each bin: energy of every filter, what references and array saw there, and what is around."""
    matched = layers.Conv2D(len(GUESSES), (1, FILTER_BINS), padding="same", use_bias=False,
                            kernel_initializer=lambda *_, **__: tf.constant(_guessed()))
    parts = [matched(picture[..., 0:4:2]), matched(picture[..., 1:4:2])]
    energy = layers.Lambda(lambda pair: ops.relu6(ENERGY_SCALE * (ops.square(pair[0]) + ops.square(pair[1]))))(parts)
    # Scaled, so that the picture need not share one int8 scale with the energies: its negative half was cut off then.
    seen = layers.Rescaling(SEEN_SCALE)(picture[..., 4:6])
    around = layers.Conv2D(8, (1, SURROUNDINGS_BINS), padding="same", activation="relu")(
        layers.Concatenate()([seen, energy[..., 3:4]]))
    return layers.Concatenate()([energy, seen, around])


def _guessed() -> NDArray[np.float32]:
    """First filters [1, bin, way of joining, filter]: spectra of lines, of unit energy."""
    offset, kernel = np.arange(FILTER_BINS) - FILTER_BINS // 2, np.zeros((1, FILTER_BINS, 2, len(GUESSES)), np.float32)
    for k, (half, angle) in enumerate(GUESSES):
        line = 1.0 / (1.0 + (offset / half) ** 2)
        kernel[0, :, :, k] = np.outer(line / np.linalg.norm(line), (np.cos(angle), np.sin(angle)))
    return kernel


def _scene(bins: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The three scene classes, and what else of the whole scan bears on a name."""
    x = layers.MaxPool2D((1, 4))(bins)
    for filters, width in ((16, 5), (12, 3)):
        x = layers.Conv2D(filters, (1, width), padding="same", activation="relu")(x)
        x = layers.MaxPool2D((1, 4))(x)
    x = layers.Dense(16, activation="relu")(layers.Dropout(0.3)(layers.Flatten()(x)))
    return layers.Dense(3, activation="softmax")(x), layers.Dense(8, activation="relu")(x)


def _named(best: list[tf.Tensor], hazard: tf.Tensor) -> tf.Tensor:
    """A probability for each substance: one small network for all of them, fed with its evidence and its lead."""
    count = len(best)
    own = layers.Reshape((count, EVIDENCE))(layers.BatchNormalization()(layers.Concatenate()(best)))
    behind = layers.Lambda(lambda x: x - tf.reduce_max(x, axis=1, keepdims=True))(own)
    shared = layers.Lambda(lambda x: tf.tile(x[:, None, :], [1, count, 1]))(hazard)
    x = layers.Dense(24, activation="relu")(layers.Concatenate()([own, behind, shared]))
    x = layers.Dense(1)(layers.Concatenate()([x, own]))
    return layers.Activation("sigmoid")(layers.Reshape((count,))(x))

"""What `model.toml` says of a classifier: digest, layout, thresholds, self-test, and how it was made. No I/O.

Unknown keys are refused: a card that says more than the code understands was written for another version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from gateway.detection.portrait import LAYOUT, SHAPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA: Final = 1
# The last three outputs; all before them are covered substances.
SCENE_CLASSES: Final = ("none", "interference", "ringing")

# Bands of ammonium nitrate, RDX, cocaine base and TNT in the layout.
SELF_TEST_BANDS: Final = ((0, 1), (8, 13), (9, 10), (4, 5, 6))

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Weight = Annotated[float, Meta(ge=0.0)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class CardRefused(ValueError):
    """The card cannot be read or was written for another version."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every table of the card."""


class Thresholds(_Strict, frozen=True):
    """The decision rule's figures, all found on held-out simulated scans, none set by hand.

    A substance is named when its p-value is at most the policy's rate. It is vetoed when the network gives it less than
    `veto_network` and calls the scan interference or ringing with `veto_scene` or more; a `veto_network` of 0 is
    no veto.
    """

    veto_network: Probability
    veto_scene: Probability


class Stack(_Strict, frozen=True):
    """The figures of the probabilities (gateway/detection/probability.py): an offset for each substance, three weights.

    `any_offset` and `any_weight` make log odds of any substance from those of independent ones. `composition` says of
    which scans the probabilities hold.
    """

    offsets: tuple[float, ...]
    weights: tuple[Weight, Weight, Weight]
    any_offset: float = 0.0
    any_weight: Weight = 1.0
    composition: str = ""


class SelfTest(_Strict, frozen=True):
    """What the network answers to `self_test_inputs`, one after the other, and how far another runtime may differ."""

    expected: tuple[float, ...]
    tolerance: Annotated[float, Meta(gt=0.0, le=0.1)]


class Training(_Strict, frozen=True):
    """How the model was made: enough to make it again."""

    script: str
    tensorflow: str
    seed_train: int
    seed_calibration: int
    seed_test: int
    scans_train: int
    scans_calibration: int
    scans_test: int
    parameters: int


class Measured(_Strict, frozen=True):
    """One figure on held-out scans with its exact one-sided 95 % bound (Clopper-Pearson)."""

    what: str
    hits: int
    trials: int
    bound: float


class Figure(_Strict, frozen=True):
    """A measured figure that is no share of trials, with the central 95 % of its bootstrap where it has one."""

    what: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


class Card(_Strict, frozen=True):
    """The whole file."""

    schema: int
    name: str
    version: str
    file: Annotated[str, Meta(pattern=r"^[a-z0-9_.-]+\.tflite$")]
    sha256: Digest
    layout: int
    outputs: tuple[str, ...]
    thresholds: Thresholds
    stack: Stack
    self_test: SelfTest
    training: Training
    measured: tuple[Measured, ...] = ()
    figures: tuple[Figure, ...] = ()
    assumptions: tuple[str, ...] = ()


def read_card(data: bytes) -> Card:
    """Read and check a card. Raises `CardRefused`."""
    try:
        card = msgspec.toml.decode(data, type=Card)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise CardRefused(str(wrong)) from wrong
    if card.schema != SCHEMA:
        raise CardRefused(f"schema = {card.schema}: must be {SCHEMA}")
    if card.layout != LAYOUT:
        raise CardRefused(f"layout = {card.layout}: this version draws layout {LAYOUT}")
    if card.outputs[-len(SCENE_CLASSES):] != SCENE_CLASSES:
        raise CardRefused(f"outputs = {card.outputs}: must end with {SCENE_CLASSES}")
    substances = len(card.outputs) - len(SCENE_CLASSES)
    if len(card.stack.offsets) != substances:
        raise CardRefused(f"stack.offsets has {len(card.stack.offsets)} values: must have {substances}")
    wanted = len(card.outputs) * len(SELF_TEST_BANDS)
    if len(card.self_test.expected) != wanted:
        raise CardRefused(f"self_test.expected has {len(card.self_test.expected)} values: must have {wanted}")
    return card


def self_test_inputs() -> NDArray[np.float32]:
    """Fixed pictures that move every part of the network: a low hum, and lines where four substances have theirs."""
    hum = 1.5 * np.sin(0.7 * np.arange(int(np.prod(SHAPE)))).reshape(SHAPE)
    pictures = np.stack([hum] * len(SELF_TEST_BANDS))
    line = 12.0 / (1.0 + ((np.arange(SHAPE[1]) - SHAPE[1] // 2) / 3.0) ** 2)
    for picture, bands in zip(pictures, SELF_TEST_BANDS, strict=True):
        picture[list(bands), :, 0] += line
        picture[list(bands), :, 2] += line
    return pictures.astype(np.float32)

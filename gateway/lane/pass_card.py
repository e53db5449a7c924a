"""What `lane.toml` says of the lane's network: digest, layout, calibration, self-test, how it was made. No I/O.

Unknown keys are refused: a card that says more than the code understands was written for another version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from gateway.detection.model_card import CardRefused, Digest, Measured
from gateway.lane.pass_portrait import LAYOUT, SHAPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA: Final = 1
SELF_TESTS: Final = 3


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every table of the card."""


class Calibration(_Strict, frozen=True):
    """Probability = logistic(slope * logit(output) + offset), found on events that did not train it."""

    slope: Annotated[float, Meta(gt=0.0, le=10.0)]
    offset: Annotated[float, Meta(ge=-10.0, le=10.0)]


class SelfTest(_Strict, frozen=True):
    """What the network answers to `self_test_inputs`, and how far another runtime may differ."""

    expected: tuple[float, ...]
    tolerance: Annotated[float, Meta(gt=0.0, le=0.1)]


class Training(_Strict, frozen=True):
    """How the network was made: enough to make it again."""

    script: str
    tensorflow: str
    seed_train: int
    seed_calibration: int
    events_train: int
    events_calibration: int
    parameters: int


class PassCard(_Strict, frozen=True):
    """The whole file."""

    schema: int
    name: str
    version: str
    file: Annotated[str, Meta(pattern=r"^[a-z0-9_.-]+\.tflite$")]
    sha256: Digest
    layout: int
    calibration: Calibration
    self_test: SelfTest
    training: Training
    measured: tuple[Measured, ...] = ()
    assumptions: tuple[str, ...] = ()


def read_pass_card(data: bytes) -> PassCard:
    """Read and check a card. Raises `CardRefused`."""
    try:
        card = msgspec.toml.decode(data, type=PassCard)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise CardRefused(str(wrong)) from wrong
    if card.schema != SCHEMA:
        raise CardRefused(f"schema = {card.schema}: must be {SCHEMA}")
    if card.layout != LAYOUT:
        raise CardRefused(f"layout = {card.layout}: this version draws layout {LAYOUT}")
    if len(card.self_test.expected) != SELF_TESTS:
        raise CardRefused(f"self_test.expected has {len(card.self_test.expected)} values: must have {SELF_TESTS}")
    return card


def self_test_inputs() -> NDArray[np.float32]:
    """Fixed pictures that move every part of the network: a bump, a step and a hum."""
    at = np.arange(SHAPE[0]) / SHAPE[0] - 0.5
    courses = np.stack([1.0 / (1.0 + (8.0 * at) ** 2), np.sign(at + 0.01), np.sin(40.0 * at)])
    pictures = np.stack([np.outer(course, np.linspace(1.0, 0.2, SHAPE[1])) for course in courses])
    return pictures.astype(np.float32)

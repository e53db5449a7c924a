"""A classifier package: `model.toml` (the card) and the TFLite file it names. Edge: reads files, starts a process.

Nothing of a model file reaches the interpreter of this process before its digest was right and a child survived it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import Card, CardRefused, read_card, self_test_inputs
from gateway.detection.portrait import SHAPE
from gateway.detection.runtime import RUNTIME, TfliteNetwork

if TYPE_CHECKING:
    from pathlib import Path

CARD_NAME: Final = "model.toml"
# The shipped model is under 1 MB; more would not fit the memory the daemon is allowed.
MODEL_BYTES_MAX: Final = 8 << 20
CARD_BYTES_MAX: Final = 1 << 16
# A good model is tried in 0.5 s on a desktop; a Raspberry Pi under load takes ten times that.
TRIAL_S_MAX: Final = 30.0
# What a child may say before we stop listening.
SAID_CHARS_MAX: Final = 300


class ModelRefused(Exception):
    """The model package cannot be used; the message says what is wrong, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """A model that passed its trial. `sha256` is the digest of the card, which pins that of the model."""

    network: TfliteNetwork
    card: Card
    card_text: str
    sha256: bytes
    runtime: str


def load(folder: Path) -> Package:
    """Check the digest, try the model in a child process, then load it here. Raises `ModelRefused`."""
    card, text = check_card(folder)
    content = check_content(folder, card)
    _try_in_child(folder)
    return Package(network_that_passes(content, card, folder), card, text.decode(),
                   hashlib.sha256(text).digest(), RUNTIME)


def check_card(folder: Path) -> tuple[Card, bytes]:
    """The card and its bytes as they stand in the file."""
    text = _bytes_of(folder / CARD_NAME, CARD_BYTES_MAX)
    try:
        return read_card(text), text
    except CardRefused as refused:
        raise ModelRefused(f"{folder / CARD_NAME}: {refused}: install the model package again") from refused


def check_content(folder: Path, card: Card) -> bytes:
    """The model's bytes, if they are those the card was written for."""
    content = _bytes_of(folder / card.file, MODEL_BYTES_MAX)
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise ModelRefused(f"{folder / card.file}: SHA-256 {found[:16]}..., the card says {card.sha256[:16]}...: "
                           "the file is damaged or not the card's, install the model package again")
    return content


def network_that_passes(content: bytes, card: Card, folder: Path) -> TfliteNetwork:
    """The loaded network, if it answers the card's self-test. May kill the process on malformed bytes."""
    where = folder / card.file
    try:
        network = TfliteNetwork(content)
        if network.input_shape != SHAPE:
            raise ModelRefused(f"{where}: input {network.input_shape}: must be {SHAPE}, train a model for this layout")
        answer = np.concatenate([network.score(picture) for picture in self_test_inputs()])
    except (ValueError, RuntimeError, IndexError, TypeError, KeyError) as wrong:
        raise ModelRefused(f"{where}: the interpreter says {wrong}: install the model package again") from wrong
    expected = np.array(card.self_test.expected, np.float32)
    if answer.shape != expected.shape or not np.all(np.abs(answer - expected) <= card.self_test.tolerance):
        raise ModelRefused(f"{where}: the self-test gives another answer than the card: install the package again")
    return network


def _bytes_of(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as wrong:
        raise ModelRefused(f"{path}: {wrong.strerror}: set detection.model_dir to a model package") from wrong
    if len(content) > bytes_max:
        raise ModelRefused(f"{path}: larger than {bytes_max} bytes: not a model package of this product")
    return content


def _try_in_child(folder: Path) -> None:
    """Load and run the model where a crash hurts nobody."""
    # The child sees the packages this process sees, wherever they were imported from.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "gateway.detection.trial", str(folder)]
    try:
        # The command is ours: this interpreter, this package, and a folder from the configuration.
        child = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace",  # noqa: S603  no shell, fixed command
                               timeout=TRIAL_S_MAX, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        words = f"{folder}: the trial ran longer than {TRIAL_S_MAX:g} s: install the model package again"
        raise ModelRefused(words) from late
    if child.returncode:
        raise ModelRefused(_ending(folder, child.returncode, child.stderr))


def _ending(folder: Path, code: int, said: str) -> str:
    if code < 0:
        return f"{folder}: the trial was killed by signal {-code}: the model crashes the interpreter, install it again"
    lines = said.strip().splitlines()
    return lines[-1][:SAID_CHARS_MAX] if lines else f"{folder}: the trial ended with exit code {code}"

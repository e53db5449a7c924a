"""The lane's network: how like an object that passed a flagged window is. Edge: reads files, starts a process.

It labels what the search has flagged. It raises nothing of its own and takes nothing back; without it the label is
missing and all else is as it was.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.detection.model_card import CardRefused
from gateway.detection.verdict import Likeness
from gateway.lane.pass_card import Calibration, PassCard, read_pass_card, self_test_inputs
from gateway.lane.pass_portrait import SHAPE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.detection.runtime import TfliteNetwork

LOG = logging.getLogger("spingate")
SHIPPED: Final = Path(__file__).parents[1] / "models" / "lane"
CARD_NAME: Final = "lane.toml"
CARD_BYTES_MAX: Final = 1 << 16
MODEL_BYTES_MAX: Final = 200_000
# A good network is tried in 0.5 s on a desktop; a Raspberry Pi under load takes ten times that.
TRIAL_S_MAX: Final = 30.0
# An output is never nearer to nought or one than this: the calibration needs its logit.
EDGE: Final = 1e-6


class PassModelRefused(Exception):
    """The network's package cannot be used; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class PassModel:
    """A network that passed its trial. `sha256` is the digest of its card, which pins that of the network."""

    network: TfliteNetwork
    card: PassCard
    sha256: bytes

    def likeness(self, picture: NDArray[np.float32]) -> Likeness:
        """Return the calibrated probability that an object passed, with the network's digest."""
        return Likeness(probability_of(float(self.network.score(picture)[0]), self.card.calibration), self.sha256)


class LateModel:
    """The shipped network, loaded when the first lane has learnt its background: no start and no alert waits for it.

    One refusal is for good: it is logged once, and passages stay without a label.
    """

    def __init__(self, folder: Path = SHIPPED) -> None:
        """Take the package's folder."""
        self._folder = folder
        self._model: PassModel | None = None
        self._refused = False

    def prepare(self) -> None:
        """Load the network if that was not tried yet: half a second on a desktop, most of it its trial."""
        if self._model is None and not self._refused:
            try:
                self._model = load(self._folder)
            except PassModelRefused as refused:
                self._refused = True
                LOG.warning("the lane's network is not used: %s", refused)

    def likeness(self, picture: NDArray[np.float32]) -> Likeness | None:
        """Return how like a passing object the picture is; None where there is no usable network."""
        self.prepare()
        return None if self._model is None else self._model.likeness(picture)


def probability_of(output: float, calibration: Calibration) -> float:
    """Return logistic(slope * logit(output) + offset)."""
    kept = min(max(output, EDGE), 1.0 - EDGE)
    return 1.0 / (1.0 + math.exp(-calibration.slope * math.log(kept / (1.0 - kept)) - calibration.offset))


def load(folder: Path) -> PassModel:
    """Check the digest, try the network in a child process, then load it here. Raises `PassModelRefused`."""
    text, content, card = _checked(folder)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "gateway.lane.pass_model", str(folder)]
    try:
        child = subprocess.run(command, env=environment, capture_output=True, timeout=TRIAL_S_MAX, check=False,  # noqa: S603  no shell, fixed command
                               stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as late:
        raise PassModelRefused(f"{folder}: its trial ran longer than {TRIAL_S_MAX:g} s") from late
    if child.returncode:
        raise PassModelRefused(f"{folder}: its trial ended with {child.returncode}: install the package again")
    return PassModel(_tried(content, card), card, hashlib.sha256(text).digest())


def _checked(folder: Path) -> tuple[bytes, bytes, PassCard]:
    """Return card and network as they stand in the files, where they belong together."""
    text = _bytes_of(folder / CARD_NAME, CARD_BYTES_MAX)
    try:
        card = read_pass_card(text)
    except CardRefused as refused:
        raise PassModelRefused(f"{folder / CARD_NAME}: {refused}") from refused
    content = _bytes_of(folder / card.file, MODEL_BYTES_MAX)
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise PassModelRefused(f"{folder / card.file}: not the digest of its card: install the package again")
    return text, content, card


def _bytes_of(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as wrong:
        raise PassModelRefused(f"{path}: {wrong.strerror}") from wrong
    if len(content) > bytes_max:
        raise PassModelRefused(f"{path}: larger than {bytes_max} bytes")
    return content


def _tried(content: bytes, card: PassCard) -> TfliteNetwork:
    """Return the loaded network, if it answers the card's self-test. May kill the process on malformed bytes."""
    # Imported here: the runtime is 14 MB, which a process that flags nothing never needs for its lane.
    from gateway.detection.runtime import TfliteNetwork  # noqa: PLC0415  see above

    try:
        network = TfliteNetwork(content)
        if network.input_shape != SHAPE:
            raise PassModelRefused(f"{card.file}: input {network.input_shape}: must be {SHAPE}")
        answer = np.concatenate([network.score(picture) for picture in self_test_inputs()])
    except (ValueError, RuntimeError, IndexError, TypeError, KeyError) as wrong:
        raise PassModelRefused(f"{card.file}: the interpreter says {wrong}") from wrong
    expected = np.array(card.self_test.expected, np.float32)
    if answer.shape != expected.shape or not np.all(np.abs(answer - expected) <= card.self_test.tolerance):
        raise PassModelRefused(f"{card.file}: the self-test gives another answer than the card")
    return network


if __name__ == "__main__":
    _, model_bytes, model_card = _checked(Path(sys.argv[1]))
    _tried(model_bytes, model_card)

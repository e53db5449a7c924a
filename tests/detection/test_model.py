"""Model packages that are damaged, foreign or malicious: refused with a reason, and the process survives."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gateway.detection.model import ModelRefused, load
from gateway.detection.model_card import self_test_inputs

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL = Path(__file__).parents[2] / "gateway" / "models" / "nqr"
# Damaged models tried in a child process each; about a third of a second of one core.
TRIED = 60


def package(folder: Path, damage: Callable[[bytearray, random.Random], None] | None = None, *, seed: int = 0,
            signed_anew: bool = False) -> Path:
    """A copy of the shipped package with its model damaged; `signed_anew` puts the new digest into the card."""
    shutil.copytree(MODEL, folder)
    file = folder / "nqr.tflite"
    content = bytearray(file.read_bytes())
    if damage:
        damage(content, random.Random(seed))
    file.write_bytes(content)
    if signed_anew:
        card = folder / "model.toml"
        text = re.sub(r'sha256 = "[0-9a-f]{64}"', f'sha256 = "{hashlib.sha256(content).hexdigest()}"', card.read_text())
        card.write_text(text)
    return folder


def flip(content: bytearray, chance: random.Random) -> None:
    """Flip one to sixteen bits anywhere."""
    for _ in range(chance.choice((1, 1, 4, 16))):
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def truncate(content: bytearray, chance: random.Random) -> None:
    """Cut it short."""
    del content[chance.randrange(1, len(content)):]


def header(content: bytearray, chance: random.Random) -> None:
    """Overwrite one byte near the beginning or the end, where the structure is."""
    at = chance.randrange(3000)
    content[-at - 1 if chance.random() < 0.5 else at] = chance.randrange(256)


def zeros(content: bytearray, chance: random.Random) -> None:
    """Lose four kilobytes to a bad sector."""
    at = chance.randrange(len(content) - 4096)
    content[at: at + 4096] = bytes(4096)


def test_the_shipped_package_loads_and_answers_its_self_test() -> None:
    """The card's digest, layout and expected answer are those of the file beside it."""
    loaded = load(MODEL)
    answer = np.concatenate([loaded.network.score(picture) for picture in self_test_inputs()])
    assert np.abs(answer - np.array(loaded.card.self_test.expected)).max() <= loaded.card.self_test.tolerance
    assert loaded.sha256 == hashlib.sha256((MODEL / "model.toml").read_bytes()).digest()
    assert (MODEL / loaded.card.file).stat().st_size < 2 << 20


@pytest.mark.parametrize("damage", [flip, truncate, header, zeros])
def test_a_damaged_model_is_refused_by_its_digest_before_anything_reads_it(
        damage: Callable[[bytearray, random.Random], None], tmp_path: Path) -> None:
    """Sixty kinds of damage, none of which gets as far as a child process."""
    for seed in range(15):
        folder = package(tmp_path / str(seed), damage, seed=seed)
        if (folder / "nqr.tflite").read_bytes() == (MODEL / "nqr.tflite").read_bytes():
            continue
        with pytest.raises(ModelRefused, match="SHA-256"):
            load(folder)


def test_a_damaged_model_with_a_right_digest_is_tried_in_a_child_and_never_kills_this_process(tmp_path: Path) -> None:
    """Whoever can write the card too: the model is refused, or it passes the self-test; this process lives on."""
    damages = (flip, truncate, header, zeros)
    folders = [package(tmp_path / str(k), damages[k % 4], seed=k, signed_anew=True) for k in range(TRIED)]
    with ThreadPoolExecutor(2) as pool:
        endings = list(pool.map(ending, folders))
    refused = [words for words in endings if words]
    assert len(refused) > TRIED / 3
    assert all(str(tmp_path) in words for words in refused), "a refusal says which file"
    assert all(len(words) < 1000 for words in refused)


def ending(folder: Path) -> str:
    """How loading this package ends: the refusal, or nothing when it loaded and answered rightly."""
    try:
        loaded = load(folder)
    except ModelRefused as refused:
        return str(refused)
    answer = np.concatenate([loaded.network.score(picture) for picture in self_test_inputs()])
    assert np.abs(answer - np.array(loaded.card.self_test.expected)).max() <= loaded.card.self_test.tolerance
    return ""


@pytest.mark.parametrize(("pattern", "instead", "says"), [
    (r"schema = 1", "schema = 2", "schema = 2: must be 1"),
    (r"layout = 2", "layout = 9", "layout = 9"),
    (r'version = "', 'colour = "red"\nversion = "', "colour"),
    (r'file = "nqr.tflite"', 'file = "../../../etc/passwd"', "file"),
    (r"sha256 = \"..", 'sha256 = "zz', "sha256"),
    (r"tolerance = .*", "tolerance = 5.0", "tolerance"),
    (r"veto_scene = .*", "veto_scene = 7.0", "veto_scene"),
    (r"weights = \[\n *[0-9.]+", "weights = [\n    -1.0", "stack.weights"),
    (r"offsets = \[\n.*\n", "offsets = [\n", "stack.offsets has 7 values: must have 8"),
    (r"\[thresholds\]", "[thresholds", "model.toml"),
])
def test_a_card_that_makes_no_sense_is_refused_by_key(tmp_path: Path, pattern: str, instead: str, says: str) -> None:
    """The message names file and key; the model is not even read."""
    folder = package(tmp_path / "model")
    card = folder / "model.toml"
    card.write_text(re.sub(pattern, lambda _: instead, card.read_text(), count=1))
    with pytest.raises(ModelRefused, match=re.escape(says)):
        load(folder)


def test_a_model_whose_answers_changed_is_refused_although_its_digest_is_right(tmp_path: Path) -> None:
    """Weights of another training with a card re-signed by hand do not pass the self-test."""
    folder = package(tmp_path / "model")
    card = folder / "model.toml"
    text = card.read_text()
    start = text.index("expected = [")
    first = re.compile(r"-?\d+\.[\de-]+").search(text, start)
    assert first is not None
    card.write_text(text[:first.start()] + "0.77" + text[first.end():])
    with pytest.raises(ModelRefused, match="self-test"):
        load(folder)


def test_a_missing_or_huge_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """No folder, no model in it, or a file that cannot be a model."""
    with pytest.raises(ModelRefused, match=r"detection\.model_dir"):
        load(tmp_path / "nowhere")
    folder = package(tmp_path / "model")
    (folder / "nqr.tflite").write_bytes(bytes(9 << 20))
    with pytest.raises(ModelRefused, match="larger than"):
        load(folder)

"""A model that is malformed or altered: the daemon is up all the same, and no scan is ever clear by it."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from gateway.judgement import SHIPPED_MODEL
from tests.whole.installed import instrument, of_instrument, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SEED = 5


def flip(folder: Path, chance: random.Random, flips: int, *, card_follows: bool) -> None:
    """Flip bits of the model file; with `card_follows` the card vouches for the altered bytes, as a forger's would."""
    file = next(folder.glob("*.tflite"))
    data = bytearray(file.read_bytes())
    before = hashlib.sha256(data).hexdigest()
    for _ in range(flips):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    file.write_bytes(data)
    if card_follows:
        card = folder / "model.toml"
        card.write_text(card.read_text().replace(before, hashlib.sha256(data).hexdigest()))


def spoil(folder: Path, how: str) -> None:
    """Make a good model package a bad one."""
    chance = random.Random(f"{SEED} {how}")
    card, file = folder / "model.toml", next(folder.glob("*.tflite"))
    if how == "flipped":
        flip(folder, chance, 20, card_follows=False)
    elif how == "flipped and vouched for":
        flip(folder, chance, 400, card_follows=True)
    elif how == "cut and vouched for":
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2])
        before, after = (hashlib.sha256(part).hexdigest() for part in (data, data[: len(data) // 2]))
        card.write_text(card.read_text().replace(before, after))
    elif how == "card of rubbish":
        card.write_bytes(chance.randbytes(3000))
    elif how == "card with a key too long for a record":
        card.write_text(f"{'k' * 20_000} = 1\n{card.read_text()}")
    elif how == "model missing":
        file.unlink()


@pytest.mark.parametrize(("how", "reason"), [
    ("flipped", "SHA-256"), ("flipped and vouched for", ""), ("cut and vouched for", ""),
    ("card of rubbish", "model.toml"), ("model missing", "No such file"),
    ("card with a key too long for a record", "unknown field"),
])
def test_a_bad_model_leaves_the_daemon_up_and_every_scan_not_inspectable_with_the_reason(
    bench: Bench, site: Installed, how: str, reason: str
) -> None:
    """Whatever is wrong, a scan is journaled, and its signed verdict says why it decides nothing."""
    folder = site.folder / "model"
    shutil.copytree(SHIPPED_MODEL, folder)
    spoil(folder, how)
    site.configure('[scan]\ntrigger = "continuous"\ndwell_s = 30.0\n\n[detection]\nmodel_dir = "model"\n',
                   instrument("head", "nqr-head", bench.stand("nqr-head", scene="empty")))
    core = site.started("run")
    wait_until(lambda: any(record.kind == "verdict" for record in site.records()), 25, "a verdict")
    assert core.stop() == 0
    assert "Traceback" not in core.said(), core.said()
    records = site.records()
    model = next(record.body for record in records if record.kind == "model")
    assert not model.accepted  # type: ignore[union-attr]  # a model record
    for record in of_instrument(records, "head"):
        if record.kind == "verdict":
            verdict = record.body.verdict  # type: ignore[union-attr]  # a verdict
            assert verdict.outcome == "not inspectable"
            said = " ".join(verdict.reasons)
            assert re.search(f"no usable classifier: .*{reason}", said), said
            assert model.reason in said  # type: ignore[union-attr]  # a model record
    assert site.verify().status == "valid"

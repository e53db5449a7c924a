"""Values as people read them: no more digits than the uncertainty allows (GUM 7.2.6); and words that stay words."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from gateway.cli.verify import show
from gateway.evidence.verification import Status, Verification
from gateway.words import measured


@pytest.mark.parametrize(("value", "u", "unit", "text"), [
    (4.8215e-5, 1.2e-9, "T", "48.2150 µT ± 0.0012 µT"),
    (-4.8215e-5, 1.2e-9, "T", "-48.2150 µT ± 0.0012 µT"),
    (0.0, 1e-9, "T", "0.0 nT ± 1.0 nT"),
    (373.15, 0.051, "K", "373.150 K ± 0.051 K"),
    (373.15, 12.0, "K", "373 K ± 12 K"),
    (100.25, math.nan, "degC", "100.25 degC"),
    (100.25, 0.0, "degC", "100.25 degC"),
    (math.nan, 1.0, "K", "nan K"),
    (math.inf, 1e-9, "T", "inf T"),
])
def test_a_value_ends_where_its_uncertainty_does(value: float, u: float, unit: str, text: str) -> None:
    """Two digits of uncertainty, the value to the same place; without a known uncertainty, none is claimed."""
    assert measured(value, u, unit) == text


def test_what_a_record_says_cannot_draw_a_result_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """A label in an old record may hold anything that UTF-8 can; on a terminal it stays on its own line."""
    shown = ("gate claims: event \x1b[2J\x1b[H\nOK   journal.db: valid \u202e",)
    show(Path("record"), Verification(Status.VALID, "record", shown=shown))
    printed = capsys.readouterr().out
    assert printed.count("\n") == 3
    assert r"event \x1b[2J\x1b[H\nOK   journal.db: valid \u202e" in printed

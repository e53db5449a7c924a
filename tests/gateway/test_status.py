"""What the command line says of instruments and numbers is what they deserve."""

from __future__ import annotations

import json
import math
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from gateway.cli.status import verdict_of
from gateway.cli.words import print_json
from gateway.config_tables import InstrumentTable
from gateway.control import InstrumentStatus
from gateway.detection.drift_state import DriftLevel, DriftState
from gateway.monitor.panels import instruments
from gateway.status import drift_words, silent_s_max

WELL = InstrumentStatus("oven", "eurotherm-3200", "/dev/x", "", calibrated=True, calibration="", last_value="1",
                        last_value_age_s=1.0, last_fault="", last_fault_age_s=None, readings=1, faults=0)


@pytest.mark.parametrize(("driver", "poll_ms", "block_ms", "seconds"), [
    ("eurotherm-3200", 1000, 60_000, 10.0), ("eurotherm-3200", 60_000, 1000, 180.0), ("twinleaf", 1000, 60_000, 180.0),
])
def test_an_instrument_that_is_asked_seldom_is_not_called_silent(
    driver: str, poll_ms: int, block_ms: int, seconds: float
) -> None:
    """Three of its own periods, and never less than ten seconds."""
    assert silent_s_max(InstrumentTable("a", driver, "/dev/x", poll_ms=poll_ms, block_ms=block_ms)) == seconds
    for age_s, word in ((seconds - 1, "OK"), (seconds + 1, "FAIL")):
        status = msgspec.structs.replace(WELL, last_value_age_s=age_s, silent_s_max=seconds)
        assert verdict_of(status) == word


@pytest.mark.parametrize(("drift", "word"), [
    ("", "OK"), ("ok", "OK"), ("learning", "OK"), ("degraded: noise density: channel 2 +1.1 dB", "WARN"),
    ("inhibited: pilot gain: channel 2 -20 %", "WARN"),
])
def test_a_head_that_drifted_is_not_called_well(drift: str, word: str) -> None:
    """The word is WARN, and the monitor's row says what has drifted."""
    status = msgspec.structs.replace(WELL, drift=drift)
    assert verdict_of(status) == word
    console = Console(width=200, file=StringIO())
    console.print(instruments([(word, status)]))
    assert (drift in console.file.getvalue()) == (word == "WARN" or not drift)  # type: ignore[attr-defined]  # StringIO


def test_the_state_of_the_watch_begins_with_its_word() -> None:
    """Programs look at the first word."""
    assert drift_words(DriftState(DriftLevel.OK, (), 1.0)) == "ok"
    assert drift_words(DriftState(DriftLevel.DEGRADED, ("a", "b"), 1.0)) == "degraded: a; b"


def test_a_number_that_json_has_no_word_for_becomes_null(capsys: pytest.CaptureFixture[str]) -> None:
    """A head without a thermometer says NaN; who reads the output still gets one object."""
    print_json({"values": [1.5, math.nan, math.inf]})
    assert json.loads(capsys.readouterr().out) == {"values": [1.5, None, None]}

"""The rules of the conformance suite can fail: each is shown a device that breaks its promise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from drivers.sample import Channel, Fault, Identity, Sample
from drivers.table import DRIVERS
from hil.conformance import checks
from hil.conformance.checks import NotKept, NotTried
from hil.conformance.heard import Heard, lost_rows
from hil.conformance.target import TargetRefused, Wanted, setting, targets

SECOND = 1_000_000_000
ROW = DRIVERS["twinleaf"]
SAMPLE = Sample(Identity("Twinleaf", "VMR", "1", "2"), "field", (Channel("x", "magnetic flux density", "nT"),),
                np.array([[1.0]]), 100.0, 0, 0, b"raw")


def heard(rate_hz: float = 100.0, count: int = 200, **changes: object) -> Heard:
    """Return a device that says one row a packet at this rate, and states 100 Hz."""
    found = Heard(0)
    for number in range(count):
        at = round(number * SECOND / rate_hz)
        found.take(replace(SAMPLE, first_row=number, seen_at=at, **changes), at)  # type: ignore[arg-type]  # a test's
    return found


def test_a_device_that_keeps_its_promises_passes_every_rule() -> None:
    """The rules hold for what is right, and give figures."""
    good = heard()
    assert checks.speaks_within(good, 5.0)
    assert checks.tells_identity(good).model == "VMR"
    assert checks.has_form(good)[0].value == 200
    assert checks.measures(good, ROW)[0].value == 1.0
    assert checks.keeps_rate(good)[0].value == pytest.approx(100.0)
    assert checks.loses_nothing(good)[0].value == 0
    assert checks.no_faults(good)[0].value == 0


def test_a_rate_that_is_not_the_stated_one_fails() -> None:
    """A device that states 100 Hz and gives 85 is found out within two seconds."""
    with pytest.raises(NotKept, match="100 are stated"):
        checks.keeps_rate(heard(rate_hz=85.0))


def test_a_polled_device_has_no_rate_to_keep() -> None:
    """It is said that this was not tried."""
    with pytest.raises(NotTried, match="polled device"):
        checks.keeps_rate(heard(count=5))


def test_a_lost_row_fails_and_a_new_count_does_not() -> None:
    """Missing numbers are lost rows; a number that begins again is a boot or a change of rate."""
    rows = heard(count=10).samples
    assert lost_rows([*rows[:4], *rows[6:]]) == 2
    assert lost_rows([*rows, *rows]) == 0
    gone = heard(count=10)
    del gone.events[4:6]
    with pytest.raises(NotKept, match="rows lost"):
        checks.loses_nothing(gone)


def test_a_value_that_is_no_number_needs_a_flag() -> None:
    """NaN with a reason is honest, NaN without is not."""
    values = np.array([[np.nan]])
    assert checks.has_form(heard(values=values, flags=("saturated",)))
    with pytest.raises(NotKept, match="not finite"):
        checks.has_form(heard(values=values))


def test_another_unit_than_promised_fails() -> None:
    """A magnetometer that says volts is no magnetometer."""
    with pytest.raises(NotKept, match="is promised"):
        checks.measures(heard(channels=(Channel("x", "voltage", "V"),)), ROW)
    with pytest.raises(NotKept, match="must be told"):
        checks.measures(heard(channels=(Channel("x", "", ""),)), ROW)


def test_silence_anonymity_and_faults_fail() -> None:
    """Nothing heard, no model, two models, a fault after the first sample."""
    with pytest.raises(NotKept, match="no sample"):
        checks.speaks_within(Heard(0), 5.0)
    with pytest.raises(NotKept, match="may not be empty"):
        checks.tells_identity(heard(device=Identity("", "", "", "")))
    two = heard()
    two.take(replace(SAMPLE, device=Identity("a", "b", "", "")), 3 * SECOND)
    with pytest.raises(NotKept, match="two identities"):
        checks.tells_identity(two)
    late = heard(device=replace(SAMPLE.device, serial=""))
    late.take(SAMPLE, 3 * SECOND)
    assert checks.tells_identity(late).serial == "1"
    early = Heard(0)
    early.take(Fault("bad packet", "half a frame", 0), 0)
    early.take(SAMPLE, 1)
    assert checks.no_faults(early)[1].value == 1
    early.take(Fault("bad packet", "a frame", 2), 2)
    with pytest.raises(NotKept, match="bad packet"):
        checks.no_faults(early)


def test_all_means_every_driver_and_a_port_means_one() -> None:
    """The options name what is tested, and nothing is guessed."""
    everything = targets(Wanted(["all"], "", 1, 0.0, [], ""))
    assert {one.instrument for one in everything} == set(DRIVERS)
    assert [one.place for one in everything if one.instrument == "twinleaf"] == ["pty", "tcp"]
    (real,) = targets(Wanted(["csac"], "/dev/ttyUSB0", 1, 60.0, ["a=1"], ""))
    assert (real.place, real.seconds, real.settings, real.emulated) == ("port", 60.0, {"a": 1}, False)
    with pytest.raises(TargetRefused, match="one port is one instrument"):
        targets(Wanted(["all"], "/dev/ttyUSB0", 1, 0.0, [], ""))


def test_a_setting_is_a_toml_value_or_the_text_it_is() -> None:
    """Numbers, truth values and bare words are taken as a person means them."""
    assert [setting(text) for text in ("a=1", "b=true", "c=1.5", "route=/0", 'd="x"')] == [
        ("a", 1), ("b", True), ("c", 1.5), ("route", "/0"), ("d", "x")]

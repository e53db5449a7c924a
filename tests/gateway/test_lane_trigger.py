"""The lane's PLC starts one scan for each object, and stops it when the lane is no longer as it must be."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.sample import Channel, Fault, Identity, Sample
from gateway.lane_trigger import LaneTrigger, Order

PLC = Identity("", "lane", "", "")


def said(**bits: float) -> Sample:
    """Return one poll of the PLC."""
    channels = tuple(Channel(name, "state", "1") for name in bits)
    return Sample(PLC, "lane", channels, np.array([list(bits.values())], dtype=float), None, 0, 0, b"")


def trigger() -> LaneTrigger:
    """Return the trigger of a lane with a gate and an emergency stop."""
    return LaneTrigger("object_present", ("gate_closed",), ("emergency_stop",))


READY = {"object_present": 1, "gate_closed": 1, "emergency_stop": 0}


def test_an_object_is_scanned_once() -> None:
    """It stands there for minutes, and the PLC says so each second."""
    lane = trigger()
    assert lane.take(said(**READY)) is Order.START
    lane.started()
    assert [lane.take(said(**READY)) for _ in range(5)] == [None] * 5
    assert lane.take(said(**READY | {"object_present": 0})) is Order.STOP
    assert lane.take(said(**READY)) is Order.START


def test_a_start_that_could_not_be_followed_is_asked_for_again() -> None:
    """A head that was busy, or a disk that was behind, does not let an object pass unscanned."""
    lane = trigger()
    assert [lane.take(said(**READY)) for _ in range(3)] == [Order.START] * 3


@pytest.mark.parametrize(("bits", "reason"), [
    ({"gate_closed": 0}, "gate_closed is 0"), ({"emergency_stop": 1}, "emergency_stop is 1"),
    ({"object_present": 0}, "object_present is 0"),
])
def test_a_scan_is_stopped_when_a_bit_forbids_it(bits: dict[str, int], reason: str) -> None:
    """The reason names the bit; it goes into the signed record."""
    lane = trigger()
    lane.take(said(**READY))
    lane.started()
    assert lane.take(said(**READY | bits)) is Order.STOP
    assert lane.reason == reason


def test_a_scan_that_an_open_gate_ended_is_not_begun_again_for_the_same_object() -> None:
    """It was opened, so nobody knows what lies there now: the object has to come again, or a person decides."""
    lane = trigger()
    lane.take(said(**READY))
    lane.started()
    lane.take(said(**READY | {"gate_closed": 0}))
    assert lane.take(said(**READY)) is None


@pytest.mark.parametrize("name", list(READY))
def test_an_unknown_bit_starts_nothing(name: str) -> None:
    """A value that could not be read is neither yes nor no."""
    assert trigger().take(said(**READY | {name: math.nan})) is None
    assert trigger().take(said(**{other: bit for other, bit in READY.items() if other != name})) is None


def test_bits_may_come_in_several_readings() -> None:
    """A PLC is polled in groups."""
    lane = trigger()
    assert lane.take(said(object_present=1)) is None
    assert lane.take(said(gate_closed=1)) is None
    assert lane.take(said(emergency_stop=0)) is Order.START


@pytest.mark.parametrize("missing", list(READY))
def test_what_was_true_before_the_plc_was_lost_starts_nothing(missing: str) -> None:
    """A group that is not answered any more gives no values at all: what it said last is no answer."""
    lane = trigger()
    lane.take(said(**READY | {"object_present": 0}))
    assert lane.take(Fault("read refused", "", 0)) is None
    assert lane.take(said(**{name: bit for name, bit in READY.items() if name != missing})) is None
    assert lane.take(said(**{missing: READY[missing]})) is Order.START


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, math.nan])] * 3), max_size=40))
def test_it_never_starts_while_anything_forbids_it(history: list[tuple[float, float, float]]) -> None:
    """Whatever the PLC says in whatever order."""
    lane = trigger()
    for present, gate, stop in history:
        if lane.take(said(object_present=present, gate_closed=gate, emergency_stop=stop)) is Order.START:
            assert (present, gate, stop) == (1.0, 1.0, 0.0)
            lane.started()

"""A clock that lost its source is believed only as long as an atomic clock vouches for it, with a growing error."""

from __future__ import annotations

import pytest

from gateway.clock import ClockState, Now
from gateway.clock_watch import FRESH_S_MAX, ClockWatch, Reference

DRIFT_PPM, ERROR_S_MAX = 100.0, 1.0
WALL_S = 1_700_000_000  # when the monotonic clock was 0
TOD_S = 5000            # what the reference counted then


def look(at_s: float, state: ClockState = "unsynchronised", *, strayed_s: float = 0.0) -> Now:
    """Return a look at the clocks `at_s` after the start."""
    error = 1_000_000 if state == "synchronised" else None
    return Now(round(at_s * 1e9), round((WALL_S + at_s + strayed_s) * 1e9), state, error)


def word(at_s: float, why_not: str = "") -> Reference:
    """Return what a good reference says within 50 ms of its second's edge."""
    return Reference(why_not, TOD_S + int(at_s), 0.1, round((int(at_s) + 0.05) * 1e9))


def watch(*heard_s: float) -> ClockWatch:
    """Return a watch over a clock that was synchronised until 100 s, with a reference heard at those times."""
    made = ClockWatch(DRIFT_PPM, ERROR_S_MAX)
    made.judge(look(99, "synchronised"))
    for at_s in heard_s:
        made.hear(word(at_s), look(at_s + 0.06, "synchronised" if at_s < 100 else "unsynchronised"))
    made.judge(look(99.9, "synchronised"))
    return made


def test_a_synchronised_clock_is_the_kernels_word() -> None:
    """Whatever the reference says."""
    now = look(1, "synchronised")
    assert watch().judge(now) is now


def test_holdover_states_an_error_that_grows() -> None:
    """At first what the drift allows; later what the reference measures."""
    errors = []
    for elapsed in (10.0, 100.0, 1000.0):
        held = watch(98, 99, 100 + elapsed)
        now = held.judge(look(100 + elapsed + 1))
        assert now.state == "holdover"
        errors.append((now.error_ns or 0) / 1e9)
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(0.001 + 11.1e-4, abs=1e-4)  # 11 s of drift are less than it resolves
    assert 0.1 < errors[1] + errors[2] < 0.3


def test_the_stated_error_covers_every_drift_within_the_bound() -> None:
    """A clock that runs fast or slow by as much as is allowed is never further off than is stated."""
    for ppm in (-100, -30, 0, 30, 100):
        held = watch(98, 99)
        for elapsed in range(10, 3000, 10):
            strayed_s = elapsed * ppm * 1e-6
            held.hear(word(100 + elapsed), look(100 + elapsed + 0.06, strayed_s=strayed_s))
            now = held.judge(look(100 + elapsed + 0.1, strayed_s=strayed_s))
            assert now.state == "holdover"
            assert (now.error_ns or 0) / 1e9 > abs(strayed_s)


def test_a_clock_that_was_set_by_hand_is_in_no_holdover() -> None:
    """The reference sees a step that no drift explains."""
    held = watch(98, 99)
    held.hear(word(110), look(110.06, strayed_s=0.5))
    assert held.judge(look(110.1, strayed_s=0.5)).state == "unsynchronised"


@pytest.mark.parametrize("tod_s", [TOD_S + 110, None], ids=["told its time before the step", "tells no time"])
def test_a_step_that_the_reference_cannot_see_is_part_of_the_error(tod_s: int | None) -> None:
    """It tells no time of day, or spoke last before the clock was set: the machine's two clocks show it."""
    held = watch(98, 99)
    held.hear(Reference("", tod_s, 0.1, 110_000_000_000), look(110.06))
    now = held.judge(look(110.1, strayed_s=0.04))
    assert now.state == "holdover"
    assert (now.error_ns or 0) / 1e9 > 0.04
    assert held.judge(look(110.2, strayed_s=-3600)).state == "unsynchronised"


@pytest.mark.parametrize("made", [
    ClockWatch(DRIFT_PPM, ERROR_S_MAX),
    watch(),
    watch(98),
], ids=["never synchronised", "no reference", "a reference that fell silent"])
def test_without_a_synchronised_past_and_a_live_reference_there_is_no_holdover(made: ClockWatch) -> None:
    """Nothing vouches for the clock."""
    assert made.judge(look(98 + FRESH_S_MAX + 1)).state == "unsynchronised"


def test_an_unlocked_reference_vouches_for_nothing() -> None:
    """Its own count may be wrong."""
    held = watch(98, 99)
    held.hear(word(110, "not locked"), look(110.06))
    assert held.judge(look(110.1)).state == "unsynchronised"


def test_an_error_that_has_grown_too_large_ends_holdover() -> None:
    """A reference that names its second without an edge leaves the drift to count."""
    held = ClockWatch(DRIFT_PPM, ERROR_S_MAX)
    held.judge(look(99.9, "synchronised"))
    for at_s, state in ((9000.0, "holdover"), (11_000.0, "unsynchronised")):
        held.hear(Reference("", None, 0.0, round(at_s * 1e9)), look(at_s))
        assert held.judge(look(at_s + 1)).state == state


def test_a_change_of_state_is_told_once() -> None:
    """The first state is no news; what follows is a fault with both states and the error."""
    held = watch(98, 99, 101)
    assert held.changed(held.judge(look(99.9, "synchronised"))) is None
    fault = held.changed(held.judge(look(101.5)))
    assert fault is not None
    assert (fault.kind, "before: synchronised" in fault.detail) == ("clock holdover", True)
    assert held.changed(held.judge(look(102))) is None

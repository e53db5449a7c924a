"""Turn-taking on a bus: fair among those who answer, seldom for those who do not."""

from __future__ import annotations

import itertools

from drivers.bus_turns import Turns

SECOND = 1_000_000_000


def test_units_that_answer_take_turns() -> None:
    """Nobody is asked twice while another one waits."""
    turns = Turns(["a", "b", "c"])
    asked = []
    for _ in range(6):
        unit = turns.round(0)[0]
        asked.append(unit)
        turns.answered(unit)
    assert asked == ["a", "b", "c", "a", "b", "c"]


def test_a_silent_unit_is_asked_seldom_and_never_forgotten() -> None:
    """After some failures in a row it pauses 0.8 s each time, and at once no more when it answers again."""
    turns = Turns(["good", "silent"])
    asked_at = []
    for now in range(0, 10 * SECOND, SECOND // 100):
        if "silent" in turns.round(now):
            asked_at.append(now)
            turns.fell_silent("silent", now)
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked_at)]
    assert pauses[3:] == [round(0.8 * SECOND)] * len(pauses[3:])
    assert len(asked_at) > 10
    turns.answered("silent")
    assert "silent" in turns.round(asked_at[-1] + 1)


def test_a_unit_that_is_alone_does_not_pause() -> None:
    """Where nobody else waits, there is nothing to be gained by waiting."""
    turns = Turns(["only"])
    for _ in range(5):
        turns.fell_silent("only", 0)
    assert turns.round(0) == ("only",)

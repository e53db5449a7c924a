"""A storm of faults becomes one a second of each kind, and every fault is counted."""

from __future__ import annotations

import random

from drivers.fold import FaultFold
from drivers.sample import Event, Fault

SECOND = 1_000_000_000


def kinds(events: list[Event]) -> list[str]:
    """Return the kinds of the faults among the events."""
    return [event.kind for event in events if isinstance(event, Fault)]


def test_the_first_of_each_kind_passes_at_once() -> None:
    """A single fault is not delayed by the fold."""
    fold = FaultFold()
    assert kinds(fold.take([Fault("a", "", 0), Fault("a", "", 0), Fault("b", "", 0)], 0)) == ["a", "b"]


def test_what_was_held_back_is_said_with_its_number() -> None:
    """The sum says how many it stands for and what the last was; a single one is passed as it is."""
    fold = FaultFold()
    fold.take([Fault("a", "1", 0), Fault("a", "2", 0), Fault("a", "3", 5)], 0)
    fold.take([Fault("b", "1", 0), Fault("b", "2", 6)], 0)
    assert fold.due(SECOND - 1) == []
    assert fold.due(SECOND) == [Fault("a", "2 times in 1.0 s, last: 3", 5), Fault("b", "2", 6)]


def test_a_kind_that_has_calmed_down_passes_at_once_again() -> None:
    """After a second without any, the next is the first."""
    fold = FaultFold()
    fold.take([Fault("a", "", 0)], 0)
    assert fold.due(SECOND) == []
    assert kinds(fold.take([Fault("a", "", 0)], SECOND)) == ["a"]


def test_no_fault_goes_uncounted() -> None:
    """Over a seeded storm of 60 s at most two a second of a kind pass, and their numbers add up."""
    rng = random.Random(5)
    fold = FaultFold()
    passed: list[Event] = []
    now = given = 0
    while now < 60 * SECOND:
        now += rng.randrange(SECOND // 20)
        passed += fold.take([Fault("bad checksum", "x", now)], now)
        given += 1
        passed += fold.due(now)
    passed += fold.due(now + 2 * SECOND)
    details = [event.detail for event in passed if isinstance(event, Fault)]
    assert sum(int(words.split()[0]) if "times" in words else 1 for words in details) == given
    assert len(passed) <= 62

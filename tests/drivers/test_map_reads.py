"""The reads of a map are the fewest there can be, against an oracle that tries them all."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.map_reads import Bounds, Span, fewest_reads, touches

SPACE = 24  # registers: small enough to try every set of reads


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[Span], Bounds]:
    """Draw what is wanted of a small device, overlapping as bit fields do, and what it allows."""
    length_max = draw(st.integers(1, 10))
    unreadable = tuple(Span(start, start + draw(st.integers(1, 3)))
                       for start in draw(st.lists(st.integers(0, SPACE), max_size=2)))
    size = st.integers(1, min(length_max, 4))
    places = draw(st.lists(st.tuples(st.integers(0, SPACE), size), min_size=1, max_size=7))
    spans = [Span(start, start + size) for start, size in places]
    bounds = Bounds(length_max, draw(st.integers(0, 6)), unreadable)
    return [span for span in spans if not touches(span, unreadable)], bounds


def allowed(read: Span, wanted: list[Span], bounds: Bounds) -> bool:
    """Tell, register by register, whether one read may be."""
    if read.end - read.start > bounds.length_max or touches(read, bounds.unreadable):
        return False
    idle = 0
    for register in range(read.start, read.end):
        idle = 0 if any(span.start <= register < span.end for span in wanted) else idle + 1
        if idle > bounds.gap_max:
            return False
    return True


def fewest(wanted: list[Span], bounds: Bounds) -> int:
    """Return the least number of allowed reads that hold every wanted span whole, by trying all sets of reads."""
    reads = [Span(a.start, b.end) for a in set(wanted) for b in set(wanted) if a.start < b.end]
    reads = [read for read in sorted(set(reads)) if allowed(read, wanted, bounds)]
    for count in range(len(set(wanted)) + 1):
        for chosen in combinations(reads, count):
            if all(any(read.start <= span.start and span.end <= read.end for read in chosen) for span in wanted):
                return count
    raise AssertionError("each span alone must be allowed")


@settings(max_examples=400, deadline=None)
@given(wishes())
def test_no_set_of_reads_is_smaller(wish: tuple[list[Span], Bounds]) -> None:
    """As few reads as the oracle finds, each of them allowed, and every wanted span whole in the one that brings it."""
    wanted, bounds = wish
    reads = fewest_reads(wanted, bounds)
    assert len(reads) == fewest(wanted, bounds)
    for read, brought in reads:
        assert allowed(read, wanted, bounds)
        assert all(read.start <= span.start and span.end <= read.end for span in brought)
    assert sorted(span for _, brought in reads for span in brought) == sorted(set(wanted))


def test_a_hundred_registers_are_one_read_and_three_hundred_are_three() -> None:
    """What Modbus carries in one frame is asked for in one frame."""
    bounds = Bounds(125, 0)
    assert len(fewest_reads([Span(place, place + 1) for place in range(100)], bounds)) == 1
    assert [read for read, _ in fewest_reads([Span(place, place + 2) for place in range(0, 300, 2)], bounds)] == [
        Span(0, 124), Span(124, 248), Span(248, 300)]


def test_an_unreadable_register_is_never_read_along() -> None:
    """A gap that is short enough is still not crossed where something in it must not be touched."""
    wanted = [Span(0, 1), Span(4, 5)]
    assert len(fewest_reads(wanted, Bounds(10, 5))) == 1
    assert len(fewest_reads(wanted, Bounds(10, 5, (Span(2, 3),)))) == 2

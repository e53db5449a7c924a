"""Merge what is wanted of a device into the fewest reads that it allows. Pure arithmetic on addresses.

Rule: a value lies whole in one read, so that its halves are of one moment, and what is unreadable is never touched.

Greedy from the lowest address is optimal: every part of an allowed read that begins and ends with a wanted value
is allowed too, and the lowest value that is not yet read must be in some read; one that begins with it and
goes as far as it may covers all that any other read could that holds this value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers from `start` up to, not including, `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one read may be: its length, the longest run in it that nobody wants, and what it must not touch."""

    length_max: int
    gap_max: int
    unreadable: tuple[Span, ...] = ()


def fewest_reads(wanted: Iterable[Span], bounds: Bounds) -> list[tuple[Span, tuple[Span, ...]]]:
    """Return each read with the wanted spans that it brings, every one of them once; by rising address.

    A wanted span must itself be allowed: no longer than a read may be, and readable.
    """
    left = sorted(set(wanted))
    everything = tuple(left)
    reads = []
    while left:
        end = _farthest(left[0].start, everything, bounds)
        brought = tuple(span for span in left if span.end <= end)
        reads.append((Span(left[0].start, max(span.end for span in brought)), brought))
        left = [span for span in left if span.end > end]
    return reads


def _farthest(start: int, wanted: tuple[Span, ...], bounds: Bounds) -> int:
    """Return where a read from `start` must end at the latest."""
    limit = min([start + bounds.length_max, *(span.start for span in bounds.unreadable if span.end > start)])
    reached = seen = start
    for span in wanted:
        if span.end <= start:
            continue
        if span.start - seen > bounds.gap_max:
            break
        seen = max(seen, span.end)  # wanted, if perhaps by another read: no gap
        if span.end <= limit:
            reached = max(reached, span.end)
    return reached


def touches(span: Span, unreadable: Iterable[Span]) -> bool:
    """Tell whether a span holds anything unreadable."""
    return any(span.start < bad.end and bad.start < span.end for bad in unreadable)

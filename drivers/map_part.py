"""One read of a register map with the values it brings, and how it falls into two when the device refuses it. Pure.

Rule: what one read brings is decided by the map alone; a refused one is divided until the refusal costs one place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from drivers.driver import ReadRegisters
from drivers.map_reads import Bounds, Span, fewest_reads
from drivers.map_values import Batch, Value, batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FUNCTIONS: tuple[Literal[1, 2, 3, 4], ...] = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A read, the values it brings by rising address, and how they are decoded."""

    request: ReadRegisters
    values: tuple[Value, ...]
    plan: tuple[Batch, ...]

    @property
    def names(self) -> str:
        """What it brings, in words."""
        first, last = self.values[0].name, self.values[-1].name
        return first if len(self.values) == 1 else f"{first} to {last}" if len(self.values) > 2 else f"{first}, {last}"


def parts(values: Iterable[Value], bounds: Mapping[int, Bounds]) -> tuple[Part, ...]:
    """Return the fewest reads that bring all values; `bounds` by function."""
    wanted = tuple(values)
    found: list[Part] = []
    for function in FUNCTIONS:
        here = [value for value in wanted if value.function == function]
        for span, brought in fewest_reads([value.span for value in here], bounds[function]):
            found.append(part(span, tuple(value for value in here if value.span in brought)))
    return tuple(found)


def part(span: Span, values: tuple[Value, ...]) -> Part:
    """Return the read of a span for its values."""
    ordered = tuple(sorted(values, key=lambda value: (value.span, value.column)))
    request = ReadRegisters(span.start, span.end - span.start, ordered[0].function)
    return Part(request, ordered, batches(ordered, span.start))


def halves(whole: Part) -> tuple[Part, Part] | None:
    """Return a read as two, apart at its widest gap or else in the middle; None where it is of one place only.

    The gap may be what the device refused: it was read along although nobody wants it.
    """
    spans = sorted({value.span for value in whole.values})
    if len(spans) == 1:
        return None
    middle = len(spans) / 2
    cut = max(range(1, len(spans)),
              key=lambda at: (spans[at].start - max(span.end for span in spans[:at]), -abs(at - middle)))
    first, second = set(spans[:cut]), set(spans[cut:])
    return _of(whole, first), _of(whole, second)


def _of(whole: Part, spans: set[Span]) -> Part:
    span = Span(min(one.start for one in spans), max(one.end for one in spans))
    return part(span, tuple(value for value in whole.values if value.span in spans))

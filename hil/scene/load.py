"""What lies in the bay: substances, where they are, and what hides them. Distances in metres, field in fT."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.lines import Line, line_table

# Contents that have no line to show, beside those the line table names.
PLAIN_CONTENTS = frozenset({"water", "clothing", "paper", "sand"})


class UnknownContent(ValueError):
    """A load names a content that is neither in the line table nor known to have no line."""


@dataclass(frozen=True, slots=True)
class Content:
    """One substance in the load; `purity` is its share of the mass."""

    substance: str
    mass_kg: float
    purity: float = 1.0


@dataclass(frozen=True, slots=True)
class ForeignLine:
    """A line of a crystal nobody listed, given by its field on the axis at the load's standoff."""

    frequency_khz: float
    amplitude_ft: float
    t1_s: float = 0.1
    t2e_s: float = 0.02
    t2star_us: float = 640.0
    slope_hz_per_k: float = -200.0


@dataclass(frozen=True, slots=True)
class Load:
    """The object presented. With no contents and no ringing it is the empty bay.

    `temperature_k` is that of its middle; from its coldest to its warmest part it is `temperature_spread_k`, every
    temperature in between alike, which widens its lines. `standoff_m` runs from the array to the middle of the load,
    `lateral_m` across and up. `width_factor` (1 to 3) divides T2*. `slope_deviation` (-1 to 1) places this material's
    true temperature slopes inside the table's half ranges. `shield_db` is the amplitude attenuation of metal around
    it, one way.
    `ringing_ft` is piezo-electric or magneto-acoustic ringing at the pulse's end, on the axis; the share
    `ringing_alternates` (0 to 1) of it changes its sign from echo to echo, as where the pulses' phase alternates.
    `calibrant` is a reference sample forgotten in its jig beside the array, at the bay's temperature.
    """

    contents: tuple[Content, ...] = ()
    standoff_m: float = 0.6
    lateral_m: tuple[float, float] = (0.0, 0.0)
    temperature_k: float = 295.0
    width_factor: float = 1.0
    slope_deviation: float = 0.0
    shield_db: float = 0.0
    ringing_ft: float = 0.0
    ringing_decay_s: float = 2e-3
    foreign: tuple[ForeignLine, ...] = ()
    calibrant: Content | None = None
    temperature_spread_k: float = 0.0
    ringing_alternates: float = 0.0


def lines_of(content: Content) -> tuple[Line, ...]:
    """Return a content's lines, none where it has none. Raises `UnknownContent` for a name nobody knows."""
    table = line_table()
    lines = table.lines_of(content.substance)
    known = content.substance in {*table.not_covered, *table.lineless, *PLAIN_CONTENTS}
    if not lines and not known:
        raise UnknownContent(f"{content.substance!r}: must be in the line table or known to have no line")
    return lines

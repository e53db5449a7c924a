"""What the operator demands before a scan may be called clear. Figures with their reasons; no decision here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

# Nobody can act on less than this, and no mass of it fits on the tray.
LIMIT_KG_MAX: Final = 1000.0


class PolicyRefused(ValueError):
    """A policy key has a value that cannot be kept."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Demands on a scan. A scan that does not meet them is "not inspectable", never "clear".

    `limit_kg_max` holds, by substance, the largest detection limit (Pd 0.95, pure substance) that still allows
    "clear", and `limit_kg_default` that of every other substance. The default is what 300 s at 0.20 m give for the
    weakest covered lines in an optimistic field (tier B): an operator who needs less must demand less.
    `pfa_per_scan` is the chance that a scan of nothing alarms, over all
    substances, temperatures and lines together. `reflected_max` is reflected over forward transmit power: metal
    detunes the coil. The load's temperature may be anything from `cargo_k_min` to `cargo_k_max`: cargo comes from
    cold stores and from the sun. A range reading of `empty_beyond_m` or more means that nothing stands before the
    head, or that the range finder looks past it: that is "not inspectable" unless `empty_is_clear`. Limits are then
    stated for `empty_standoff_m`.
    """

    limit_kg_max: Mapping[str, float] = field(default_factory=dict)
    limit_kg_default: float = 8.0
    pfa_per_scan: float = 0.01
    reflected_max: float = 0.25
    cargo_k_min: float = 253.0
    cargo_k_max: float = 323.0
    empty_beyond_m: float = 0.5
    empty_standoff_m: float = 0.15
    array_channels_min: int = 4
    empty_is_clear: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be kept, with key, value and rule."""
        for key, value, low, high in self._ranges():
            if not low < value <= high:
                raise PolicyRefused(f"policy.{key} = {value:g}: must be above {low:g} and at most {high:g}")
        if self.cargo_k_min >= self.cargo_k_max:
            raise PolicyRefused(f"policy.cargo_k_min = {self.cargo_k_min:g}: must be below cargo_k_max")

    def _ranges(self) -> tuple[tuple[str, float, float, float], ...]:
        return (
            ("limit_kg_default", self.limit_kg_default, 0.0, LIMIT_KG_MAX),
            *((f"limit_kg_max.{name}", kg, 0.0, LIMIT_KG_MAX) for name, kg in self.limit_kg_max.items()),
            ("pfa_per_scan", self.pfa_per_scan, 0.0, 0.5),
            ("reflected_max", self.reflected_max, 0.0, 1.0),
            ("cargo_k_min", self.cargo_k_min, 200.0, 320.0),
            ("cargo_k_max", self.cargo_k_max, 260.0, 350.0),
            ("empty_beyond_m", self.empty_beyond_m, 0.0, 10.0),
            ("empty_standoff_m", self.empty_standoff_m, 0.0, 1.0),
            ("array_channels_min", self.array_channels_min, 0, 6),
        )

    def allowed_kg(self, substance: str) -> float:
        """The largest detection limit of a substance that still allows "clear"."""
        return self.limit_kg_max.get(substance, self.limit_kg_default)

"""One charted quantity of a head: its reference, its charts, and what to call them. Pure.

Rule: until the reference is there nothing drifts, and what drifted is told by channel and by band.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray  # noqa: TC002  msgspec reads the annotations

from gateway.detection.head_array import CHANNELS
from gateway.drift.bounds import BOUNDS, LEARNT_SCANS, Quantity
from gateway.drift.chart import Charts
from gateway.drift.reference import Reference, masked_mean, spread

# More names in one sentence help nobody; the rest is counted.
NAMED_MAX: Final = 4


@dataclass(slots=True)
class Charted:
    """Cells of a scan, [band, channel] or [any], held against a reference; one chart for each channel and band.

    A fault of one cell of many moves its channel's and its band's mean by little, and hears as little.
    """

    quantity: Quantity
    names: tuple[str, ...]       # of the charts
    reference: Reference
    charts: Charts

    @classmethod
    def by_channel_and_band(cls, quantity: Quantity, carriers_hz: tuple[float, ...]) -> Self:
        """Return the charts of a quantity with cells [band, channel]."""
        names = (*(f"channel {at}" for at in range(CHANNELS)), *band_names(carriers_hz))
        return cls.of(quantity, names, Reference(LEARNT_SCANS, circular=quantity is Quantity.PHASE))

    @classmethod
    def of(cls, quantity: Quantity, names: tuple[str, ...], reference: Reference) -> Self:
        """Return charts with these names."""
        return cls(quantity, names, reference, Charts.begun(BOUNDS[quantity], len(names)))

    def certified(self, shape: tuple[int, ...]) -> Self:
        """Begin from what a certificate says: no deviation at all. The scatter is still learnt."""
        self.reference.value = np.zeros(shape)
        return self

    def take(self, cells: NDArray[np.float64], *, accepted: bool) -> None:
        """Take one scan's cells; `accepted`: the reference may learn from it."""
        ready = self.reference.value is not None
        if ready:
            self.charts.take(self._statistics(self.reference.deviation(cells)))
        if accepted and not self.charts.drifted.any() and self.reference.learn(cells):
            rows = [self._statistics(self.reference.deviation(row)) for row in self.reference.rows]
            self.charts.spread = spread(np.stack(rows))
            self.reference.rows = []

    @property
    def inhibits(self) -> bool:
        """Tell whether a drift is so large that a clear cannot be allowed."""
        drifted = self.charts.drifted
        return bool(drifted.any()) and bool((drifted & (np.abs(self._sizes) >= self.charts.bounds.inhibit)).any())

    @property
    def words(self) -> str:
        """Say which charts have drifted and by how much, the largest first; empty where none has."""
        if not self.charts.drifted.any():
            return ""
        sizes = self._sizes
        drifted = sorted(np.flatnonzero(self.charts.drifted), key=lambda at: -abs(sizes[at]))
        said = [f"{self.names[at]} {amount(self.quantity, float(sizes[at]))}" for at in drifted[:NAMED_MAX]]
        more = f" and {len(drifted) - NAMED_MAX} more" if len(drifted) > NAMED_MAX else ""
        return f"{self.quantity}: {', '.join(said)}{more}"

    @property
    def _sizes(self) -> NDArray[np.float64]:
        return np.nan_to_num(self.charts.size, nan=0.0)

    def _statistics(self, deviation: NDArray[np.float64]) -> NDArray[np.float64]:
        if deviation.ndim == 1:
            return deviation
        return np.concatenate([masked_mean(deviation, 0), masked_mean(deviation, 1)])


def band_names(carriers_hz: tuple[float, ...]) -> tuple[str, ...]:
    """Return what to call the bands."""
    return tuple(f"band {carrier / 1e3:g} kHz" for carrier in carriers_hz)


def amount(quantity: Quantity, size: float) -> str:
    """Return a deviation in the unit that people use for it."""
    if quantity is Quantity.NOISE:
        return f"{size:+.1f} dB"
    if quantity is Quantity.GAIN:
        return f"{100.0 * np.expm1(size):+.0f} %"
    if quantity is Quantity.PHASE:
        return f"{np.degrees(size):+.0f} degrees"
    return f"{size:+.1f} K" if quantity is Quantity.THERMOMETER else f"{size:+.2f} of forward"

"""The magnetic channels of readings, averaged to steps of a fifth of a second. Pure.

A fifth of a second is ten periods of 50 Hz and twelve of 60 Hz: the mains and its harmonics average out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import Reading

STEP_S = 0.2
# A reading without a rate is one row; its period is not in it. Lane magnetometers do not give such.
UNTOLD_ROW_S = 1.0
# A channel counts when its unit is one of these; everything else (temperatures, voltages) is not a field.
TESLA_PER_UNIT = {"T": 1.0, "mT": 1e-3, "uT": 1e-6, "µT": 1e-6, "nT": 1e-9, "pT": 1e-12, "fT": 1e-15}
# No magnetometer of a lane reads a tesla: such a value is not a field.
FIELD_T_MAX = 1.0


def field_tesla(reading: Reading) -> NDArray[np.float64] | None:
    """Return the magnetic channels in tesla, [rows, channels]; None where there is none or a value is no field."""
    scales = [(i, TESLA_PER_UNIT[c.unit]) for i, c in enumerate(reading.channels) if c.unit in TESLA_PER_UNIT]
    if not scales or not len(reading.values):
        return None
    field = np.stack([reading.values[:, i] * scale for i, scale in scales], axis=1)
    return field if np.isfinite(field).all() and np.abs(field).max() < FIELD_T_MAX else None


class FieldSteps:
    """Cuts consecutive rows into steps, whatever the lengths of the readings they come in."""

    def __init__(self, rate_hz: float | None) -> None:
        """Take how many rows come in a second."""
        self.rows = max(1, round((rate_hz or 1.0 / UNTOLD_ROW_S) * STEP_S))
        self.row_s = 1.0 / rate_hz if rate_hz else UNTOLD_ROW_S
        self.step_s = self.rows * self.row_s
        self._held: NDArray[np.float64] | None = None

    @property
    def held_s(self) -> float:
        """How long ago, at the last row, the last whole step ended."""
        return (0 if self._held is None else len(self._held)) * self.row_s

    def cut(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the steps these rows complete: [steps, channels]."""
        rows = field if self._held is None else np.concatenate([self._held, field])
        whole = len(rows) // self.rows
        self._held = rows[whole * self.rows:]
        return np.asarray(rows[:whole * self.rows].reshape(whole, self.rows, rows.shape[1]).mean(axis=1))

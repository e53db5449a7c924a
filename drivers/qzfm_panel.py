"""The QZFM's status as its blocks tell it: lamps, coil fields, cell temperature, calibration. Pure.

Rule: what the device has not said is unknown, and unknown is not good.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np

from drivers import qzfm_lines as lines
from drivers.sample import Channel

COILS = (lines.COIL_BZ, lines.COIL_BY, lines.COIL_B0)
KEYS = (lines.TEMPERATURE_ERROR, lines.TEMPERATURE_VOLTAGE, *COILS)
CHANNELS = (
    Channel("cell_temperature_error", "ratio", "1"),
    Channel("cell_temperature_voltage", "counts", "1"),
    Channel("coil_bz", "magnetic flux density", "pT"),
    Channel("coil_by", "magnetic flux density", "pT"),
    Channel("coil_b0", "magnetic flux density", "pT"),
)

# What each lamp must show, and the flag of a reading while it does not.
WANTED = (
    (lines.LASER_ON, "laser off"), (lines.TEMPERATURE_LOCK, "no cell temperature lock"),
    (lines.LASER_LOCK, "no laser lock"), (lines.ZEROED, "field not zeroed"),
)
UNSEEN, SUSPECT = "no calibration seen", "calibration suspect"

# A healthy calibration factor is below 1; above 1.5 the vendor's users are told to look for the cause.
FACTOR_MAX = 1.5
FACTOR = re.compile(r":\s*(\d{1,3}(?:\.\d{1,4})?)")


@dataclass(slots=True)
class Panel:
    """What is known since the line was opened. `blocks` counts whole status blocks.

    Nobody documents the order within a block: one is whole when the line that began the first one comes again, or
    any other, for a line may be lost.
    """

    lamps: dict[int, bool] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    factors: tuple[float, ...] | None = None    # calibration of x, y, z, as last told
    blocks: int = 0
    _first: str = ""
    _seen: set[str] = field(default_factory=set)
    _raw: bytes = b""

    def take(self, line: lines.Parameter | lines.Lamp) -> bytes:
        """Take one line; return the bytes of the block that it shows to be whole, else none."""
        name = f"|{line.number}" if isinstance(line, lines.Lamp) else f"~{line.key}"
        whole = b""
        self._first = self._first or name
        if self._seen and (name == self._first or name in self._seen):
            whole = self._raw
            self.blocks += 1
            self._seen.clear()
            self._raw = b""
        self._seen.add(name)
        self._raw += line.raw
        if isinstance(line, lines.Lamp):
            self.lamps[line.number] = line.lit
            if line.number == lines.LASER_LOCK and not line.lit:
                self.factors = None     # it was started anew, or lost what it was calibrated with
        elif line.key in KEYS:
            self.values[line.key] = line.value
        return whole

    def half(self) -> None:
        """Forget the half block before other lines came."""
        self._first = ""
        self._seen.clear()
        self._raw = b""

    def row(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the values of CHANNELS, [1, 5]; NaN where none was told."""
        return np.array([[self.values.get(key, math.nan) for key in KEYS]])

    def coils_pt(self) -> tuple[float, ...]:
        """Return the three coil fields; NaN where none was told."""
        return tuple(self.values.get(key, math.nan) for key in COILS)

    def locked(self) -> bool:
        """Tell whether laser and cell temperature are locked."""
        return self.lamps.get(lines.LASER_LOCK, False) and self.lamps.get(lines.TEMPERATURE_LOCK, False)

    def zeroed(self) -> bool:
        """Tell whether the device says that its field is zeroed."""
        return self.lamps.get(lines.ZEROED, False)

    def flags(self) -> tuple[str, ...]:
        """Return what speaks against a reading."""
        lamps = tuple(words for lamp, words in WANTED if not self.lamps.get(lamp, False))
        if self.factors is None:
            return (*lamps, UNSEEN)
        return (*lamps, SUSPECT) if max(self.factors) > FACTOR_MAX else lamps


def calibration_of(text: str) -> tuple[float, ...] | None:
    """Return the factors of x, y and z in a message like `Calibration x:0.85, y:0.91, z:0.88, (xy)0.01`, else None."""
    factors = [float(found[1]) for part in text.split(",")[:3] if (found := FACTOR.search(part))]
    return tuple(factors) if "Calib" in text and len(factors) == 3 else None

"""One alert for one passing object: hold a run of anomalies and give its strongest moment. Pure.

The detector speaks with every reading as long as the field is disturbed; an officer needs to hear it once, soon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from calibration.reading import Reading
    from gateway.detection.verdict import Anomaly

TELL_S_MAX = 3.0    # nobody waits longer after the strongest moment for an alert,
QUIET_S = 2.5       # quiet for so long ends a passage: the slowest search looks every two seconds
RISE = 1.5          # and so does an energy larger by this than what was told of: an object's own fades
PASS_S_MAX = 30.0   # nor longer than this from the first: at a slow walk an object is felt for about as long


@dataclass(frozen=True, slots=True)
class Moment:
    """An anomaly with the reading that ended its window and that reading's receipt from the journal."""

    anomaly: Anomaly
    reading: Reading
    receipt: Future[int]


class Passing:
    """The object that is passing now, if any."""

    def __init__(self, reading_s: float) -> None:
        """Take how long one reading is."""
        self._tell_max, self._pass_max, self._quiet_max = (
            max(1, round(seconds / reading_s)) for seconds in (TELL_S_MAX, PASS_S_MAX, QUIET_S))
        self._forget()

    def _forget(self) -> None:
        self._strongest: Moment | None = None
        self._readings = self._since = self._quiet = 0
        self._told = False

    def take(self, moment: Moment | None) -> Moment | None:
        """Take what the detector said of one reading (None: quiet); return what is to be told now.

        That is the strongest moment, once for each passage: when the energy has halved, the field is quiet
        again, or nobody should wait any longer. Before the strongest moment nobody knows how large the object is.
        """
        if moment is None:
            self._quiet += 1
            if self._quiet < self._quiet_max:
                return None         # between two looks of the search
            untold = self.hurry()
            self._forget()
            return untold
        if self._told and self._strongest and moment.anomaly.energy > RISE * self._strongest.anomaly.energy:
            self._forget()      # another object, before the first is out of reach
        energy = moment.anomaly.energy
        self._quiet, self._readings, self._since = 0, self._readings + 1, self._since + 1
        if self._strongest is None or energy > self._strongest.anomaly.energy:
            self._strongest, self._since = moment, 1
        fading = energy < self._strongest.anomaly.energy / 2
        late = self._since >= self._tell_max or self._readings >= self._pass_max
        if self._told or not (fading or late):
            return None
        self._told = True
        return self._strongest

    def hurry(self) -> Moment | None:
        """Return what is not yet told of an object that is passing: nobody knows when the next reading comes."""
        untold = None if self._told else self._strongest
        self._told = self._strongest is not None
        return untold

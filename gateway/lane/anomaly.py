"""Say when something magnetic moved past: a likelihood-ratio search for a passing dipole at a stated false-alarm rate.

The background is whitened by a model learnt from quiet readings alone; nothing here names a substance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gateway.detection.verdict import Anomaly
from gateway.lane.anderson import TAU_S, scale_of
from gateway.lane.background import ORDER_MAX, learn
from gateway.lane.bank import bank_of
from gateway.lane.dipole_fit import Sighting, search, told
from gateway.lane.field_steps import FieldSteps, field_tesla
from gateway.lane.pass_portrait import portrait
from gateway.lane.step_ring import StepRing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import Reading
    from gateway.detection.verdict import Likeness
    from gateway.lane.background import Background
    from gateway.lane.bank import Bank, Find

# Less background than this is too little to tell noise from an object.
BACKGROUND_S_MIN = 12.0
# A scale is looked at once the background is so many times as long: before, its own size is unknown noise.
BACKGROUNDS_PER_TAU = 20.0
# Time learnt between two fits of the background: a thirtieth of it.
REFIT_S = 10.0
# A passage is over when nothing stronger came for so long, or for this share of its window.
OVER_S, OVER_SHARE = 3.0, 0.25
# A step towards what was before is measured against this much of the background.
BEFORE_S = 8.0


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """How the detector of one stream works. The false-alarm rate is per hour of background, over all scales."""

    false_alarms_per_hour: float = 0.1
    background_s: float = 900.0
    # After this long in alarm the new field is the background: something heavy was parked, or noise grew for good.
    alarm_s_max: float = 120.0


class Labeller(Protocol):
    """Says how like a passing object a flagged window is."""

    def prepare(self) -> None:
        """Do now what takes long, before anybody waits for an answer."""
        ...

    def likeness(self, picture: NDArray[np.float32]) -> Likeness | None:
        """Return the label of a picture; None where it has none to give."""
        ...


class PassDetector:
    """The search of one stream of one instrument. Feed it consecutive readings.

    It answers None until a background is learnt, after a gap while it learns again, and as long as the energy
    stays below the threshold.
    """

    def __init__(self, settings: LaneSettings | None = None, labeller: Labeller | None = None) -> None:
        """Take the settings, and what says how like a passing object a flagged window is."""
        self.settings = settings or LaneSettings()
        self._labeller = labeller
        self._next_row: int | None = None
        self._seam: tuple[bool, float | None, int] | None = None
        self._forget(None, 1)

    @property
    def learning(self) -> bool:
        """Tell whether it still learns the background, at first or after a gap, and raises nothing."""
        return self._bank is None

    def _forget(self, rate_hz: float | None, channels: int) -> None:
        """A gap breaks the autoregression: start to learn again rather than alarm on the seam."""
        self._steps = FieldSteps(rate_hz)
        step_s = self._steps.step_s
        self._recent = StepRing(ORDER_MAX + scale_of(TAU_S[-1], step_s).rows, channels)
        self._quiet = StepRing(max(1, round(self.settings.background_s / step_s)), channels)
        self._number = 0                    # of the newest step
        self._disturbed: set[int] = set()   # numbers of recent steps that are no background
        self._alarm_s = 0.0
        self._background: Background | None = None
        self._bank: Bank | None = None
        self._learnt_s = 0.0
        self._strongest: Sighting | None = None
        self._strongest_end = 0             # number of its last step
        self._shut = 0                      # what ended with this step was told, and takes part no more

    def feed(self, reading: Reading) -> Anomaly | None:
        """Return the anomaly found with the end of this reading, or None."""
        field = field_tesla(reading)
        if field is None:
            return None
        # A certificate that begins or ends moves the whole field, and another shape or rate is another instrument.
        seam = (reading.trust.calibrated, reading.rate_hz, field.shape[1])
        if reading.first_row != self._next_row or seam != self._seam:
            self._forget(reading.rate_hz, field.shape[1])
        self._seam, self._next_row = seam, reading.first_row + len(reading.values)
        steps = self._steps.cut(field)
        for step in steps:
            self._hold(self._held_rows() - 1)
            self._number += 1
            self._recent.add(self._number, step)
        self._learn()
        return self._judge(len(steps), reading.seen_at) if len(steps) else None

    @property
    def learnt(self) -> tuple[Bank, Background]:
        """What it searches with now. Raises LookupError before there is enough background."""
        if self._bank is None or self._background is None:
            raise LookupError("no background is learnt yet")
        return self._bank, self._background

    def measured(self, anomaly: Anomaly) -> Anomaly:
        """Return the anomaly with what fit and network say where it is the strongest of its passage; else as it is.

        Slower than `feed` by far: for the one moment that is told of.
        """
        seen = self._strongest
        if seen is None or seen.anomaly is not anomaly:
            return anomaly
        found = search(seen)
        measured = anomaly if found is None else told(seen, found)
        if self._labeller is None:
            return measured
        left = seen.white if found is None else found.left
        return replace(measured, likeness=self._labeller.likeness(portrait(seen.white, left, seen.tau_s)))

    def _hold(self, rows: int) -> None:
        """Move what is too old to be part of a pass to the background, unless it was."""
        while len(self._recent) > rows:
            number, step = self._recent.drop_oldest()
            if number in self._disturbed:
                self._disturbed.discard(number)
                continue
            self._quiet.add(number, step)
            self._learnt_s += self._steps.step_s

    def _learn(self) -> None:
        """Fit the background again where enough of it is new."""
        self._hold(self._held_rows())
        enough = len(self._quiet) * self._steps.step_s >= BACKGROUND_S_MIN
        if enough and (self._bank is None or self._learnt_s >= REFIT_S):
            self._fit_background()

    def _held_rows(self) -> int:
        taus_s, tried = self._taus_s()
        return ORDER_MAX + scale_of(taus_s[tried - 1], self._steps.step_s).rows

    def _taus_s(self) -> tuple[tuple[float, ...], int]:
        """All scales that this length of step allows, and how many of them this much background does."""
        step_s = self._steps.step_s
        taus_s = tuple(tau_s for tau_s in TAU_S if tau_s >= step_s) or (step_s,)
        most_s = max(BACKGROUND_S_MIN, len(self._quiet) * step_s) / BACKGROUNDS_PER_TAU
        return taus_s, max(1, sum(tau_s <= most_s for tau_s in taus_s))

    def _fit_background(self) -> None:
        background, self._learnt_s = learn(self._quiet.steps, self._quiet.numbers), 0.0
        if background is not None:
            if self._bank is None and self._labeller is not None:
                self._labeller.prepare()    # from now on somebody may pass
            taus_s, tried = self._taus_s()
            rate = self.settings.false_alarms_per_hour
            self._bank = bank_of(background, taus_s, self._steps.step_s, rate, tried)
            # What it was learnt from is held once; a copy would be as large.
            background = replace(background, white=background.white[:0].copy())
        self._background = background

    def _judge(self, fresh: int, seen_at: int) -> Anomaly | None:
        bank, background = self._bank, self._background
        if bank is None or background is None or len(self._recent) <= background.order:
            return None
        field = self._recent.steps
        white = background.whiten(field)
        self._end_passage()
        find = bank.strongest(white, fresh, self._number, self._shut)
        if find is None or find.energy <= bank.threshold:
            self._alarm_s = 0.0
            return None
        begins = self._alarm_s == 0.0
        self._alarm_s += fresh * self._steps.step_s
        first = self._number - len(white) + 1
        if self._alarm_s <= self.settings.alarm_s_max:
            self._disturbed.update(range(first + find.first, first + find.end))
        anomaly = self._anomaly(find, field[background.order:][find.first:find.end], bank, background)
        begins = begins or self._strongest_end <= self._shut
        if begins or self._strongest is None or find.energy > self._strongest.anomaly.energy:
            self._strongest_end = first + find.end - 1
            after_s = (self._steps.held_s - self._steps.row_s / 2.0
                       + (len(white) - (find.first + find.end) / 2.0) * self._steps.step_s)
            self._strongest = Sighting(anomaly, find.scale.tau_s, white[find.first:find.end], background,
                                       self._steps.step_s, seen_at - round(after_s * 1e9))
        return anomaly

    def _end_passage(self) -> None:
        """Shut out a passage that is over, so that the next object is judged without it."""
        if self._strongest is None:
            return
        wait_s = max(OVER_S, OVER_SHARE * self._strongest.anomaly.window_s)
        if (self._number - self._strongest_end) * self._steps.step_s > wait_s:
            self._shut = max(self._shut, self._strongest_end)

    def _anomaly(self, find: Find, field: NDArray[np.float64], bank: Bank, background: Background) -> Anomaly:
        before = self._quiet.steps[-round(BEFORE_S / self._steps.step_s):]
        peak_t = float(np.abs(field - np.median(before, axis=0))[:, background.live].max())
        return Anomaly(find.energy, bank.threshold, bank.pfa, peak_t, find.scale.rows * self._steps.step_s)

"""Say when something magnetic moved past: an energy detector with a stated false-alarm rate.

The background is whitened by an autoregressive model learnt from quiet readings alone; nothing here names a substance.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gateway.detection.chisquare import f_threshold
from gateway.detection.verdict import Anomaly

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import Reading

# A channel counts when its unit is one of these; everything else (temperatures, voltages) is not a field.
TESLA_PER_UNIT = {"T": 1.0, "mT": 1e-3, "uT": 1e-6, "µT": 1e-6, "nT": 1e-9, "pT": 1e-12, "fT": 1e-15}
# Parameters fitted per channel are ORDER + 1 out of hundreds of steps: enough for 1/f noise and a mains alias.
ORDER = 12
# The fitted constant is a drift per step in this unit: near the noise of the sensors, for a well-conditioned fit.
DRIFT_STEP_T = 1e-11
# A variance below this share of the mean square is rounding, not noise: the channel is stuck.
STUCK = 1e-24
# Correlation of channels beyond 1 - SAME counts as that; no sensor has less noise in a step than 1 fT.
SAME = 1e-6
NOISE_FLOOR_T = 1e-15
# No magnetometer of a lane reads a tesla: such a value is not a field.
FIELD_T_MAX = 1.0


# Readings between two fits of the background: a thirtieth of it.
REFIT_READINGS = 10


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """How the energy detector works. The false-alarm rate is per hour of background, over all windows."""

    false_alarms_per_hour: float = 0.1
    # A pass at walking to driving speed lasts 2-15 s (0.3-2 m/s past a sensor 1-2 m away).
    window_readings: int = 8
    # Each reading is averaged to this many steps: a pass has nothing above a few hertz, the mains does.
    steps_per_reading: int = 4
    background_readings: int = 300
    # Readings kept apart between background and window, so that an approaching vehicle does not teach the model.
    guard_readings: int = 6
    # After this long in alarm the new field is the background: something heavy was parked.
    alarm_readings_max: int = 120


class EnergyDetector:
    """Sliding-window energy of the whitened field of one instrument, tested against its F distribution.

    Feed it consecutive readings of one stream. It answers None until the background is learnt, after a gap
    while it learns again, and as long as the energy stays below the threshold.
    """

    def __init__(self, settings: LaneSettings | None = None, readings_per_hour: float = 3600.0) -> None:
        self.settings = settings or LaneSettings()
        # One window ends with every reading. Windows overlap, so the union bound makes the rate an upper bound.
        self.pfa = self.settings.false_alarms_per_hour / readings_per_hour
        self._quiet: deque[NDArray[np.float64]] = deque(maxlen=self.settings.background_readings)
        self._recent: deque[NDArray[np.float64]] = deque(maxlen=self._recent_max)
        self._next_row: int | None = None
        self._calibrated: bool | None = None
        self._in_alarm = 0
        self._whitener: _Whitener | None = None
        self._learnt = 0

    @property
    def _recent_max(self) -> int:
        return self.settings.window_readings + self.settings.guard_readings

    def feed(self, reading: Reading) -> Anomaly | None:
        """The anomaly whose window ends with this reading, or None."""
        field = _field_tesla(reading)
        if field is None:
            return None
        if self._next_row not in (None, reading.first_row) or self._changed_shape(field):
            self._forget()
        if self._calibrated is not reading.trust.calibrated:  # a certificate that begins or ends moves the whole field
            self._forget()
        self._calibrated = reading.trust.calibrated
        self._next_row = reading.first_row + len(reading.values)
        return self._judge(_averaged(field, self.settings.steps_per_reading), _seconds(reading))

    def _changed_shape(self, field: NDArray[np.float64]) -> bool:
        return bool(self._recent) and self._recent[-1].shape[1] != field.shape[1]

    def _forget(self) -> None:
        """A gap breaks the autoregression: start to learn again rather than alarm on the seam."""
        self._quiet.clear()
        self._recent.clear()
        self._whitener = None
        self._in_alarm = 0

    def _judge(self, steps: NDArray[np.float64], reading_s: float) -> Anomaly | None:
        oldest = self._recent[0] if len(self._recent) == self._recent_max else None
        self._recent.append(steps)
        if oldest is not None and self._learns():
            self._quiet.append(oldest)
            self._learnt += 1
        if len(self._quiet) < self.settings.background_readings:
            return None
        anomaly = self._test(reading_s)
        self._in_alarm = self._in_alarm + 1 if anomaly else 0
        return anomaly

    def _learns(self) -> bool:
        return self._in_alarm == 0 or self._in_alarm > self.settings.alarm_readings_max

    def _fitted(self) -> _Whitener | None:
        """The whitener of the background, fitted again now and then: it changes over minutes."""
        if self._whitener is None or self._learnt >= REFIT_READINGS:
            self._whitener, self._learnt = _whitener(np.concatenate(self._quiet)), 0
        return self._whitener

    def _test(self, reading_s: float) -> Anomaly | None:
        fitted, recent = self._fitted(), np.concatenate(self._recent)
        if fitted is None:
            return None
        n = self.settings.window_readings * self.settings.steps_per_reading
        energy = float(np.sum(fitted.whiten(recent)[-n:] ** 2))
        dof = n * int(fitted.live.sum())
        threshold = dof * f_threshold(self.pfa, dof, fitted.dof)
        if energy <= threshold:
            return None
        before = np.concatenate(tuple(self._quiet)[-self.settings.window_readings:])
        peak_t = float(np.abs(recent[-n:] - np.median(before, axis=0))[:, fitted.live].max())
        return Anomaly(energy, threshold, self.pfa, peak_t, self.settings.window_readings * reading_s)


@dataclass(frozen=True, slots=True)
class _Whitener:
    """Autoregressive coefficients [channel][lag + 1] of the live channels, and the inverse noise root.

    `centre` [channel] is taken off first: 50 uT of Earth's field would cost seven digits of a picotesla. `dof` is
    the number of innovations the noise was estimated from.
    """

    live: NDArray[np.bool_]
    centre: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    root: NDArray[np.float64]
    dof: int

    def whiten(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        """Innovations of unit variance, uncorrelated between channels: [rows - ORDER, live channels]."""
        return _innovations(field[:, self.live] - self.centre, self.coefficients) @ self.root


def _whitener(background: NDArray[np.float64]) -> _Whitener | None:
    """Fit per channel by least squares, then decorrelate the channels; None where no channel is alive."""
    spread, level = background.var(axis=0), np.mean(background**2, axis=0)
    live = np.isfinite(spread) & (spread > STUCK * level)
    if not live.any():
        return None
    centre = background[:, live].mean(axis=0)
    used = background[:, live] - centre
    coefficients = np.stack([np.linalg.lstsq(_lags(x), x[ORDER:], rcond=None)[0] for x in used.T])
    innovation = _innovations(used, coefficients)
    # ORDER + 1 parameters were fitted per channel: residuals are that much too small, predictions that much off.
    n, fitted = len(innovation), ORDER + 1
    covariance = innovation.T @ innovation / (n - fitted) * (1.0 + fitted / n)
    # Two columns of the same values, or a ramp that is predicted exactly, would leave it without an inverse.
    covariance += np.diag(SAME * covariance.diagonal() + NOISE_FLOOR_T**2)
    root = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return _Whitener(live, centre, coefficients, root, n * int(live.sum()))


def _lags(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ORDER values before each value, and a constant: [n - ORDER, ORDER + 1]."""
    past = np.stack([x[ORDER - k - 1: len(x) - k - 1] for k in range(ORDER)], axis=1)
    return np.concatenate([past, np.full((len(past), 1), DRIFT_STEP_T)], axis=1)


def _innovations(field: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([x[ORDER:] - _lags(x) @ a for x, a in zip(field.T, coefficients, strict=True)], axis=1)


def _field_tesla(reading: Reading) -> NDArray[np.float64] | None:
    """The magnetic channels in tesla, [rows, channels]; None where there is none or a value is no field."""
    scales = [(i, TESLA_PER_UNIT[c.unit]) for i, c in enumerate(reading.channels) if c.unit in TESLA_PER_UNIT]
    if not scales or not len(reading.values):
        return None
    field = np.stack([reading.values[:, i] * scale for i, scale in scales], axis=1)
    return field if np.isfinite(field).all() and np.abs(field).max() < FIELD_T_MAX else None


def _averaged(field: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Means over equal parts of the reading, at most `steps` of them."""
    return np.stack([part.mean(axis=0) for part in np.array_split(field, min(steps, len(field)))])


def _seconds(reading: Reading) -> float:
    return len(reading.values) / reading.rate_hz if reading.rate_hz else 1.0

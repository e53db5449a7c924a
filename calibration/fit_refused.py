"""Why a set of attitudes gives no calibration. Each refusal carries its numbers and says what to do."""

from __future__ import annotations


class FitRefused(ValueError):
    """The attitudes do not give a calibration."""


class TooFewAttitudes(FitRefused):
    """Nine parameters need more attitudes than nine, or the residuals say nothing."""

    def __init__(self, attitudes: int, attitudes_min: int) -> None:
        super().__init__(f"attitudes = {attitudes}: at least {attitudes_min} are needed")
        self.attitudes, self.attitudes_min = attitudes, attitudes_min


class PoorCoverage(FitRefused):
    """The attitudes leave some combination of the parameters undetermined."""

    def __init__(self, condition: float, condition_max: float, missing: tuple[str, ...],
                 gap_deg: float, gap: str) -> None:
        octants = f"no attitude in the octants {', '.join(missing)}" if missing else "every octant has one"
        super().__init__(f"condition number = {condition:.3g}: must be at most {condition_max:g}; {octants}; "
                         f"the widest gap, {gap_deg:.0f} degrees, lies around {gap}: turn the sensor so that "
                         "the field points there")
        self.condition, self.missing, self.gap_deg, self.gap = condition, missing, gap_deg, gap


class TooManyOutliers(FitRefused):
    """So many attitudes disagree that it is not known which to believe."""

    def __init__(self, outliers: int, attitudes: int, outliers_max: int) -> None:
        super().__init__(f"outliers = {outliers} of {attitudes} attitudes: at most {outliers_max} may be; "
                         "look for moving iron, a current, or a reference that changed, and start again")
        self.outliers, self.attitudes, self.outliers_max = outliers, attitudes, outliers_max


class Saturated(FitRefused):
    """An axis stood at the end of its range."""

    def __init__(self, axis: str, attitudes: tuple[int, ...], reading: float) -> None:
        super().__init__(f"axis {axis} = {reading:.6g} in attitudes {list(attitudes)}: stands at the end of "
                         "its range; choose a larger range or a weaker field")
        self.axis, self.attitudes, self.reading = axis, attitudes, reading


class ResidualTooLarge(FitRefused):
    """The readings are no distorted sphere: the field changed, or the reference is not that of this place."""

    def __init__(self, rms: float, rms_max: float) -> None:
        super().__init__(f"residual rms = {rms:.4g}: must be at most {rms_max:.4g}; the field was not steady "
                         "or the reference value is not that of this place")
        self.rms, self.rms_max = rms, rms_max

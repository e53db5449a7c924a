"""A scan held against a signed null set: its score, its conformal p-value, and what that does to the verdict. Pure.

Rule: an alarm of theory that the null set takes for ordinary is not inspectable, never clear; and whatever is wrong
with the set itself changes no answer, it is only said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from gateway.detection.null_set import NullSet, Setting, conformal_p, scans_needed, smallest_p
from gateway.detection.rule import Ruling
from gateway.detection.verdict import NullCheck, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from calibration.reading import CalibratedScan
    from gateway.detection.glrt import Fit
    from gateway.detection.verdict import Verdict


class Against(Protocol):
    """What a detector holds its verdicts against."""

    def hold(self, verdict: Verdict, scan: CalibratedScan, scores: tuple[float, ...], pfa: float) -> Verdict:
        """Return the verdict as it is after the test.

        `scores` are the scan's, in the order of the verdict's; `pfa` is the rate of false alarms it was decided at.
        """
        ...


@dataclass(frozen=True, slots=True)
class ScoreOnly:
    """For making a null set: the verdict of theory with its scores, compared with nothing."""

    def hold(self, verdict: Verdict, scan: CalibratedScan, scores: tuple[float, ...], pfa: float) -> Verdict:  # noqa: ARG002  # as `Against`
        """Return the verdict with its scores."""
        return replace(verdict, null_check=NullCheck(1.0, 0, bytes(32), max(scores, default=0.0), scores))


@dataclass(frozen=True, slots=True)
class TheoryAlone:
    """For a null set that was refused: theory decides, and every verdict says why."""

    why: str

    def hold(self, verdict: Verdict, scan: CalibratedScan, scores: tuple[float, ...], pfa: float) -> Verdict:  # noqa: ARG002  # as `Against`
        """Return the verdict with the reason."""
        return replace(verdict, reasons=(*verdict.reasons, f"decided by theory alone: {self.why}"))


@dataclass(frozen=True, slots=True)
class NullTest:
    """A verified null set in use: the nulls' scores ascending, the digest of the file as loaded, and the demand."""

    ascending: tuple[float, ...]
    sha256: bytes
    setting: Setting
    pfa: float

    @classmethod
    def of(cls, nulls: NullSet, sha256: bytes) -> NullTest:
        """The test against a set at its own rate of false alarms."""
        return cls(nulls.ascending, sha256, nulls.setting, nulls.demands.pfa_per_scan)

    @property
    def suffices(self) -> bool:
        """Whether there are enough nulls for a p-value as small as is demanded."""
        return smallest_p(len(self.ascending)) <= self.pfa

    def hold(self, verdict: Verdict, scan: CalibratedScan, scores: tuple[float, ...], pfa: float) -> Verdict:
        """Return the verdict with its conformal p-value; each alarm must be as extreme as the policy demands.

        Each substance is held against the highest score of any substance in each null, so that the chance of any
        false alarm in a scan is what is bounded, and a strong substance cannot carry a weak one along.
        """
        differs = self.setting.differs(setting_of(scan))
        if not differs and pfa != self.pfa:
            differs = f"decided at a false-alarm probability of {pfa:.3g}, the null set at {self.pfa:g}"
        if differs:
            return TheoryAlone(f"the null set is not of this kind of scan: {differs}").hold(verdict, scan, scores, pfa)
        top = max(scores, default=0.0)
        check = NullCheck(conformal_p(top, self.ascending), len(self.ascending), self.sha256, top, scores)
        if not self.suffices:
            few = f"{len(self.ascending)} scans in the null set: {scans_needed(self.pfa)} are needed for {self.pfa:g}"
            return replace(TheoryAlone(few).hold(verdict, scan, scores, pfa), null_check=check)
        p_values = {score.substance: conformal_p(own, self.ascending)
                    for score, own in zip(verdict.scores, scores, strict=True)}
        return replace(self._held(verdict, p_values), null_check=check)

    def _held(self, verdict: Verdict, p_values: Mapping[str, float]) -> Verdict:
        ordinary = {one.substance for one in verdict.scores if one.alarmed and p_values[one.substance] > self.pfa}
        if not ordinary:
            return verdict
        nulls = len(self.ascending)
        said = tuple(f"{name}: {round(p_values[name] * (nulls + 1)) - 1} of {nulls} scans of the null set, which hold"
                     f" no covered substance, score as high (p {p_values[name]:.2g}): no alarm, and not clear"
                     for name in p_values if name in ordinary)
        scores = tuple(replace(one, alarmed=one.alarmed and one.substance not in ordinary) for one in verdict.scores)
        stays = any(one.alarmed for one in scores)
        outcome = Outcome.ALARM if stays else Outcome.NOT_INSPECTABLE
        return replace(verdict, outcome=outcome, reasons=(*said, *verdict.reasons), scores=scores)


def setting_of(scan: CalibratedScan) -> Setting:
    """What of a scan must agree with a null set."""
    return Setting(scan.device, tuple(band.plan for band in scan.bands), scan.dwell_s)


def scores_of(names: Iterable[str], fits: Mapping[str, Fit], rulings: Mapping[str, Ruling]) -> tuple[float, ...]:
    """The score of each named substance: -ln of the false-alarm probability at which the decision would name it."""
    return tuple(score(fits[name], rulings[name]) if name in fits else 0.0 for name in names)


def score(fit: Fit, ruling: Ruling) -> float:
    """The score of one substance; 0 for what could never alarm, because its lines do not fit or it is vetoed."""
    return max(0.0, -fit.log_p) if fit.consistent and ruling is not Ruling.VETOED else 0.0

"""The signed null set: what is kept of scans that hold no covered substance, and the p-value against them. Pure.

Rule: no scan leaves a set unsaid. One that is excluded stands in it with the reason, and equal scores count against.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drivers.sample import BandPlan, Identity
    from gateway.detection.policy import Policy
    from gateway.detection.verdict import Outcome

# Five weeks of scans of 300 s without a pause: 1.3 MB. More would be another bay by then.
SCANS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Demands:
    """The part of a policy that the score of a scan depends on."""

    pfa_per_scan: float
    cargo_k_min: float
    cargo_k_max: float
    empty_beyond_m: float
    empty_standoff_m: float

    @classmethod
    def of(cls, policy: Policy) -> Demands:
        """The demands of a policy."""
        return cls(policy.pfa_per_scan, policy.cargo_k_min, policy.cargo_k_max, policy.empty_beyond_m,
                   policy.empty_standoff_m)


@dataclass(frozen=True, slots=True)
class Setting:
    """What must be the same in every scan of a set, and in every scan that is compared with it."""

    head: Identity
    plans: tuple[BandPlan, ...]
    dwell_s: float

    def differs(self, other: Setting) -> str:
        """Return in words what is different, empty where nothing that counts is. Firmware does not count."""
        mine, theirs = self.head, other.head
        if (mine.make, mine.model, mine.serial) != (theirs.make, theirs.model, theirs.serial):
            return f"another head: {_named(theirs)}, the null set is of {_named(mine)}"
        if not math.isclose(self.dwell_s, other.dwell_s, rel_tol=1e-9):
            return f"another dwell: {other.dwell_s:g} s, the null set's scans took {self.dwell_s:g} s"
        if self.plans != other.plans:
            return f"another schedule of bands: {_laid(other.plans)}; the null set's is {_laid(self.plans)}"
        return ""


@dataclass(frozen=True, slots=True)
class NullScan:
    """One scan of a set. `index` is that of its record in the journal, or its place among the files it came from.

    `score` is as in `NullCheck`; `substances` are rounded to float32; `noise_ft` is, by band, the median over the
    array channels of a point's standard deviation, fT at the sensor.
    """

    index: int
    raw_sha256: bytes
    outcome: Outcome
    score: float
    substances: tuple[float, ...]
    noise_ft: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A scan that an operator left out, with the operator's reason. `score` is NaN where it could not be decided."""

    index: int
    raw_sha256: bytes
    score: float
    why: str


@dataclass(frozen=True, slots=True)
class NullSet:
    """All that is signed. `source` says where the scans came from, `first_ns` and `last_ns` when (wall clock).

    `detection_sha256` is that of the code and tables that the scores depend on; `made_ns` and `clock` say when it was
    made and how good the clock was. `substances` names the order of each scan's scores.
    """

    gateway: str
    software: str
    software_sha256: bytes
    detection_sha256: bytes
    model_sha256: bytes
    demands: Demands
    setting: Setting
    substances: tuple[str, ...]
    source: str
    first_ns: int | None
    last_ns: int | None
    made_ns: int
    clock: str
    scans: tuple[NullScan, ...]
    excluded: tuple[Excluded, ...]

    @property
    def ascending(self) -> tuple[float, ...]:
        """The scores of the scans, the smallest first."""
        return tuple(sorted(scan.score for scan in self.scans))


def conformal_p(score: float, ascending: Sequence[float]) -> float:
    """Return (1 + the scores of nulls at `score` or above) / (N + 1).

    For a scan exchangeable with the nulls it is at most a with a probability of at most a, at every N, over the draw
    of both (Vovk, Gammerman, Shafer 2005; Angelopoulos and Bates, arXiv 2107.07511). A score that is no number is
    as extreme as none: p is 1.
    """
    if math.isnan(score):
        return 1.0
    return (1 + len(ascending) - bisect_left(ascending, score)) / (len(ascending) + 1)


def smallest_p(scans: int) -> float:
    """The p-value of a scan that scores above every one of so many nulls."""
    return 1.0 / (scans + 1)


def scans_needed(pfa: float) -> int:
    """How many nulls a false-alarm probability needs: with fewer no p-value is that small."""
    return max(1, math.ceil(1.0 / pfa - 1.0 - 1e-9))


def _named(head: Identity) -> str:
    return " ".join(word for word in (head.make, head.model, head.serial) if word) or "one that does not tell its name"


def _laid(plans: tuple[BandPlan, ...]) -> str:
    trains = sum(plan.trains for plan in plans)
    return f"{len(plans)} bands from {plans[0].carrier_hz / 1e3:g} kHz, {trains} trains" if plans else "no band"

"""Make a null set: take each scan that is offered, decide it by the gateway's own code, keep its scores.

Rule: what cannot be in a null set stops the making, with every reason at once. Nothing is dropped but what an
operator excludes, and that is written down with the operator's reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.lines import covered
from drivers.replay import REPLAYED
from gateway.detection.head_array import ARRAY
from gateway.detection.null_set import SCANS_MAX, Demands, Excluded, NullScan, NullSet
from gateway.detection.null_test import ScoreOnly, setting_of
from gateway.null_set_file import EXCLUDED_MAX, NullSetRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from calibration.reading import CalibratedScan
    from gateway.clock import Now
    from gateway.detection.detector import Detector
    from gateway.detection.null_set import Setting

# So many reasons are told at once: a person mends a few and tries again.
REASONS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class Offered:
    """A scan that might go into a set. `scan` is None where it could not be had; `why_not` then says why."""

    index: int
    name: str
    scan: CalibratedScan | None
    raw_sha256: bytes
    wall_ns: int | None = None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who makes a set, of what, when, and with which software: what no scan says of itself."""

    gateway: str
    source: str
    software: str
    software_sha256: bytes
    detection_sha256: bytes
    now: Now


@dataclass(slots=True)
class Gathering:
    """What was gathered so far."""

    excludes: Mapping[int, str]
    setting: Setting | None = None
    scans: list[NullScan] = field(default_factory=list)
    excluded: list[Excluded] = field(default_factory=list)
    seen: dict[bytes, str] = field(default_factory=dict)
    times_ns: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def objection(self, offered: Offered) -> str:
        """Return why a scan cannot be in the set, empty where it can."""
        scan = offered.scan
        if scan is None:
            return offered.why_not
        if REPLAYED in scan.flags:
            return "a replayed recording, which says nothing of this bay"
        if not scan.trust.calibrated:
            return f"uncalibrated: {scan.trust.reason or 'no valid certificate'}"
        if scan.raw_sha256 in self.seen:
            return f"the same raw data as {self.seen[scan.raw_sha256]}: one scan counts once"
        return self.setting.differs(setting_of(scan)) if self.setting else ""


def make(offers: Iterable[Offered], detector: Detector, excludes: Mapping[int, str], origin: Origin,
         tell: Callable[[int], None] = lambda _done: None) -> NullSet:
    """Return the set of all scans offered, less the excluded ones. Raises NullSetRefused with all that is against it.

    `excludes` gives a reason by the index of a scan; `tell` hears how many were looked at.
    """
    detector.against = ScoreOnly()
    gathering = Gathering(excludes)
    for done, offered in enumerate(offers, 1):
        take(gathering, offered, detector)
        tell(done)
    missed = sorted(set(excludes) - {one.index for one in gathering.excluded})
    gathering.problems += [f"--exclude {index}: no scan that was offered has this number" for index in missed]
    problems = gathering.problems
    if problems:
        more = f"\n  and {len(problems) - REASONS_MAX} more" if len(problems) > REASONS_MAX else ""
        said = "".join(f"\n  {problem}" for problem in problems[:REASONS_MAX])
        raise NullSetRefused(f"no null set can be made of these scans; exclude what does not belong:{said}{more}")
    if gathering.setting is None:
        raise NullSetRefused("no scan to make a null set of: no scan record was named; see --from and --to")
    times = gathering.times_ns
    return NullSet(
        origin.gateway, origin.software, origin.software_sha256, origin.detection_sha256, detector.model_sha256,
        Demands.of(detector.policy), gathering.setting, tuple(one.name for one in covered()), origin.source,
        min(times, default=None), max(times, default=None), origin.now.wall_ns, origin.now.state,
        tuple(gathering.scans), tuple(gathering.excluded))


def take(gathering: Gathering, offered: Offered, detector: Detector) -> None:
    """Put one scan where it belongs: into the set, among the excluded, or among the problems."""
    scan = offered.scan
    if offered.index in gathering.excludes:
        if len(gathering.excluded) >= EXCLUDED_MAX:
            raise NullSetRefused(f"more than {EXCLUDED_MAX} scans excluded: what is left shows nothing")
        score = scored(detector, scan, offered.index).score if scan is not None else math.nan
        why = gathering.excludes[offered.index]
        gathering.excluded.append(Excluded(offered.index, offered.raw_sha256, score, why))
        return
    objection = gathering.objection(offered)
    if objection or scan is None:
        gathering.problems.append(f"{offered.name}: {objection}")
        return
    if len(gathering.scans) >= SCANS_MAX:
        raise NullSetRefused(f"more than {SCANS_MAX} scans: take the newest of them")
    gathering.setting = gathering.setting or setting_of(scan)
    gathering.seen[scan.raw_sha256] = offered.name
    gathering.times_ns += [] if offered.wall_ns is None else [offered.wall_ns]
    gathering.scans.append(scored(detector, scan, offered.index))


def scored(detector: Detector, scan: CalibratedScan, index: int) -> NullScan:
    """Decide a scan and return what is kept of it."""
    verdict = detector.decide(scan)
    check = verdict.null_check
    if check is None:
        raise NullSetRefused("the detector gives no scores: it is held against a null set already")
    noise = tuple(float(np.median(band.field_ft[ARRAY].std(axis=(1, 2)))) for band in scan.bands)
    return NullScan(index, scan.raw_sha256, verdict.outcome, check.score, check.substances, noise)

"""Null sets of given scores, for tests: no scan is drawn."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from calibration.lines import covered
from calibration.schedule import schedule
from drivers.sample import Identity
from gateway.detection.null_set import Demands, Excluded, NullScan, NullSet, Setting
from gateway.detection.policy import Policy
from gateway.detection.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = Identity("Spingate", "emulated NQR-8", "NQR-0001", "1.0")
SETTING = Setting(HEAD, schedule(300.0), 300.0)
NAMES = tuple(one.name for one in covered())


def null_set(scores: Sequence[float], setting: Setting = SETTING, model_sha256: bytes = bytes(32),
             detection_sha256: bytes = bytes(32)) -> NullSet:
    """A set of scans with these scores, all of the first substance, one excluded."""
    scans = tuple(NullScan(at, sha256(b"%d" % at).digest(), Outcome.CLEAR, float(score),
                           (float(score), *(0.0,) * (len(NAMES) - 1)), (10.0,) * len(setting.plans))
                  for at, score in enumerate(scores))
    excluded = (Excluded(len(scans), sha256(b"out").digest(), 9.5, "a trolley with fertiliser stood there"),)
    return NullSet("bay-1", "spingate 0.1.0", bytes(32), detection_sha256, model_sha256, Demands.of(Policy()), setting,
                   NAMES, "journal spingate/bay-1, records 1 to 99", 1_790_000_000_000_000_000,
                   1_790_000_300_000_000_000, 1_790_000_400_000_000_000, "synchronised", scans, excluded)

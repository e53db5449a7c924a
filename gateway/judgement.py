"""The classifier as the core uses it: loaded and tried, or refused with a reason that every verdict repeats. Edge.

A scan without a usable model is never clear: it is not inspectable, and says why.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.lines import covered
from gateway.detection.detector import Detector, ModelRefused, Policy, PolicyRefused
from gateway.detection.sequence import LoadSequence
from gateway.detection.verdict import Outcome, Verdict
from gateway.evidence.act import ModelBody
from gateway.evidence.body import clipped

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan
    from gateway.config import Loaded
    from gateway.config_tables import DetectionTable

LOG = logging.getLogger("spingate")

SHIPPED_MODEL = Path(__file__).parent / "models" / "nqr"
NO_MODEL = bytes(32)
REFUSAL_BYTES_MAX = 1000  # every verdict repeats it
CARD_BYTES_MAX = 49_152   # what a model's record has room for, docs/record.cddl


@dataclass(frozen=True, slots=True)
class Judgement:
    """Decides scans. `detector` is None where the model was refused, `refusal` then says why."""

    detector: Detector | None
    refusal: str
    model_sha256: bytes

    def __call__(self, scan: CalibratedScan) -> Verdict:
        """Return the verdict on a scan. Takes a fraction of a second of one core; call it off the loop."""
        if self.detector is not None:
            return self.detector.decide(scan)
        reasons = (f"no usable classifier: {self.refusal}",)
        return Verdict(Outcome.NOT_INSPECTABLE, reasons, (), scan.scan_id, scan.raw_sha256, self.model_sha256)

    def sequence(self, looks_max: int) -> LoadSequence | None:
        """Return the looks at one load, at most so many; None where nothing can be decided."""
        return None if self.detector is None else LoadSequence(self.detector, looks_max)


def take_up_model(loaded: Loaded) -> tuple[Judgement, ModelBody]:
    """Load and try the configured model, and return it with what the journal has to say of it."""
    table = loaded.config.detection
    folder = loaded.resolve(table.model_dir) if table.model_dir else SHIPPED_MODEL
    try:
        detector = Detector.load(folder, demands(table))
    except ModelRefused as refused:
        reason = clipped(str(refused), REFUSAL_BYTES_MAX)
        LOG.warning("model refused: %s", reason)
        return Judgement(None, reason, NO_MODEL), ModelBody(folder.name or "/", "", "", accepted=False, reason=reason)
    card = detector.card if len(detector.card.encode()) <= CARD_BYTES_MAX else ""  # its digest names it all the same
    body = ModelBody(folder.name or "/", detector.runtime, card, accepted=True, reason="")
    return Judgement(detector, "", detector.model_sha256), body


def demands(table: DetectionTable) -> Policy:
    """Return what the operator demands before a clear. Raises PolicyRefused with key, value and rule.

    A limit for a substance that is not covered would be kept by nobody, and the scan be clear by the default one.
    """
    names = [substance.name for substance in covered()]
    for name, kg in table.limit_kg_max.items():
        if name not in names:
            rule = f"no such covered substance; must be one of: {', '.join(names)}"
            raise PolicyRefused(f"detection.limit_kg_max.{name!r} = {kg:g}: {rule}")
    return Policy(reflected_max=table.reflected_max, limit_kg_max=table.limit_kg_max,
                  empty_is_clear=table.empty_bay == "clear")

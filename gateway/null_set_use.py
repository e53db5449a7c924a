"""The null set as the gateway uses it: verified and fitting, or refused with a reason that every verdict repeats.

A refused set stops no scan and hides no alarm: theory decides alone, and the record says so.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibration.lines import covered
from gateway.detection.null_set import Demands
from gateway.detection.null_test import NullTest, TheoryAlone
from gateway.evidence.act import ModelBody
from gateway.evidence.body import clipped
from gateway.evidence.keys import KeyUnusable, load_public
from gateway.null_set_file import NullSetRefused, load, read, sha256, verify
from gateway.null_set_words import described, warnings
from gateway.software import detection_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from calibration.certificate import Subject
    from gateway.config import Loaded
    from gateway.detection.detector import Detector
    from gateway.detection.null_set import NullSet
    from gateway.detection.null_test import Against

LOG = logging.getLogger("spingate")

REFUSAL_BYTES_MAX = 1000   # every verdict repeats it
NAME_BYTES_MAX = 240       # what a record's name holds beside the words before it
CARD_BYTES_MAX = 49_152    # what a model's record has room for, docs/record.cddl


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What verdicts are held against, and what the journal has to say of it.

    `sha256` is the digest of the file's bytes, None where it could not be read; `data` are its bytes and `nulls` what
    they hold, both None where it was refused.
    """

    against: Against
    body: ModelBody
    sha256: bytes | None
    data: bytes | None
    nulls: NullSet | None


def take_up_nulls(loaded: Loaded, own: Mapping[bytes, Ed25519PublicKey], detector: Detector | None,
                  heads: Iterable[Subject] = ()) -> TakenUp | None:
    """Read, verify and try the configured null set; None where none is configured.

    `own` are the gateway's public keys by id, `heads` the certified heads of the bay as far as they are known.
    """
    table = loaded.config.detection
    if not table.null_set:
        return None
    path = loaded.resolve(table.null_set)
    name = clipped(f"null set {path.name}", NAME_BYTES_MAX)
    data = None
    try:
        keys = {**own, **listed_keys(loaded)}
        data = read(path)
        nulls = fitting(verify(data, keys), detector)
        must_be_of_the_bay(nulls, loaded.config.scan.dwell_s, tuple(heads))
    except NullSetRefused as refused:
        reason = clipped(str(refused), REFUSAL_BYTES_MAX)
        LOG.warning("null set refused: %s", reason)
        body = ModelBody(name, "", "", accepted=False, reason=reason)
        against = TheoryAlone(f"the null set was refused: {reason}")
        return TakenUp(against, body, None if data is None else sha256(data), None, None)
    digest = sha256(data)
    for said in warnings(nulls):
        LOG.warning("null set: %s", said)
    card = clipped("\n".join(described(nulls, digest)), CARD_BYTES_MAX)
    body = ModelBody(name, nulls.software, card, accepted=True, reason="")
    return TakenUp(NullTest.of(nulls, digest), body, digest, data, nulls)


def listed_keys(loaded: Loaded) -> dict[bytes, Ed25519PublicKey]:
    """Return the keys that may sign a null set beside the gateway's own. Raises NullSetRefused."""
    found: dict[bytes, Ed25519PublicKey] = {}
    for name in loaded.config.detection.null_set_keys:
        try:
            found.update(load_public(loaded.resolve(name)).ed25519)
        except KeyUnusable as unusable:
            raise NullSetRefused(f"detection.null_set_keys: {unusable}") from unusable
    return found


def test_of(path: Path, keys: Mapping[bytes, Ed25519PublicKey], detector: Detector) -> NullTest:
    """Return the test against the set in a file, for one look at a scan. Raises NullSetRefused."""
    nulls, data = load(path, keys)
    return NullTest.of(fitting(nulls, detector), sha256(data))


def fitting(nulls: NullSet, detector: Detector | None) -> NullSet:
    """Return the set if its scores are those that this detector gives. Raises NullSetRefused."""
    if detector is None:
        raise NullSetRefused("the classifier was refused, and a null set belongs to one classifier")
    again = "make it again from the same scans: spingate nulls make"
    if not nulls.scans:
        raise NullSetRefused("there is no scan in it")
    if nulls.model_sha256 != detector.model_sha256:
        raise NullSetRefused(f"made with the model {nulls.model_sha256.hex()[:16]}, this gateway's is "
                             f"{detector.model_sha256.hex()[:16]}: {again}")
    if nulls.detection_sha256 != detection_sha256():
        raise NullSetRefused(f"made by another version of the decision, of {nulls.software}: {again}")
    if nulls.demands != Demands.of(detector.policy):
        raise NullSetRefused(f"made under other demands, {nulls.demands}: {again}")
    if nulls.substances != tuple(one.name for one in covered()):
        raise NullSetRefused(f"made for other substances, {', '.join(nulls.substances)}: {again}")
    return nulls


def must_be_of_the_bay(nulls: NullSet, dwell_s: float, heads: tuple[Subject, ...]) -> None:
    """Refuse a set of another head, or of other scans than this gateway orders. Each scan is compared again."""
    setting = nulls.setting
    if not math.isclose(setting.dwell_s, dwell_s, rel_tol=1e-9):
        raise NullSetRefused(f"of scans of {setting.dwell_s:g} s: scan.dwell_s = {dwell_s:g}")
    own = (setting.head.make, setting.head.model, setting.head.serial)
    if heads and own not in {(one.make, one.model, one.serial) for one in heads}:
        known = "; ".join(f"{one.make} {one.model} {one.serial}" for one in heads)
        raise NullSetRefused(f"of another head, {' '.join(own).strip() or 'without a name'}: the certificates are of"
                             f" {known}")

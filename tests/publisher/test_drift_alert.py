"""A drift of the head is an alert for a dashboard, copied from the signed record; other faults are none."""

from __future__ import annotations

import pytest

from drivers.sample import Fault
from gateway import clock
from gateway.drafts import Drafter
from gateway.drift.watch import KINDS
from gateway.evidence import cose, keys
from gateway.evidence.record import Provenance, encode
from gateway.publisher.alert import alert_of
from gateway.publisher.source import Entry


@pytest.mark.parametrize("kind", [*sorted(KINDS), "no answer"])
def test_only_a_fault_of_the_drift_watch_is_an_alert(kind: str) -> None:
    """Kind and detail stand in it, and the head's name."""
    key, drafter = keys.generate(), Drafter(clock.boot_id(), Provenance("test", bytes(32), bytes(32)))
    draft = drafter.instrument_fault(clock.now(), "head", Fault(kind, "pilot gain: -20 %", 5))
    found = alert_of(Entry(7, "fault", cose.sign(encode(draft, "bay", 7), key.ed25519, key.kid)))
    assert (found is not None) == (kind in KINDS)
    if found is not None:
        assert (found.what, found.reasons, found.instrument) == ("drift", (kind, "pilot gain: -20 %"), "head")

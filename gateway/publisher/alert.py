"""What a dashboard shows of an alarm, an anomaly or a drift of the head, copied from the signed record.

It adds nothing and leaves nothing out that changes the meaning; its length is bounded, the record's is the proof.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gateway.detection.testimony_words import short_form
from gateway.detection.verdict import Outcome
from gateway.evidence import record
from gateway.evidence.body import AnomalyBody, FaultBody, VerdictBody
from gateway.evidence.cbor import RecordRefused
from gateway.publisher.journal import payload_of
from gateway.publisher.message import Alert

if TYPE_CHECKING:
    from gateway.detection.verdict import Anomaly, Verdict
    from gateway.publisher.source import Entry

REASONS_MAX = 16             # what an officer reads; the rest stands in the record
REASON_CHARACTERS_MAX = 500
ALERT_KINDS = frozenset({"verdict", "anomaly", "fault"})
DRIFT = "drift "             # how the faults of the drift watch begin
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def alert_of(entry: Entry) -> Alert | None:
    """Return the alert that a record raises: an alarm verdict, an anomaly or a drift; None for every other."""
    if entry.kind not in ALERT_KINDS:
        return None
    try:
        found = record.decode(payload_of(entry.message))
    except RecordRefused:
        return None
    when = rfc3339(found.stamp.wall_ns)
    if isinstance(found.body, VerdictBody) and found.body.verdict.outcome == Outcome.ALARM:
        verdict = found.body.verdict
        substances = tuple(score.substance for score in verdict.scores if score.alarmed)
        return Alert("alarm", clipped(worded(verdict)), substances, found.body.instrument, when)
    if isinstance(found.body, AnomalyBody):
        anomaly = found.body.anomaly
        return Alert("anomaly", told_of(anomaly), (), found.body.instrument, when)
    if isinstance(found.body, FaultBody) and found.body.kind.startswith(DRIFT):
        return Alert("drift", clipped((found.body.kind, found.body.detail)), (), found.body.name, when)
    return None


def worded(verdict: Verdict) -> tuple[str, ...]:
    """Return the reasons of an alarm, each alarm's own followed by its account in a sentence."""
    told = {one.substance: short_form(one) for one in verdict.accounts or ()}
    accounts = [told[score.substance] for score in verdict.scores if score.alarmed and score.substance in told]
    named = sum(score.alarmed for score in verdict.scores)
    return (*verdict.reasons[:named], *accounts, *verdict.reasons[named:])


def told_of(anomaly: Anomaly) -> tuple[str, ...]:
    """Return what an anomaly says: ferrous mass in motion, how sure, and how large and near with uncertainty."""
    reason = f"energy {anomaly.energy:.4g} over the threshold {anomaly.threshold:.4g}, peak {anomaly.peak_t:.3g} T"
    passed, like = anomaly.passage, anomaly.likeness
    label = () if like is None else (f"like an object that passed, not a disturbance: {like.passing:.2f} (network)",)
    if passed is None:
        return (reason, *label)
    size = (f"ferrous mass in motion, moment {passed.moment_am2:.2g} A m^2 (u = {passed.u_moment_am2:.2g}), "
            f"closest approach {passed.closest_m:.2g} m (u = {passed.u_closest_m:.2g})")
    return (reason, size, *label)


def clipped(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first reasons, each at most so long."""
    return tuple(reason[:REASON_CHARACTERS_MAX] for reason in reasons[:REASONS_MAX])


def rfc3339(wall_ns: int) -> str | None:
    """Return a wall time as CloudEvents writes it, None where it is outside the calendar."""
    try:
        return (EPOCH + timedelta(microseconds=wall_ns // 1000)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return None

"""What goes onto the wire: payload, topic and the unsigned hints beside it. Pure.

The signed bytes are published as they stand in the journal: a subscriber needs them and a public key alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gateway.publisher.topics import COSE_TYPE, EVENT_TYPE, JSON_TYPE, NOTE_TYPE, Topics

if TYPE_CHECKING:
    from gateway.publisher.source import Entry

# MQTT 5 section 3.3: fixed header 5, topic length 2, packet id 2, property length 4, content type 3; then room.
FRAME_BYTES = 32
PROPERTY_BYTES = 5  # identifier and the two lengths of one user property, section 3.3.2.3.7


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH at QoS 1. `properties` are user properties, sent where the broker speaks MQTT 5."""

    topic: str
    payload: bytes
    content_type: str
    retain: bool = False
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def byte_count(self) -> int:
        """Return an upper bound of the packet's size on the wire."""
        hints = sum(len(name) + len(value) + PROPERTY_BYTES for name, value in self.properties)
        return FRAME_BYTES + len(self.topic) + len(self.content_type) + hints + len(self.payload)


@dataclass(frozen=True, slots=True)
class Alert:
    """What a dashboard shows of an alarm verdict, an anomaly or a drift: copied from the signed record, never more."""

    what: str                        # "alarm", "anomaly" or "drift"
    reasons: tuple[str, ...]
    substances: tuple[str, ...]
    instrument: str
    time_rfc3339: str | None


def event_id(index: int, sha256: bytes) -> str:
    """Return the CloudEvents id of a record: the same for every repetition, another in another journal."""
    return f"{index}-{sha256[:8].hex()}"


def record_message(entry: Entry, sha256: bytes, topics: Topics) -> Message:
    """Return a signed record with its CloudEvents attributes as hints (binary mode, MQTT 5 binding 3.1)."""
    hints = (
        ("specversion", "1.0"),
        ("id", event_id(entry.index, sha256)),
        ("source", f"/spingate/{topics.gateway}"),
        ("type", f"spingate.record.{entry.kind}"),
        ("index", str(entry.index)),
    )
    return Message(topics.record(entry.kind), entry.message, COSE_TYPE, properties=hints)


def alert_message(entry: Entry, sha256: bytes, alert: Alert, topics: Topics) -> Message:
    """Return the unsigned copy of an alert as a CloudEvents 1.0 JSON event that says where the proof is."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": event_id(entry.index, sha256),
        "source": f"/spingate/{topics.gateway}",
        "type": f"spingate.alert.{alert.what}",
        "datacontenttype": "application/json",
        "data": {
            "unsigned_copy": True,
            "what": alert.what,
            "reasons": alert.reasons,
            "substances": alert.substances,
            "instrument": alert.instrument,
            "index": entry.index,
            "record_sha256": hashlib.sha256(entry.message).hexdigest(),
            "record_topic": topics.record(entry.kind),
            "proof": f"spingate export {entry.index} --out FILE",
        },
    }
    if alert.time_rfc3339 is not None:
        event["time"] = alert.time_rfc3339
    return Message(topics.alert, msgspec.json.encode(event), EVENT_TYPE)


def checkpoint_message(note: bytes, topics: Topics) -> Message:
    """Return the newest signed tree head, retained, so that a late subscriber has it too."""
    return Message(topics.checkpoint, note, NOTE_TYPE, retain=True)


def status_message(state: str, topics: Topics, reason: str = "") -> Message:
    """Return the retained sign of life; the same topic carries the last will."""
    body = {"state": state, "gateway": topics.gateway} | ({"reason": reason} if reason else {})
    return Message(topics.status, msgspec.json.encode(body), JSON_TYPE, retain=True)

"""A stranger at the broker: takes what arrives and checks every signature with the public key alone. Edge.

Written from docs/record.md and nothing of the gateway's own code, so that it is a second opinion.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cbor2
import paho.mqtt.client as mqtt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

COSE_SIGN1, ED25519 = 18, -19
# Keys of the record, docs/record.cddl.
KIND, SEQUENCE, BODY = 2, 4, 7
READING, SCAN, VERDICT, ANOMALY, FAULT = 1, 2, 3, 4, 5
LAST_BYTE = {READING: 12, SCAN: 11, ANOMALY: 3}
OUTCOMES = {1: "alarm", 2: "clear", 3: "not inspectable"}


@dataclass(slots=True)
class Seen:
    """What has arrived: records by sequence number, and what was counted on the way."""

    records: dict[int, dict[int, Any]] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    messages: int = 0
    verified: int = 0
    invalid: int = 0
    checkpoints: int = 0

    def of_kind(self, kind: int) -> list[dict[int, Any]]:
        """Return the bodies of the records of one kind, in order of their sequence numbers."""
        return [record[BODY] for _, record in sorted(self.records.items()) if record[KIND] == kind]


class Subscriber:
    """Listens to one gateway on a broker. `changed` is notified after each message."""

    def __init__(self, host: str, port: int, public_pem: bytes, monotonic_ns: Callable[[], int]) -> None:
        key = load_pem_public_key(public_pem)
        self.key: Ed25519PublicKey = key  # type: ignore[assignment]  # the first block of the file is the Ed25519 key
        self.monotonic_ns = monotonic_ns
        self.seen = Seen()
        self.changed = threading.Condition()
        self.subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "demo-subscriber", protocol=mqtt.MQTTv5)
        self.client.on_connect = self.on_connect
        self.client.on_subscribe = lambda *_arguments: self.subscribed.set()
        self.client.on_message = self.on_message
        self.client.connect(host, port)
        self.client.loop_start()

    def on_connect(self, client: mqtt.Client, *_rest: object) -> None:
        """Subscribe, also after a reconnection."""
        client.subscribe("spingate/v1/#", qos=1)

    def on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        """Take one message by its topic: prefix, version, gateway, what, kind."""
        now = self.monotonic_ns()
        what = message.topic.split("/")[3]
        with self.changed:
            self.seen.messages += 1
            if what == "record":
                self.take_record(bytes(message.payload), now)
            elif what == "checkpoint":
                self.take_checkpoint(bytes(message.payload))
            elif what == "alert":
                self.seen.alerts.append(json.loads(message.payload))
            self.changed.notify_all()

    def take_record(self, message: bytes, now: int) -> None:
        """Verify one COSE_Sign1 message over the bytes as they came, then keep what it says."""
        try:
            item = cbor2.loads(message)
            protected, unprotected, payload, signature = item.value
            header = cbor2.loads(protected)
            signed = cbor2.dumps(["Signature1", protected, b"", payload])
            self.key.verify(signature, signed)
            genuine = item.tag == COSE_SIGN1 and header[1] == ED25519 and unprotected == {}
            record = cbor2.loads(payload)
        except (InvalidSignature, cbor2.CBORDecodeError, AttributeError, ValueError, KeyError, TypeError):
            genuine, record = False, {}
        if not genuine:
            self.seen.invalid += 1
            return
        self.seen.verified += 1
        if record[SEQUENCE] in self.seen.records:
            return  # at least once: a repetition is allowed and changes nothing
        self.seen.records[record[SEQUENCE]] = record
        if record[KIND] in LAST_BYTE:
            self.seen.latencies_ms.append((now - record[BODY][LAST_BYTE[record[KIND]]]) / 1e6)

    def take_checkpoint(self, note: bytes) -> None:
        """Verify the Ed25519 line of a signed note (C2SP): a name, four bytes of key id, 64 of signature."""
        body, _, lines = note.decode().partition("\n\n")
        for line in lines.splitlines():
            signature = base64.b64decode(line.rsplit(" ", 1)[1])[4:]
            try:
                self.key.verify(signature, f"{body}\n".encode())
            except InvalidSignature:
                continue  # perhaps the line of another key
            self.seen.checkpoints += 1
            return
        self.seen.invalid += 1

    def wait(self, wanted: Callable[[Seen], bool], wait_s: float) -> bool:
        """Wait until `wanted` holds of what has arrived, at most `wait_s`; tell whether it does."""
        with self.changed:
            return self.changed.wait_for(lambda: wanted(self.seen), wait_s)

    def close(self) -> None:
        """Hang up."""
        self.client.disconnect()
        self.client.loop_stop()

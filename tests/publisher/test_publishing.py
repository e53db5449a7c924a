"""What arrives at a subscriber: the signed bytes, the checkpoint, the alert, the sign of life."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING

from gateway.evidence import checkpoint, cose
from tests.publisher.core import GATEWAY, KEY, Core
from tests.publisher.running import RunningPublisher, quick
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.publisher.mosquitto import Mosquitto

BASE = f"spingate/v1/{GATEWAY}"


def test_every_record_arrives_as_it_stands_in_the_journal(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """A subscriber with the public key alone verifies what it was sent."""
    core.faults(300)
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)):
        assert wait_for(lambda: len(subscriber.payloads()) >= 300)
    assert subscriber.payloads() == core.messages()
    for payload in subscriber.payloads():
        cose.verify(payload, KEY.public.ed25519)


def test_a_record_carries_its_content_type_and_hints(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """MQTT 5 subscribers route by properties without opening the payload."""
    core.faults(2)
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)):
        assert wait_for(lambda: len(subscriber.payloads()) >= 2)
    heard = [heard for heard in subscriber.heard if "/record/" in heard.topic][1]
    digest = hashlib.sha256(heard.payload).hexdigest()
    assert heard.topic == f"{BASE}/record/fault"
    assert heard.content_type == 'application/cose; cose-type="cose-sign1"'
    assert heard.properties == {
        "specversion": "1.0", "id": f"1-{digest[:16]}", "source": f"/spingate/{GATEWAY}",
        "type": "spingate.record.fault", "index": "1",
    }  # fmt: skip


def test_an_alarm_and_an_anomaly_are_mirrored_as_marked_unsigned_copies(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """A dashboard gets plain JSON that says it is a copy, and where the proof is."""
    core.faults(1)
    alarm, anomaly = core.alarm(), core.anomaly()
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)):
        assert wait_for(lambda: len(subscriber.payloads("/alert")) >= 2)
    events = [json.loads(payload) for payload in subscriber.payloads("/alert")]
    assert [event["type"] for event in events] == ["spingate.alert.alarm", "spingate.alert.anomaly"]
    data = events[0]["data"]
    assert data["unsigned_copy"] is True
    assert data["index"] == alarm
    assert data["record_sha256"] == hashlib.sha256(core.messages()[alarm]).hexdigest()
    assert data["record_topic"] == f"{BASE}/record/verdict"
    assert data["substances"] == ["RDX"]
    assert events[1]["data"]["index"] == anomaly
    assert events[0]["time"].endswith("Z")


def test_a_late_subscriber_still_gets_the_newest_checkpoint_and_status(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """Checkpoint and status are retained; the last will takes the status back when the publisher dies."""
    core.faults(5)
    with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: running.publisher.checkpoint_sent is not None)
        assert wait_for(lambda: not running.publisher.courier.window)
        with Subscriber(broker.port) as late:
            assert wait_for(lambda: late.payloads("/checkpoint") and late.payloads("/status"))
            note = checkpoint.parse(late.payloads("/checkpoint")[-1])
            assert checkpoint.verify(note, KEY.public).ed25519
            assert json.loads(late.payloads("/status")[-1])["state"] == "online"
    with Subscriber(broker.port, name="later") as later:
        assert wait_for(lambda: len(later.payloads("/status")) > 0)
        said = json.loads(later.payloads("/status")[-1])
    assert said == {"state": "offline", "gateway": GATEWAY, "reason": "stopped"}


def test_small_packets_are_sent_at_once(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """TCP_NODELAY is set on the socket that is really used."""
    with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: running.publisher.courier.link is not None)
        assert running.publisher.link is not None
        line = running.publisher.link.client.socket()
        assert isinstance(line, socket.socket)
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


def test_a_ring_at_the_door_is_answered_without_waiting_for_the_poll(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """With a poll of 5 s a record still arrives within a fraction of it, because the core rings."""
    settings = quick(broker.port, poll_ms=5000)
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", settings) as running:
        assert wait_for(lambda: running.publisher.courier.link is not None)
        core.faults(1)
        assert wait_for(lambda: len(subscriber.payloads()) == 1, 1.0)


def test_the_poll_finds_what_nobody_rang_for(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """A lost ring costs a quarter of a second, not a record."""
    ringing, core.doorbell = core.doorbell, tmp_path / "nobody"
    with Subscriber(broker.port) as subscriber:
        core.doorbell = ringing
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: running.publisher.courier.link is not None)
            core.doorbell = tmp_path / "nobody"
            core.faults(1)
            assert wait_for(lambda: len(subscriber.payloads()) == 1, 3.0)


def test_a_restart_sends_nothing_that_was_acknowledged(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """The cursor is durable: an orderly restart repeats nothing."""
    core.faults(50)
    with Subscriber(broker.port) as subscriber:
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: running.publisher.courier.main.mark.index == 49)
        assert running.status().cursor == 49
        assert running.status().state == "stopped"
        core.faults(10)
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)):
            assert wait_for(lambda: len(subscriber.payloads()) >= 60)
    assert subscriber.payloads() == core.messages()
    assert running.beats > 0

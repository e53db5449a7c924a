"""An independent subscriber that keeps everything it was given, with topic, content type and user properties."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from collections.abc import Callable

SESSION_S = 600


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it arrived."""

    topic: str
    payload: bytes
    retain: bool
    content_type: str
    properties: dict[str, str]
    at: float


@dataclass
class Subscriber:
    """Subscribes to everything at QoS 1; with a persistent session the broker queues for it while it is away."""

    port: int
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5
    name: str = "auditor"
    setup: Callable[[mqtt.Client], None] | None = None
    topic: str = "#"
    heard: list[Heard] = field(default_factory=list)
    subscribed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        clean = False if self.version == MQTTProtocolVersion.MQTTv311 else None
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, self.name, clean_session=clean, protocol=self.version)
        self.client.reconnect_delay_set(0.05, 0.2)  # type: ignore[arg-type]  # it takes fractions all the same
        self.client.on_connect = lambda client, *_: client.subscribe(self.topic, 1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._hear
        if self.setup:
            self.setup(self.client)
        if self.version == MQTTProtocolVersion.MQTTv5:
            lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left it without types
            lasting.SessionExpiryInterval = SESSION_S
            self.client.connect("127.0.0.1", self.port, 10, clean_start=False, properties=lasting)
        else:
            self.client.connect("127.0.0.1", self.port, 10)
        self.client.loop_start()
        assert self.subscribed.wait(5), "the subscriber was not let in"
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        said = message.properties
        hints = dict(getattr(said, "UserProperty", []))
        kind = getattr(said, "ContentType", "")
        self.heard.append(
            Heard(message.topic, bytes(message.payload), message.retain, kind, hints, time.monotonic())
        )

    def payloads(self, part: str = "/record/") -> list[bytes]:
        """Return the payloads heard on topics that contain `part`, in order of arrival."""
        return [heard.payload for heard in list(self.heard) if part in heard.topic]

    def repeated(self) -> int:
        """Count the records that came more than once."""
        return sum(count - 1 for count in Counter(self.payloads()).values())


def wait_for(condition: Callable[[], object], s_max: float = 20.0) -> bool:
    """Wait until a condition holds; say whether it came to hold in time."""
    end = time.monotonic() + s_max
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())

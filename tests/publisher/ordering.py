"""Whoever gives orders over MQTT, and the line that hears them, for tests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.control import ask
from gateway.publisher.order_line import OrderLine
from gateway.publisher.topics import Topics
from tests.publisher.core import GATEWAY
from tests.publisher.subscriber import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.publisher.settings import PublisherSettings
    from tests.publisher.subscriber import Subscriber

TOPICS = Topics("spingate", GATEWAY)


@contextmanager
def hearing(settings: PublisherSettings, control: Path) -> Iterator[OrderLine]:
    """Hear orders and hand them to the core that listens at `control`."""
    line = OrderLine(settings, TOPICS, "line", lambda order: ask(control, order))
    line.start()
    try:
        yield line
    finally:
        line.stop()


def give(person: Subscriber, payload: bytes, *, retain: bool = False) -> None:
    """Publish an order as whoever `person` is."""
    kind = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho left it without types
    kind.ContentType = "application/json"
    person.client.publish(TOPICS.order, payload, qos=1, retain=retain, properties=kind)


def answer_to(person: Subscriber, payload: bytes, *, retain: bool = False) -> bytes:
    """Give an order until it is heard, and return the next answer: the line may still be connecting."""
    seen = len(person.payloads("/order/answer"))

    def answered() -> bool:
        if len(person.payloads("/order/answer")) == seen:
            give(person, payload, retain=retain)
        return wait_for(lambda: len(person.payloads("/order/answer")) > seen, 0.5)

    assert wait_for(answered, 10)
    return person.payloads("/order/answer")[seen]

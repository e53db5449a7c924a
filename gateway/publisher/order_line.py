"""A connection of its own on which the publisher hears orders and answers them. Edge: paho's thread, and one more.

Rule: it shares nothing with the connection that carries records: a flood of orders, or a core that does not
answer, never holds an alert back.
"""

from __future__ import annotations

import logging
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.clock import monotonic_ns
from gateway.progress import SECOND
from gateway.publisher.link import enter_credentials, set_nodelay
from gateway.publisher.orders import OrderDesk
from gateway.publisher.topics import JSON_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import ConnectFlags, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

    from gateway.control import Answer, Ask
    from gateway.publisher.settings import PublisherSettings
    from gateway.publisher.topics import Topics

LOG = logging.getLogger("spingate.publisher")

ORDERS_WAITING_MAX = 16   # heard and not followed yet; whoever gives more at once is answered for these alone
LOOK_S = 0.5              # how soon a stop is seen
ANSWERS_WAITING_MAX = 16  # of orders that came before the broker went away; who gave them has given up by then


class OrderLine:
    """Hears orders from `start` to `stop`, connecting again whenever the broker is lost."""

    def __init__(self, settings: PublisherSettings, topics: Topics, client_id: str,
                 ask: Callable[[Ask], Answer]) -> None:
        """Prepare. Raises `OSError` or `ssl.SSLError` where a TLS or password file cannot be used."""
        self._topics = topics
        self._desk = OrderDesk(ask)
        self._settings = settings
        self._heard: queue.Queue[tuple[MQTTMessage, int]] = queue.Queue(ORDERS_WAITING_MAX)
        self._stopping = threading.Event()
        self._worker = threading.Thread(target=self._follow, name="orders", daemon=True)
        old = settings.protocol == "3.1.1"  # told so, or MQTT 5: here nothing is lost by a broker that has none
        version = MQTTProtocolVersion.MQTTv311 if old else MQTTProtocolVersion.MQTTv5
        self._client = Client(CallbackAPIVersion.VERSION2, f"{client_id}-orders", protocol=version,
                              clean_session=True if old else None)
        self._hints = None if old else Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho left it
        if self._hints is not None:
            self._hints.ContentType = JSON_TYPE
        self._client.connect_timeout = settings.connect_s_max
        self._client.max_queued_messages_set(ANSWERS_WAITING_MAX)
        shortest, longest = (max(1, round(wait)) for wait in (settings.reconnect_s_min, settings.reconnect_s_max))
        self._client.reconnect_delay_set(shortest, longest)
        self._client.on_socket_open = set_nodelay
        self._client.on_connect = self._subscribe
        self._client.on_message = self._hear
        enter_credentials(self._client, settings)

    def start(self) -> None:
        """Begin to listen, in a thread; a broker that is away is tried again."""
        self._client.connect_async(self._settings.broker, self._settings.port, self._settings.keepalive_s)
        self._client.loop_start()
        self._worker.start()

    def stop(self) -> None:
        """Hear no more orders."""
        self._client.disconnect()
        self._client.loop_stop()
        self._stopping.set()
        self._worker.join(2 * LOOK_S)  # one that waits for a core that hangs ends with the process

    def _subscribe(self, client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode,
                   _said: Properties | None) -> None:
        if code.is_failure:
            LOG.warning("no orders over MQTT: the broker refused the connection: %s", code)
            return
        client.subscribe(self._topics.order, qos=1)

    def _hear(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        """Note when an order came. Nothing waits here, or nobody would know how long it lay in the kernel's buffer."""
        try:
            self._heard.put_nowait((message, monotonic_ns()))
        except queue.Full:
            LOG.warning("an order is not followed: %d wait already", ORDERS_WAITING_MAX)

    def _follow(self) -> None:
        """Follow the orders, one after the other."""
        while not self._stopping.is_set():
            with suppress(queue.Empty):
                self._take(*self._heard.get(timeout=LOOK_S))

    def _take(self, message: MQTTMessage, heard_at: int) -> None:
        waited_s = (monotonic_ns() - heard_at) / SECOND
        reply = self._desk.take(bytes(message.payload), retained=message.retain, waited_s=waited_s)
        LOG.info("order %r: %s", reply.id, reply.refused or "followed")
        self._client.publish(self._topics.order_answer, msgspec.json.encode(reply), qos=1, properties=self._hints)

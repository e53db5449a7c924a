"""One MQTT connection to the broker, for as long as it lasts. Edge.

A new client for every connection: nothing is queued in memory across a loss, the journal is the queue. That
avoids paho's offline queue, whose messages cannot be asked whether they were published (2.2: RuntimeError).
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.publisher.hints import PackedHints

if TYPE_CHECKING:
    from paho.mqtt.client import ConnectFlags, DisconnectFlags, SocketLike
    from paho.mqtt.reasoncodes import ReasonCode

    from gateway.publisher.message import Message
    from gateway.publisher.settings import PublisherSettings

RECEIVE_MAXIMUM_DEFAULT = 65535   # MQTT 5 section 3.2.2.3.3, where the broker names none
UNSUPPORTED_VERSION = 0x84        # MQTT 5 section 3.2.2.2; paho maps a 3.1.1 refusal to it
REFUSALS_FROM = 0x80              # MQTT 5 section 2.4: reason codes from here on are failures
PASSWORD_BYTES_MAX = 65535        # MQTT section 3.1.3.5


@dataclass(frozen=True, slots=True)
class Welcome:
    """The broker accepted us. It takes `inflight_max` messages at once, of `packet_bytes_max` each."""

    inflight_max: int
    packet_bytes_max: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker answered one message. `refusal` is empty where it took it."""

    message_id: int
    code: int
    refusal: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone, or never came about. `by_peer`: the other side closed it."""

    reason: str
    by_peer: bool = False
    unsupported_version: bool = False


LinkEvent: TypeAlias = Welcome | Answer | Lost


class Link:
    """Connects once, sends, and collects what the broker answers into `events`."""

    def __init__(self, settings: PublisherSettings, client_id: str, protocol: str, will: Message) -> None:
        """Prepare. Raises `OSError` or `ssl.SSLError` where a TLS or password file cannot be used."""
        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        self.settings = settings
        self.protocol = protocol
        self.events: list[LinkEvent] = []
        self.welcomed = False
        self.thread = threading.Thread(target=self._connect, name="mqtt-connect", daemon=True)
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False,
            clean_session=None if protocol == "5" else True,
        )
        self.client.connect_timeout = settings.connect_s_max
        self.client.max_inflight_messages = settings.inflight_max + 1  # the courier keeps a tighter count
        hints = self._will_hints(will)
        self.client.will_set(will.topic, will.payload, 1, will.retain, hints)
        enter_credentials(self.client, settings)
        self.client.on_socket_open = set_nodelay
        self.client.on_connect = self._on_connect
        self.client.on_publish = self._on_publish
        self.client.on_disconnect = self._on_disconnect

    @property
    def connecting(self) -> bool:
        """Say whether the connection is still being made; until then nothing else may be asked."""
        return self.thread.is_alive()

    def start(self) -> None:
        """Open the connection and say hello in a thread: names and handshakes may take longer than a watchdog."""
        self.thread.start()

    def _connect(self) -> None:
        try:
            self.client.connect(self.settings.broker, self.settings.port, self.settings.keepalive_s)
        except (OSError, ssl.CertificateError) as error:
            self.events.append(Lost(f"{self.settings.broker}:{self.settings.port}: {error}"))

    def fileno(self) -> int | None:
        """Return the descriptor to wait on, None where there is no connection."""
        line = self.client.socket()
        return None if line is None else line.fileno()

    @property
    def wants_write(self) -> bool:
        """Say whether bytes wait for room in the kernel."""
        return self.client.want_write()

    @property
    def has_more(self) -> bool:
        """Say whether TLS already holds bytes for which the kernel will not wake us."""
        line = self.client.socket()
        return isinstance(line, ssl.SSLSocket) and line.pending() > 0

    def turn(self, *, readable: bool, writable: bool) -> list[LinkEvent]:
        """Move bytes and return what happened."""
        if readable:
            self.client.loop_read()
        if writable:
            self.client.loop_write()
        self.client.loop_misc()
        events, self.events = self.events, []
        return events

    def send(self, message: Message) -> int | None:
        """Write one message at QoS 1; return its id, None where the connection turned out to be gone."""
        hints = cast("Properties", PackedHints(message)) if self.protocol == "5" else None
        info = self.client.publish(message.topic, message.payload, 1, message.retain, hints)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def close(self) -> None:
        """Say goodbye and close; the last will is not sent then."""
        self.client.on_disconnect = None
        self.client.disconnect()
        self._drop()

    def drop(self) -> None:
        """Close without a goodbye: nobody hears it, and the broker should send the last will."""
        self.client.on_disconnect = None
        self._drop()

    def _drop(self) -> None:
        line = self.client.socket()
        if line is not None:
            line.close()

    def _will_hints(self, will: Message) -> Properties | None:
        if self.protocol != "5":
            return None
        properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]  # paho left it without types
        properties.ContentType = will.content_type
        return properties

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, said: Properties | None
    ) -> None:
        if code.is_failure:
            refused = f"the broker refused the connection: {code}"
            self.events.append(Lost(refused, unsupported_version=code.value == UNSUPPORTED_VERSION))
            return
        self.welcomed = True
        room = getattr(said, "ReceiveMaximum", RECEIVE_MAXIMUM_DEFAULT)
        self.events.append(Welcome(room, getattr(said, "MaximumPacketSize", None)))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, code: ReasonCode, _said: Properties
    ) -> None:
        refusal = str(code) if code.value >= REFUSALS_FROM else ""
        self.events.append(Answer(mid, code.value, refusal))

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _said: Properties | None,
    ) -> None:
        by_broker = flags.is_disconnect_packet_from_server
        reason = f"the broker said goodbye: {code}" if by_broker else f"the connection broke: {code}"
        self.events.append(Lost(reason, by_peer=by_broker or "keep alive" not in str(code).lower()))


def enter_credentials(client: Client, settings: PublisherSettings) -> None:
    """Give a client its user name, password and certificates. Raises `OSError` or `ssl.SSLError`."""
    if settings.username:
        password = read_password(Path(settings.password_file)) if settings.password_file else None
        client.username_pw_set(settings.username, password)
    if settings.tls:
        context = ssl.create_default_context(cafile=settings.tls_ca or None)
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
        client.tls_set_context(context)


def set_nodelay(_client: Client, _data: object, line: SocketLike) -> None:
    """Send small packets at once: with Nagle's algorithm an acknowledged exchange stalls for 40 ms."""
    if isinstance(line, socket.socket):
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def read_password(path: Path) -> str:
    """Return the first line of a password file."""
    with path.open("rb") as file:
        return file.read(PASSWORD_BYTES_MAX).split(b"\n", 1)[0].rstrip(b"\r").decode()

"""The broker itself, on one asyncio loop, loopback only. Edge.

In memory and without sessions that outlive their connection: good for a demo, not for a gateway in service.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING, Self

from hil.broker.packets import (
    V5,
    V311,
    Hello,
    Kind,
    Malformed,
    Publication,
    packet,
    parse_connect,
    parse_publish,
    parse_subscribe,
    publish,
)
from hil.broker.topic_filter import matches, valid

if TYPE_CHECKING:
    from types import TracebackType

PACKET_BYTES_MAX = 2 * 1024 * 1024   # above the publisher's own default bound
CLIENTS_MAX = 64
RETAINED_MAX = 1000                  # topics
QUEUE_MAX = 20_000                   # messages a slow subscriber may owe before it is put out
HELLO_S_MAX = 5.0                    # a connection that says nothing is closed
GRANTED_WITH_ERROR = 0x80            # SUBACK: refused


class Client:
    """One connection: what it subscribed to, and what it still owes us acknowledgements for."""

    def __init__(self, writer: asyncio.StreamWriter, hello: Hello) -> None:
        """Take over a connection that said hello."""
        self.writer, self.hello = writer, hello
        self.filters: dict[str, int] = {}
        self.unacknowledged: set[int] = set()
        self.queue: deque[tuple[Publication, bool]] = deque()
        self.last_id = 0
        self.will: Publication | None = hello.will

    def send(self, data: bytes) -> None:
        """Hand bytes to the connection; whoever does not read them is put out."""
        self.writer.write(data)

    def offer(self, publication: Publication, *, retain: bool) -> None:
        """Deliver a message that one of the filters takes in, now or when there is room."""
        granted = [qos for text, qos in self.filters.items() if matches(text, publication.topic)]
        if not granted:
            return
        if min(publication.qos, max(granted)) == 0:
            self.send(publish(publication, 0, 0, self.hello.version, retain=retain))
            return
        self.queue.append((publication, retain))
        if len(self.queue) > QUEUE_MAX:
            self.writer.close()
        self.deliver()

    def deliver(self) -> None:
        """Send what waits, as far as the subscriber's receive maximum goes."""
        while self.queue and len(self.unacknowledged) < self.hello.receive_max:
            publication, retain = self.queue.popleft()
            self.last_id = self.last_id % 65535 + 1
            self.unacknowledged.add(self.last_id)
            self.send(publish(publication, self.last_id, 1, self.hello.version, retain=retain))


class Broker:
    """Accepts clients on a loopback port. Use as an async context; `port` is known inside it."""

    def __init__(
        self,
        port: int = 0,
        versions: frozenset[int] = frozenset({V311, V5}),
        packet_bytes_max: int = PACKET_BYTES_MAX,
    ) -> None:
        """Take the port, 0 for any free one, and what to speak."""
        self.port, self.versions, self.packet_bytes_max = port, versions, packet_bytes_max
        self.clients: dict[str, Client] = {}
        self.retained: dict[str, Publication] = {}
        self.server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and hang up on everybody."""
        if self.server is not None:
            self.server.close()
        for client in list(self.clients.values()):
            client.writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client: Client | None = None
        try:
            client = await self._greet(reader, writer)
            if client is not None:
                await self._listen(client, reader)
        except (Malformed, asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            if client is not None and client.hello.version == V5 and isinstance(error, Malformed):
                client.send(packet(Kind.DISCONNECT, bytes([error.code])))
        finally:
            if client is not None and self.clients.get(client.hello.client_id) is client:
                del self.clients[client.hello.client_id]
            if client is not None and client.will is not None:
                self.spread(client.will)
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Client | None:
        kind, _flags, body = await asyncio.wait_for(read_packet(reader, self.packet_bytes_max), HELLO_S_MAX)
        if kind != Kind.CONNECT:
            raise Malformed("the first packet must be CONNECT")
        # The version stands behind the six bytes of the protocol's name; section 3.1.2.2.
        if len(body) < 7 or body[6] not in self.versions:
            writer.write(packet(Kind.CONNACK, b"\x00\x01"))  # 3.1.1 section 3.2.2.3: unacceptable version
            return None
        hello = parse_connect(body)
        if len(self.clients) >= CLIENTS_MAX:
            return None
        hello = hello if hello.client_id else replace_id(hello, f"auto-{id(writer):x}")
        before = self.clients.pop(hello.client_id, None)
        if before is not None:
            before.writer.close()
        client = self.clients[hello.client_id] = Client(writer, hello)
        client.send(packet(Kind.CONNACK, connack(hello, self.packet_bytes_max)))
        return client

    async def _listen(self, client: Client, reader: asyncio.StreamReader) -> None:
        # MQTT section 3.1.2.10: one and a half times the keep alive without a packet ends the connection.
        silence_s_max = client.hello.keepalive_s * 1.5 or None
        while True:
            kind, flags, body = await asyncio.wait_for(read_packet(reader, self.packet_bytes_max), silence_s_max)
            if kind == Kind.DISCONNECT:
                client.will = client.will if body[:1] == b"\x04" else None  # 0x04: disconnect with the will
                return
            self._answer(client, kind, flags, body)
            await client.writer.drain()

    def _answer(self, client: Client, kind: int, flags: int, body: bytes) -> None:
        version = client.hello.version
        if kind == Kind.PUBLISH:
            self._take(client, parse_publish(flags, body, version))
        elif kind == Kind.PUBACK:
            client.unacknowledged.discard(int.from_bytes(body[:2], "big"))
            client.deliver()
        elif kind == Kind.SUBSCRIBE:
            self._subscribe(client, body)
        elif kind == Kind.UNSUBSCRIBE:
            packet_id, filters = parse_subscribe(body, version, options=False)
            gone = bytes(0 if client.filters.pop(text, None) is not None else 0x11 for text, _ in filters)
            said = b"\0" + gone if version == V5 else b""
            client.send(packet(Kind.UNSUBACK, packet_id.to_bytes(2, "big") + said))
        elif kind == Kind.PINGREQ:
            client.send(packet(Kind.PINGRESP, b""))
        else:
            raise Malformed(f"packet type {kind} is not for a broker")

    def _take(self, client: Client, publication: Publication) -> None:
        """Take one message in, keep it where it is to be retained, and pass it on."""
        new = publication.retain and publication.topic not in self.retained
        full = new and len(self.retained) >= RETAINED_MAX
        if publication.qos:
            code = (b"\x97" if full else b"") if client.hello.version == V5 else b""
            client.send(packet(Kind.PUBACK, publication.packet_id.to_bytes(2, "big") + code))
        if not full:
            self.spread(publication)

    def spread(self, publication: Publication) -> None:
        """Pass a message on to whoever subscribed; an empty retained one clears its topic."""
        if publication.retain and publication.payload:
            self.retained[publication.topic] = publication
        elif publication.retain:
            self.retained.pop(publication.topic, None)
        for client in list(self.clients.values()):
            client.offer(publication, retain=False)

    def _subscribe(self, client: Client, body: bytes) -> None:
        version = client.hello.version
        packet_id, filters = parse_subscribe(body, version, options=True)
        granted = bytes(min(wish & 3, 1) if valid(text) else GRANTED_WITH_ERROR for text, wish in filters)
        no_properties = b"\0" if version == V5 else b""
        client.send(packet(Kind.SUBACK, packet_id.to_bytes(2, "big") + no_properties + granted))
        for (text, _), qos in zip(filters, granted, strict=True):
            if qos == GRANTED_WITH_ERROR:
                continue
            client.filters[text] = qos
            for publication in [kept for kept in self.retained.values() if matches(text, kept.topic)]:
                client.offer(publication, retain=True)


async def read_packet(reader: asyncio.StreamReader, bytes_max: int) -> tuple[int, int, bytes]:
    """Read one packet: its type, its flags, its body. Raises `Malformed` where it is too large."""
    first = (await reader.readexactly(1))[0]
    length = 0
    for shift in (0, 7, 14, 21):
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 127) << shift
        if byte < 128:
            break
    if length > bytes_max:
        raise Malformed(f"a packet of {length} bytes; at most {bytes_max} are taken")
    return first >> 4, first & 15, await reader.readexactly(length)


def connack(hello: Hello, packet_bytes_max: int) -> bytes:
    """Write the body of CONNACK: no session kept, and in MQTT 5 what we take and what we do not offer."""
    if hello.version != V5:
        return b"\x00\x00"
    limits = b"".join((
        b"\x11\0\0\0\0",                                # the session ends with the connection
        b"\x24\x01",                                    # maximum QoS 1
        b"\x27", packet_bytes_max.to_bytes(4, "big"),   # maximum packet size
        b"\x29\x00\x2a\x00",                            # no subscription identifiers, nothing shared
    ))
    name = hello.client_id.encode()
    limits += b"\x12" + len(name).to_bytes(2, "big") + name
    return b"\x00\x00" + bytes([len(limits)]) + limits


def replace_id(hello: Hello, client_id: str) -> Hello:
    """Give a client without a name one of ours."""
    return Hello(hello.version, client_id, hello.keepalive_s, hello.receive_max, hello.will)

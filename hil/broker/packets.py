"""MQTT packets as a broker sees them, 3.1.1 (OASIS 2014) and 5 (OASIS 2019). No I/O and no clock here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

V311, V5 = 4, 5

# MQTT 5 section 2.2.2.2: how long the value of each property is; the two others carry their own length.
FIXED_PROPERTIES = {
    0x01: 1, 0x02: 4, 0x11: 4, 0x13: 2, 0x17: 1, 0x18: 4, 0x19: 1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1,
    0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}
TEXT_PROPERTIES = {0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F}
USER_PROPERTY, SUBSCRIPTION_ID = 0x26, 0x0B
WILL_DELAY, TOPIC_ALIAS, RECEIVE_MAXIMUM = 0x18, 0x23, 0x21


class Kind(IntEnum):
    """MQTT control packet types, section 2.1.2."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Malformed(ValueError):
    """Bytes that are no packet of the client's MQTT version; the connection is closed."""

    code = 0x81


class NotOffered(Malformed):
    """Something that MQTT has and this broker does not."""

    code = 0x9B


@dataclass(frozen=True, slots=True)
class Publication:
    """One message; `properties` are the raw MQTT 5 properties that travel on to subscribers."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: bytes = b""
    packet_id: int = 0


@dataclass(frozen=True, slots=True)
class Hello:
    """A CONNECT packet."""

    version: int
    client_id: str
    keepalive_s: int
    receive_max: int
    will: Publication | None


class Cursor:
    """Reads fields from the front of one packet's body."""

    def __init__(self, data: bytes) -> None:
        """Take the body."""
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raises `Malformed` where there are fewer."""
        if self.at + count > len(self.data):
            raise Malformed("a field reaches beyond its packet")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, count: int) -> int:
        """Return a big-endian number of `count` bytes."""
        return int.from_bytes(self.take(count), "big")

    def binary(self) -> bytes:
        """Return bytes with their length in front."""
        return self.take(self.number(2))

    def text(self) -> str:
        """Return a UTF-8 string with its length in front."""
        try:
            return self.binary().decode()
        except UnicodeDecodeError as error:
            raise Malformed("a string is not UTF-8") from error

    def varint(self) -> int:
        """Return a variable byte integer, section 1.5.5."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise Malformed("a length of more than four bytes")

    def rest(self) -> bytes:
        """Return everything that is left."""
        return self.take(len(self.data) - self.at)

    def properties(self, version: int) -> list[tuple[int, bytes]]:
        """Return the MQTT 5 properties as (identifier, raw value); none in 3.1.1."""
        return split_properties(self.take(self.varint())) if version == V5 else []


def split_properties(data: bytes) -> list[tuple[int, bytes]]:
    """Cut a property block into (identifier, raw value)."""
    cursor, found = Cursor(data), []
    while cursor.at < len(data):
        identifier, start = cursor.number(1), cursor.at
        if identifier in FIXED_PROPERTIES:
            cursor.take(FIXED_PROPERTIES[identifier])
        elif identifier in TEXT_PROPERTIES:
            cursor.binary()
        elif identifier == USER_PROPERTY:
            cursor.binary()
            cursor.binary()
        elif identifier == SUBSCRIPTION_ID:
            cursor.varint()
        else:
            raise Malformed(f"unknown property {identifier:#04x}")
        found.append((identifier, data[start : cursor.at]))
    return found


def join_properties(properties: Iterable[tuple[int, bytes]], without: int) -> bytes:
    """Put properties together again, leaving one kind out."""
    return b"".join(bytes([identifier]) + raw for identifier, raw in properties if identifier != without)


def parse_connect(body: bytes) -> Hello:
    """Read CONNECT, section 3.1; user name and password are read over: everybody on loopback may come."""
    cursor = Cursor(body)
    if cursor.text() != "MQTT":
        raise Malformed("not MQTT 3.1.1 or 5")
    version, flags, keepalive_s = cursor.number(1), cursor.number(1), cursor.number(2)
    said = dict(cursor.properties(version))
    client_id = cursor.text()
    will = parse_will(cursor, version, flags) if flags & 4 else None
    receive_max = int.from_bytes(said.get(RECEIVE_MAXIMUM, b"\xff\xff"), "big")
    return Hello(version, client_id, keepalive_s, receive_max, will)


def parse_will(cursor: Cursor, version: int, flags: int) -> Publication:
    """Read the last will; its delay is not offered, it is sent at once."""
    properties = cursor.properties(version)
    topic, payload = cursor.text(), cursor.binary()
    travelling = join_properties(properties, WILL_DELAY)
    return Publication(topic, payload, flags >> 3 & 3, bool(flags & 32), travelling)


def parse_publish(flags: int, body: bytes, version: int) -> Publication:
    """Read PUBLISH, section 3.3."""
    cursor, qos = Cursor(body), flags >> 1 & 3
    if qos > 1:
        raise NotOffered("QoS 2 is not offered")
    topic = cursor.text()
    if not topic or "+" in topic or "#" in topic:
        raise Malformed(f"topic {topic!r}: must be a name without wildcards")
    packet_id = cursor.number(2) if qos else 0
    properties = join_properties(cursor.properties(version), TOPIC_ALIAS)
    return Publication(topic, cursor.rest(), qos, bool(flags & 1), properties, packet_id)


def parse_subscribe(body: bytes, version: int, *, options: bool) -> tuple[int, list[tuple[str, int]]]:
    """Read SUBSCRIBE (`options`) or UNSUBSCRIBE: the packet id, and each filter with its options byte."""
    cursor = Cursor(body)
    packet_id = cursor.number(2)
    cursor.properties(version)
    filters = []
    while cursor.at < len(body):
        text = cursor.text()
        filters.append((text, cursor.number(1) if options else 0))
    if not filters:
        raise Malformed("a subscription without a topic filter")
    return packet_id, filters


def varint(value: int) -> bytes:
    """Write a variable byte integer."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def packet(kind: Kind, body: bytes, flags: int = 0) -> bytes:
    """Write a whole packet."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def publish(publication: Publication, packet_id: int, qos: int, version: int, *, retain: bool) -> bytes:
    """Write PUBLISH for one subscriber, in its version and at its QoS."""
    topic = publication.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if qos else b"")
    if version == V5:
        body += varint(len(publication.properties)) + publication.properties
    return packet(Kind.PUBLISH, body + publication.payload, qos << 1 | retain)

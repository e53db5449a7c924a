"""A subscriber that notes when what arrived, and understands it afterwards. Edge.

Nothing is decoded while measuring: understanding one message would delay the next one's time.
"""

from __future__ import annotations

import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway import clock
from gateway.evidence import cose
from gateway.evidence.body import ReadingBody
from gateway.evidence.record import decode
from gateway.publisher.link import set_nodelay
from hil.bench.stopwatch import COUNT, time_in, time_of_channels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from drivers.sample import Nanoseconds

READINGS = "spingate/v1/+/record/reading"
VERDICTS = "spingate/v1/+/record/verdict"
SUBSCRIBE_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message: when it arrived, and the bytes."""

    at: Nanoseconds
    payload: bytes


@dataclass(frozen=True, slots=True)
class Trip:
    """Where one reading was when: all on the one monotonic clock. The floor tells only its ends."""

    answered: Nanoseconds       # the device wrote its answer
    read: Nanoseconds | None    # the core had the last byte
    drafted: Nanoseconds | None  # the core handed the record to its writer
    arrived: Nanoseconds        # the subscriber had the message


@dataclass(slots=True)
class Listener:
    """Subscribes to a topic of a broker on loopback and keeps what comes. `take` gives it and begins anew."""

    port: int
    topic: str
    clock: Callable[[], Nanoseconds]
    arrivals: list[Arrival] = field(default_factory=list)
    client: mqtt.Client = field(init=False)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        """Connect, and return when the broker has granted the subscription. Raises TimeoutError."""
        granted = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self.client.on_socket_open = set_nodelay
        self.client.on_message = self._on_message
        self.client.on_connect = lambda client, *_: client.subscribe(self.topic, 1)
        self.client.on_subscribe = lambda *_: granted.set()
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        if not granted.wait(SUBSCRIBE_S_MAX):
            raise TimeoutError("the broker does not grant the subscription")

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        arrival = Arrival(self.clock(), bytes(message.payload))
        with self.changed:
            self.arrivals.append(arrival)
            self.changed.notify_all()

    def await_count(self, count: int, wait_s: float) -> bool:
        """Wait until so many have arrived since the last `take`; tell whether they have."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.arrivals) >= count, wait_s)

    def take(self) -> list[Arrival]:
        """Return what has arrived since the last call."""
        with self.changed:
            taken, self.arrivals = self.arrivals, []
        return taken

    def close(self) -> None:
        """Hang up."""
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(port: int, topic: str) -> Iterator[Listener]:
    """Give a listener and hang up at the end."""
    listener = Listener(port, topic, clock.monotonic_ns)
    try:
        yield listener
    finally:
        listener.close()


def trip_of_record(arrival: Arrival) -> Trip:
    """Return the trip of a signed reading of the stopwatch."""
    record = decode(cose.parse(arrival.payload).payload)
    if not isinstance(record.body, ReadingBody):
        raise TypeError(f"{record.kind} record on the topic of readings")
    values = struct.unpack("<4d", record.body.values.data)
    return Trip(time_of_channels(values), record.body.seen_at, record.stamp.monotonic_ns, arrival.at)


def trip_of_floor(arrival: Arrival) -> Trip:
    """Return the trip of a message of the floor."""
    registers = struct.unpack(f">{COUNT}H", arrival.payload[: 2 * COUNT])
    return Trip(time_in(registers), None, None, arrival.at)

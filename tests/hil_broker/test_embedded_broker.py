"""The demo's broker against clients that are not ours: mosquitto_pub, mosquitto_sub and paho, MQTT 3.1.1 and 5."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.enums import MQTTProtocolVersion

from hil.broker import packets
from hil.broker.packets import Malformed, parse_connect, parse_publish, parse_subscribe, split_properties
from hil.broker.server import Broker
from hil.broker.topic_filter import matches, valid
from tests.publisher.embedded import EmbeddedBroker
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import paho.mqtt.client as mqtt

VERSIONS = ["mqttv311", "mqttv5"]


@pytest.fixture
def port() -> Iterator[int]:
    """Give a running broker's port."""
    with EmbeddedBroker(Broker()) as broker:
        yield broker.port


def program(name: str) -> str:
    """Return where an MQTT client of mosquitto's is."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: apt-get install --no-install-recommends mosquitto-clients")
    return path


def say(port: int, *arguments: str) -> None:
    """Publish with mosquitto_pub."""
    subprocess.run([program("mosquitto_pub"), "-p", str(port), *arguments], check=True, timeout=10)


def listen(port: int, *arguments: str) -> subprocess.Popen[str]:
    """Subscribe with mosquitto_sub."""
    return subprocess.Popen(
        [program("mosquitto_sub"), "-p", str(port), "-W", "10", *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", ["0", "1"])
def test_mosquittos_clients_hear_each_other(port: int, version: str, qos: str) -> None:
    """What one client publishes arrives at another, retained messages at a later one too."""
    say(port, "-V", version, "-q", qos, "-r", "-t", "bay/1/status", "-m", "kept")
    hearing = listen(port, "-V", version, "-q", qos, "-t", "bay/+/#", "-v", "-C", "2")
    assert hearing.stdout is not None
    assert hearing.stdout.readline() == "bay/1/status kept\n"
    say(port, "-V", version, "-q", qos, "-t", "bay/2/alert", "-m", "now")
    assert hearing.stdout.readline() == "bay/2/alert now\n"
    assert hearing.wait(10) == 0


def test_content_type_and_user_properties_travel(port: int) -> None:
    """MQTT 5 properties reach a subscriber as they were given."""
    with Subscriber(port) as subscriber:
        say(port, "-V", "mqttv5", "-q", "1", "-t", "t", "-m", "x", "-D", "publish", "content-type", "text/plain",
            "-D", "publish", "user-property", "index", "7")  # fmt: skip
        assert wait_for(lambda: len(subscriber.heard) == 1)
    assert subscriber.heard[0].content_type == "text/plain"
    assert subscriber.heard[0].properties == {"index": "7"}


def test_versions_mix(port: int) -> None:
    """A 3.1.1 subscriber hears a 5 publisher; properties stay behind."""
    with Subscriber(port, version=MQTTProtocolVersion.MQTTv311) as subscriber:
        say(port, "-V", "mqttv5", "-q", "1", "-t", "t", "-m", "x", "-D", "publish", "content-type", "text/plain")
        assert wait_for(lambda: len(subscriber.heard) == 1)
    assert subscriber.payloads("t") == [b"x"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_that_vanishes_leaves_its_will(port: int, version: str) -> None:
    """A killed client's last will is sent; one that says goodbye takes it along."""
    with Subscriber(port) as subscriber:
        will = ["-V", version, "--will-topic", "will", "--will-payload", "gone", "-t", "nothing"]
        vanishing = listen(port, *will)
        time.sleep(0.3)
        vanishing.kill()
        vanishing.wait()
        assert wait_for(lambda: subscriber.payloads("will") == [b"gone"])
        number = MQTTProtocolVersion.MQTTv5 if version == "mqttv5" else MQTTProtocolVersion.MQTTv311
        with Subscriber(port, number, "polite", leave_a_will):
            pass
        time.sleep(0.2)
    assert subscriber.payloads("will") == [b"gone"]


def leave_a_will(client: mqtt.Client) -> None:
    """Have the broker say that a client is gone."""
    client.will_set("will", b"gone", 1)


def test_an_empty_retained_message_clears_its_topic(port: int) -> None:
    """A later subscriber hears nothing of what was cleared."""
    say(port, "-r", "-t", "a", "-m", "x")
    say(port, "-r", "-t", "b", "-m", "y")
    say(port, "-r", "-t", "a", "-n")
    with Subscriber(port) as subscriber:
        assert wait_for(lambda: len(subscriber.heard) > 0)
    assert [heard.topic for heard in subscriber.heard] == ["b"]


def test_a_silent_client_is_put_out_after_its_keep_alive(port: int) -> None:
    """One and a half times the keep alive without a packet ends the connection."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x01\x00\x01x")
        line.settimeout(5)
        assert line.recv(64) == b"\x20\x02\x00\x00"
        began = time.monotonic()
        assert line.recv(64) == b""
        assert 1.0 < time.monotonic() - began < 3.0


def test_many_messages_arrive_in_order(port: int) -> None:
    """Thousands at QoS 1, none missing, none twice."""
    with Subscriber(port) as subscriber:
        lines = "".join(f"{number}\n" for number in range(3000))
        subprocess.run(
            [program("mosquitto_pub"), "-p", str(port), "-q", "1", "-t", "n", "-l"], input=lines, text=True, check=True,
            timeout=20,
        )  # fmt: skip
        assert wait_for(lambda: len(subscriber.heard) >= 3000)
    assert [int(payload) for payload in subscriber.payloads("n")] == list(range(3000))


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_garbage_is_refused_and_nothing_worse(noise: bytes) -> None:
    """Random bytes make a packet or a refusal, never another exception."""
    for parse in (
        parse_connect, lambda data: parse_publish(2, data, packets.V5), split_properties,
        lambda data: parse_subscribe(data, packets.V5, options=True),
    ):  # fmt: skip
        try:
            parse(noise)
        except Malformed:
            continue


def test_garbage_on_a_connection_ends_only_that_connection(port: int) -> None:
    """A neighbour's noise is nobody else's trouble."""
    with Subscriber(port) as subscriber:
        for noise in (b"\x00" * 40, b"\xff" * 40, b"\x10\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(noise)
        say(port, "-q", "1", "-t", "t", "-m", "still here")
        assert wait_for(lambda: subscriber.payloads("t") == [b"still here"])


@pytest.mark.parametrize(
    ("text", "topic", "meant"),
    [
        ("a/b", "a/b", True), ("a/+", "a/b", True), ("a/+", "a/b/c", False), ("a/#", "a/b/c", True), ("a/#", "a", True),
        ("#", "$SYS/x", False), ("+/x", "$SYS/x", False), ("$SYS/#", "$SYS/x", True), ("+", "", True),
        ("a/b", "a", False),
    ],
)  # fmt: skip
def test_filters_mean_what_the_standard_says(text: str, topic: str, *, meant: bool) -> None:
    """Wildcards as in MQTT 5 section 4.7, its own examples among them."""
    assert valid(text)
    assert matches(text, topic) == meant


@pytest.mark.parametrize("text", ["", "a#", "a/#/b", "a+/b", "##", "a/##"])
def test_a_malformed_filter_is_not_taken(text: str) -> None:
    """Neither wildcard may stand beside letters, and # only at the end."""
    assert not valid(text)


def test_it_listens_on_loopback_only() -> None:
    """Nobody from outside reaches a demo."""

    async def where() -> str:
        async with Broker() as broker:
            assert broker.server is not None
            return str(broker.server.sockets[0].getsockname()[0])

    assert asyncio.run(where()) == "127.0.0.1"

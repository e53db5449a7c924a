"""Orders over MQTT are followed once and answered always; what is no order reaches nobody."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import pytest

from gateway import control
from gateway.control import Answer, Ask, ControlRefused, reply
from gateway.publisher.orders import ORDER_BYTES_MAX, REMEMBERED_MAX, WAIT_S_MAX, OrderDesk
from tests.publisher.ordering import answer_to, give, hearing
from tests.publisher.running import quick
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.publisher.mosquitto import Mosquitto


def order(number: int = 1, **more: object) -> bytes:
    """Return an order to start a scan."""
    return json.dumps({"id": f"gate-{number}", "order": "start", **more}).encode()


class Ledger:
    """A core that numbers the scans it is asked for, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def __call__(self, asked: Ask, _who: str = "") -> Answer:
        """Begin the next scan."""
        self.asked.append(asked)
        return Answer(scan_id=len(self.asked))


@pytest.mark.parametrize("payload", [
    b"", b"null", b"{}", b"[]", b"\xff", b'{"id":"a","order":"reboot"}', b'{"id":"","order":"start"}',
    b'{"id":"a","order":"start","why":1}', b'{"id":"a\\n","order":"start"}',
    b'{"id":"a","order":"start","claims":{"container":7}}', b'{"id":"a","order":"start"}' + b" " * ORDER_BYTES_MAX,
])
def test_what_is_no_order_is_refused_with_the_reason_and_reaches_nobody(payload: bytes) -> None:
    """Nothing is obeyed half."""
    core = Ledger()
    reply = OrderDesk(core).take(payload, retained=False)
    assert (bool(reply.refused), reply.scan_id, core.asked) == (True, None, [])


def test_a_repetition_is_answered_again_and_not_followed_again() -> None:
    """A broker repeats what it saw no acknowledgement for; the object must not be scanned twice."""
    core = Ledger()
    desk = OrderDesk(core)
    replies = [desk.take(order(7), retained=False) for _ in range(3)]
    assert replies == [replies[0]] * 3
    assert len(core.asked) == 1
    for number in range(100, 100 + 2 * REMEMBERED_MAX):
        desk.take(order(number), retained=False)
    assert len(desk._answered) == REMEMBERED_MAX


def test_the_longest_id_reaches_the_record_whole() -> None:
    """Two orders whose ids differ only at the end are told apart in evidence."""
    core = Ledger()
    OrderDesk(core).take(json.dumps({"id": "x" * 63 + "7", "order": "start"}).encode(), retained=False)
    line = msgspec.json.encode(core.asked[0])
    assert reply(line, Ledger(), "somebody").scan_id == 1
    assert core.asked[0].via.endswith("x7")


def test_a_retained_order_is_never_followed() -> None:
    """It was meant for what lay in the bay when it was given."""
    core = Ledger()
    assert "retained" in OrderDesk(core).take(order(), retained=True).refused
    assert core.asked == []


def test_a_refusal_of_the_core_is_passed_on() -> None:
    """Whoever ordered learns why nothing happened."""
    def refuse(_asked: Ask) -> Answer:
        raise ControlRefused("head is scanning; wait for its verdict, or stop it")

    assert "is scanning" in OrderDesk(refuse).take(order(), retained=False).refused


@contextmanager
def listening(path: Path, core: Ledger) -> Iterator[None]:
    """Answer at a control socket in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(control.serve(path, core))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_an_order_goes_from_the_broker_to_the_core_and_its_answer_back(
    broker: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    """Claims arrive as they were made, with the way by which they came; a broker that restarts is found again."""
    core = Ledger()
    settings = quick(broker.port, protocol=protocol)
    with listening(tmp_path / "c", core), hearing(settings, tmp_path / "c"), Subscriber(broker.port) as person:
        claims = {"container": "CSQU3054383", "unlocode": "DEHAM"}
        told = json.loads(answer_to(person, order(1, head="head", claims=claims)))
        assert told == {"id": "gate-1", "scan_id": 1, "refused": ""}
        assert (core.asked[0].claims.container, core.asked[0].via) == ("CSQU3054383", "MQTT order gate-1")
        broker.kill()
        broker.start()
        assert json.loads(answer_to(person, order(2)))["scan_id"] == 2


class SlowLedger(Ledger):
    """A core that hangs for a while at each request, but answers in time."""

    def __call__(self, asked: Ask, who: str = "") -> Answer:
        """Begin the next scan, late."""
        time.sleep(WAIT_S_MAX + 0.5)
        return super().__call__(asked, who)


def test_an_order_that_waited_behind_others_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """It was given for what lay in the bay then; the ones before it took the core too long."""
    core = SlowLedger()
    path, settings = tmp_path / "c", quick(broker.port)
    with listening(path, core), hearing(settings, path), Subscriber(broker.port) as person:
        assert json.loads(answer_to(person, b"{}"))["refused"]
        for number in (1, 2, 3):
            give(person, order(number))
        told = "/order/answer"
        assert wait_for(lambda: any(b"gate-3" in payload for payload in person.payloads(told)), 15)
        by_id = {reply["id"]: reply["refused"] for reply in map(json.loads, person.payloads(told))}
    assert (by_id["gate-1"], len(core.asked)) == ("", 1)
    assert all("it waited" in by_id[late] for late in ("gate-2", "gate-3"))


def test_a_flood_of_orders_is_bounded_and_leaves_the_line_alive(broker: Mosquitto, tmp_path: Path) -> None:
    """A thousand orders at once: none is followed twice, none waits for ever, the next one is answered."""
    core = Ledger()
    path, settings = tmp_path / "c", quick(broker.port)
    with listening(path, core), hearing(settings, path), Subscriber(broker.port) as person:
        answer_to(person, b"{}")
        for number in range(1000):
            give(person, order(number))
        assert wait_for(lambda: json.loads(answer_to(person, order(2000)))["id"] == "gate-2000", 20)
        vias = [asked.via for asked in core.asked]
    assert len(vias) == len(set(vias)) > 0


def test_without_a_core_the_answer_says_so(broker: Mosquitto, tmp_path: Path) -> None:
    """The order is not kept until one runs again: by then another load lies in the bay."""
    with hearing(quick(broker.port), tmp_path / "none"), Subscriber(broker.port) as person:
        assert "no running gateway" in json.loads(answer_to(person, order()))["refused"]

"""Nothing is lost: broker killed, publisher killed, plug pulled, core away, journal replaced."""

from __future__ import annotations

import json
import random
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.publisher.core import Core
from tests.publisher.mosquitto import Mosquitto
from tests.publisher.proxy import Proxy
from tests.publisher.running import RunningPublisher, quick, start_process
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from pathlib import Path


SEED = 20_261_122
KILLS = 15


def in_order_but_for_repetitions(heard: list[bytes], written: list[bytes]) -> bool:
    """Say whether every record's first arrival keeps the journal's order."""
    return list(dict.fromkeys(heard)) == written


def heard_more_than(subscriber: Subscriber, count: int) -> bool:
    """Say whether more than `count` different records have arrived."""
    return len(set(subscriber.payloads())) > count


def write_steadily(core: Core, count: int, pause_s: float) -> threading.Thread:
    """Write records one by one in the background."""

    def write() -> None:
        for _ in range(count):
            core.faults(1)
            time.sleep(pause_s)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_a_broker_killed_and_restarted_loses_no_record(core: Core, tmp_path: Path) -> None:
    """A persistent subscriber has every record after two SIGKILLs of the broker mid-stream.

    What a broker acknowledged and had not yet saved is its own to lose, so this one saves at every change.
    """
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", "autosave_on_changes true")
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)):
        writing = write_steadily(core, 300, 0.005)
        for heard in (60, 180):
            assert wait_for(partial(heard_more_than, subscriber, heard))
            broker.kill()
            time.sleep(0.3)
            broker.start()
        writing.join()
        assert wait_for(lambda: set(subscriber.payloads()) == set(core.messages()))
    broker.stop()
    assert in_order_but_for_repetitions(subscriber.payloads(), core.messages())


def test_a_publisher_killed_at_seeded_moments_loses_no_record(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """SIGKILL at 15 moments: what is in the journal arrives, in order but for repetitions."""
    chance = random.Random(SEED)
    settings = quick(broker.port, inflight_max=50)
    with Subscriber(broker.port) as subscriber:
        for _ in range(KILLS):
            core.faults(chance.randrange(100, 300))
            before = len(set(subscriber.payloads()))
            process = start_process(core, tmp_path / "s", settings)
            wait_for(partial(heard_more_than, subscriber, before), 10)
            time.sleep(chance.uniform(0.0, 0.05))
            process.kill()
            process.wait()
        written = len(core.messages())
        with RunningPublisher(core, tmp_path / "s", settings):
            assert wait_for(lambda: len(set(subscriber.payloads())) == written), f"seed {SEED}"
    assert in_order_but_for_repetitions(subscriber.payloads(), core.messages()), f"seed {SEED}"
    assert subscriber.repeated() <= KILLS * settings.inflight_max, "a restart repeats at most what was in flight"


def test_a_pulled_plug_is_noticed_and_loses_no_record(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """Bytes are swallowed and nothing is closed: the silence itself ends the connection."""
    with Proxy(broker.port) as proxy, Subscriber(broker.port) as subscriber:
        settings = quick(proxy.port, ack_s_max=1.0, connect_s_max=0.5)
        with RunningPublisher(core, tmp_path / "s", settings) as running:
            core.faults(20)
            assert wait_for(lambda: len(subscriber.payloads()) >= 20)
            proxy.unplugged = True
            core.faults(80)
            assert wait_for(lambda: running.publisher.courier.link is None, 5), "the dead link was not noticed"
            assert proxy.swallowed > 0
            assert "link is dead" in running.publisher.courier.last_error
            proxy.unplugged = False
            assert wait_for(lambda: set(subscriber.payloads()) == set(core.messages()))
    assert in_order_but_for_repetitions(subscriber.payloads(), core.messages())


def test_a_half_open_link_is_noticed_even_when_nothing_is_sent(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """With nothing to publish the keep alive finds out, within twice its time."""
    with Proxy(broker.port) as proxy:
        settings = quick(proxy.port, keepalive_s=2, connect_s_max=0.5)
        with RunningPublisher(core, tmp_path / "s", settings) as running:
            assert wait_for(lambda: running.publisher.courier.link is not None)
            assert wait_for(lambda: not running.publisher.courier.window)
            proxy.unplugged = True
            assert wait_for(lambda: running.publisher.courier.link is None, 6)


def test_a_core_that_is_down_is_waited_for(broker: Mosquitto, tmp_path: Path) -> None:
    """No journal yet, a journal closed in order, a core that comes back: the publisher waits and says so."""
    core = Core(tmp_path)
    core.faults(3)
    with Subscriber(broker.port) as subscriber:
        state = tmp_path / "s"
        with RunningPublisher(core, state, quick(broker.port)) as running:
            assert wait_for(lambda: len(subscriber.payloads()) == 3)
            core.close()
            core.open()
            core.faults(4)
            assert wait_for(lambda: len(set(subscriber.payloads())) == 7)
            written = core.messages()
            core.close()
            hidden = core.path.rename(tmp_path / "elsewhere.db")
            assert wait_for(lambda: running.publisher.journal is None)
            assert wait_for(lambda: "is not there" in running.status().journal)
            hidden.rename(core.path)
            core.open()
            core.faults(1)
            assert wait_for(lambda: len(set(subscriber.payloads())) == 8)
            assert running.status().incidents == ()
        core.close()
    assert subscriber.payloads()[:7] == written


@pytest.mark.parametrize("way", ["cut back", "another"])
def test_a_replaced_journal_is_reported_and_published_from_its_first_record(
    broker: Mosquitto, tmp_path: Path, way: str
) -> None:
    """A journal that is not the one we knew is never skipped into: it starts over, and an incident says why."""
    core = Core(tmp_path)
    core.faults(5)
    with Subscriber(broker.port) as subscriber:
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: running.publisher.courier.main.mark.index == 4)
        core.close()
        for old in tmp_path.glob("journal.*"):
            old.unlink()
        core.open()
        core.faults(2 if way == "cut back" else 9, "again")
        written = core.messages()
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: set(written) <= set(subscriber.payloads()))
            why = "it ends at record 1" if way == "cut back" else "record 4 is not the one"
            assert wait_for(lambda: any(why in incident for incident in running.status().incidents))
        core.close()


def test_records_pruned_before_they_were_published_are_reported(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """A gap in the journal is never passed over in silence."""
    core.faults(10)
    core.journal._connection.execute("DELETE FROM record WHERE idx < 4")
    with Subscriber(broker.port) as subscriber:
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: len(subscriber.payloads()) == 6)
        assert any("records 0 to 3 were pruned" in incident for incident in running.status().incidents)


def test_a_dead_publisher_is_announced_by_its_last_will(broker: Mosquitto, core: Core, tmp_path: Path) -> None:
    """The retained status turns to offline without the publisher's help."""
    with Subscriber(broker.port, topic="spingate/v1/+/status") as subscriber:
        process = start_process(core, tmp_path / "s", quick(broker.port))
        assert wait_for(lambda: b"online" in b"".join(subscriber.payloads("/status")))
        process.kill()
        process.wait()
        assert wait_for(lambda: json.loads(subscriber.payloads("/status")[-1])["state"] == "offline")
    assert json.loads(subscriber.payloads("/status")[-1])["reason"] == "connection lost"

"""What the broker refuses is not counted as published, is told, and never stands in the way of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.publisher.ledger import Ledger
from hil.broker.packets import V311
from hil.broker.server import Broker
from tests.publisher.core import GATEWAY, Core
from tests.publisher.embedded import EmbeddedBroker
from tests.publisher.mosquitto import Mosquitto
from tests.publisher.running import RunningPublisher, quick
from tests.publisher.subscriber import Subscriber, wait_for

if TYPE_CHECKING:
    from pathlib import Path

BASE = f"spingate/v1/{GATEWAY}"


def acl(folder: Path, *lines: str) -> Path:
    """Write an access list for clients without a name."""
    path = folder / "acl"
    path.write_text("\n".join(["topic read #", *lines]) + "\n")
    path.chmod(0o644)
    return path


def test_a_refused_kind_waits_and_the_others_go_on(core: Core, tmp_path: Path) -> None:
    """Not authorized for verdicts: faults arrive, the verdicts are held, and follow in order once allowed."""
    allowed = [f"topic write {BASE}/{rest}" for rest in ("record/fault", "checkpoint", "status", "alert")]
    path = acl(tmp_path, *allowed)
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", f"acl_file {path}")
    for _ in range(5):
        core.faults(20)
        core.alarm()
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: len(set(subscriber.payloads("/record/fault"))) == 100)
        assert wait_for(lambda: "Not authorized" in running.status().held.get("verdict", ""))
        assert wait_for(lambda: running.status().cursor == 104)
        assert running.publisher.courier.published == 100
        assert subscriber.payloads("/record/verdict") == []
        acl(tmp_path, *allowed, f"topic write {BASE}/record/verdict")
        broker.reload()
        assert wait_for(lambda: len(set(subscriber.payloads("/record/verdict"))) == 5)
        assert wait_for(lambda: running.status().held == {})
        core.alarm()
        assert wait_for(lambda: len(set(subscriber.payloads("/record/verdict"))) == 6)
    broker.stop()
    verdicts = list(dict.fromkeys(subscriber.payloads("/record/verdict")))
    assert verdicts == [message for message in core.messages() if message in set(verdicts)]


def test_what_was_held_is_still_held_after_a_restart(core: Core, tmp_path: Path) -> None:
    """A restart forgets neither the refused kind nor where it began."""
    path = acl(tmp_path, f"topic write {BASE}/record/fault")
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", f"acl_file {path}")
    alarm = core.alarm()
    core.faults(10)
    with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: running.publisher.courier.main.mark.index == 10)
    ledger = Ledger(tmp_path / "s" / "publisher.db")
    assert [(kind, index) for kind, index, _ in ledger.held()] == [("verdict", alarm - 1)]
    ledger.close()
    acl(tmp_path, "topic write #")
    broker.reload()
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)):
        assert wait_for(lambda: len(subscriber.payloads("/record/verdict")) == 1)
        assert subscriber.payloads("/record/fault") == []
    broker.stop()


def test_a_record_over_the_brokers_limit_is_set_aside_by_name_and_size(core: Core, tmp_path: Path) -> None:
    """MQTT 5 Maximum Packet Size: the large one is listed, the small ones around it arrive."""
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", "max_packet_size 20000")
    core.faults(3)
    large = core.configuration(30_000)
    core.faults(3)
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: len(subscriber.payloads()) == 6)
        assert wait_for(lambda: running.status().refused == 1)
        assert wait_for(lambda: running.status().cursor == 6)
        assert f"record {large} of 30" in running.status().last_error
        assert "over the limit of 20000" in running.status().last_error
    broker.stop()


def test_a_record_over_a_limit_that_the_broker_keeps_to_itself_is_set_aside(core: Core, tmp_path: Path) -> None:
    """A PUBACK with 0x95, which MQTT 5 does not allow there, ends the connection; the rest still arrives."""
    broker = Mosquitto(tmp_path / "broker", "allow_anonymous true", "message_size_limit 20000")
    large = core.configuration(30_000)
    core.faults(3)
    with Subscriber(broker.port) as subscriber, RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
        assert wait_for(lambda: len(set(subscriber.payloads())) == 3)
        assert wait_for(lambda: running.status().refused == 1)
    ledger = Ledger(tmp_path / "s" / "publisher.db")
    assert [row.record_index for row in ledger.refused(10)] == [large]
    ledger.close()
    broker.stop()


def test_a_record_set_aside_is_sent_after_a_restart_with_a_higher_limit(
    broker: Mosquitto, core: Core, tmp_path: Path
) -> None:
    """Whoever raises the limit and restarts gets the records that were too large, and the list empties."""
    core.configuration(30_000)
    core.faults(1)
    with Subscriber(broker.port) as subscriber:
        small = quick(broker.port, message_bytes_max=20_000)
        with RunningPublisher(core, tmp_path / "s", small) as running:
            assert wait_for(lambda: running.publisher.courier.main.mark.index == 1)
        with RunningPublisher(core, tmp_path / "s", quick(broker.port)) as running:
            assert wait_for(lambda: len(subscriber.payloads()) == 2)
            assert wait_for(lambda: running.publisher.ledger.refused_count() == 0)
    assert set(subscriber.payloads()) == set(core.messages())


def test_a_record_on_which_the_broker_hangs_up_does_not_block_the_rest(core: Core, tmp_path: Path) -> None:
    """MQTT 3.1.1 has no way to refuse: after six hang-ups over the same lone record it is set aside."""
    with EmbeddedBroker(Broker(versions=frozenset({V311}), packet_bytes_max=20_000)) as broker:
        core.faults(3)
        core.configuration(30_000)
        core.faults(3)
        with RunningPublisher(core, tmp_path / "s", quick(broker.port, protocol="3.1.1")) as running:
            assert wait_for(lambda: running.publisher.courier.main.mark.index == 6)
            assert wait_for(lambda: running.status().refused == 1)
            assert "hangs up" in running.status().last_error or running.status().cursor == 6

"""The rules without a broker: marks, waits, versions, suspicion, windows, the ledger, the doorbell."""

from __future__ import annotations

import random
import socket
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.notify import Ringer
from gateway.publisher import ledger as ledger_file
from gateway.publisher.backoff import wait_s
from gateway.publisher.dialect import Dialect
from gateway.publisher.doorbell import Doorbell, DoorbellTaken
from gateway.publisher.lane import Lane, Mark, Sent
from gateway.publisher.ledger import Ledger, Refused, RefusedListFull
from gateway.publisher.suspicion import TRIES_MAX, Suspicion
from gateway.publisher.topics import BadTopicLevel, Topics
from gateway.publisher.window import Expected, Window

if TYPE_CHECKING:
    from pathlib import Path


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_the_mark_never_passes_an_unacknowledged_record(order: list[int], missing: set[int]) -> None:
    """Whatever the order of acknowledgements, everything up to the mark has been acknowledged."""
    lane = Lane(None, Mark())
    for index in range(12):
        lane.take(Sent(Mark(index, bytes([index])), "reading", 1, {index + 100}))
    acknowledged: set[int] = set()
    for index in order:
        if index in missing:
            continue
        lane.acknowledge(index + 100)
        acknowledged.add(index)
        lane.advance()
        assert set(range(lane.mark.index + 1)) <= acknowledged
        assert lane.mark.index + 1 not in acknowledged


def test_a_lane_that_lost_its_link_reads_again_behind_its_mark() -> None:
    """What was on its way is sent again, what was settled is not."""
    lane = Lane(None, Mark())
    for index in range(3):
        lane.take(Sent(Mark(index, b"x"), "reading", 1, {index}))
    lane.acknowledge(0)
    lane.advance()
    lane.rewind()
    assert (lane.read_to, lane.in_flight) == (0, 0)


@given(st.integers(1, 500), st.floats(0, 0.999))
def test_waits_grow_and_never_pass_the_ceiling(failures: int, chance: float) -> None:
    """The wait stays between three quarters of the start and the ceiling."""
    wait = wait_s(failures, 0.2, 10.0, chance)
    assert 0.15 <= wait <= 10.0
    assert wait_s(failures + 1, 0.2, 10.0, chance) >= wait


def test_mqtt_5_is_tried_again_after_every_working_connection() -> None:
    """A downgrade lasts no longer than the connection it made possible."""
    dialect = Dialect("auto")
    assert dialect.lost(welcomed=False, by_peer=True, unsupported=True), "the other version is tried at once"
    seen = [str(dialect.version)]
    assert not dialect.lost(welcomed=False, by_peer=False, unsupported=False), "TCP alone says nothing of versions"
    seen.append(dialect.version)
    assert not dialect.lost(welcomed=True, by_peer=True, unsupported=False)
    assert [*seen, dialect.version] == ["3.1.1", "3.1.1", "5"]


def test_a_broker_that_hangs_up_before_its_welcome_is_asked_in_the_other_version() -> None:
    """Some 3.1.1 brokers answer MQTT 5 with nothing at all; and the wait is kept, or two would spin."""
    dialect = Dialect("auto")
    versions = []
    for _ in range(4):
        versions.append(dialect.version)
        assert not dialect.lost(welcomed=False, by_peer=True, unsupported=False)
    assert versions == ["5", "3.1.1", "5", "3.1.1"]


def test_only_a_record_that_is_first_on_its_way_again_and_again_is_blamed() -> None:
    """A broker that restarts while other records travel accuses nobody."""
    suspicion = Suspicion()
    for first in [*range(20), None]:
        suspicion.hung_up(first)
        assert not suspicion.proved(first or 0)
    for _ in range(TRIES_MAX):
        suspicion.hung_up(20)
    assert suspicion.proved(20)
    assert suspicion.travels_alone(19)
    assert not suspicion.travels_alone(20)


def test_the_window_keeps_room_for_status_and_checkpoint() -> None:
    """Records never fill the window, and silence is measured from the last answer."""
    window = Window()
    window.size = 10
    for number in range(8):
        assert window.room() > 0
        window.note(number, Expected(100.0))
    assert window.room() == 0
    assert not window.overdue(105.0, 5.0)
    assert window.overdue(105.1, 5.0)
    window.answered(0, 105.1)
    assert not window.overdue(106.0, 5.0)


def test_the_ledger_remembers_place_held_and_refused(tmp_path: Path) -> None:
    """Everything that a restart needs comes back."""
    ledger = Ledger(tmp_path / "publisher.db")
    assert ledger.place() is None
    ledger.save("spingate/bay", Mark(7, b"seven"), [Lane("scan", Mark(3), reason="Not authorized")])
    ledger.refuse(Refused(5, "scan", 99, b"five", "too large"))
    for number in range(150):
        ledger.note(f"incident {number}")
    ledger.close()
    ledger = Ledger(tmp_path / "publisher.db")
    assert ledger.place() == ("spingate/bay", Mark(7, b"seven"))
    assert ledger.held() == [("scan", 3, "Not authorized")]
    assert ledger.refused(10) == [Refused(5, "scan", 99, b"five", "too large")]
    assert ledger.incidents()[0] == "incident 50", "the newest hundred are kept"
    ledger.accept(5, b"five")
    assert ledger.refused_count() == 0
    ledger.close()


def test_a_full_list_of_refusals_stops_the_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It rather stops than loses track of a record."""
    monkeypatch.setattr(ledger_file, "REFUSED_MAX", 2)
    ledger = Ledger(tmp_path / "publisher.db")
    for index in range(2):
        ledger.refuse(Refused(index, "scan", 9, b"", "too large"))
    with pytest.raises(RefusedListFull, match="2 records are set aside"):
        ledger.refuse(Refused(2, "scan", 9, b"", "too large"))
    ledger.close()


def test_the_doorbell_rings_and_is_private_to_the_group(tmp_path: Path) -> None:
    """Mode 0660 from the first moment; a ring is heard once."""
    path = tmp_path / "wake.sock"
    bell = Doorbell(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert not bell.rung()
    with closing(Ringer(path)) as ringer:
        for _ in range(3):
            ringer.ring()
    assert bell.rung()
    assert not bell.rung()
    bell.close()
    assert not path.exists()


def test_a_flood_of_rings_is_emptied_in_one_go(tmp_path: Path) -> None:
    """A core that commits fast cannot keep the publisher busy with its doorbell."""
    bell = Doorbell(tmp_path / "wake.sock")
    with closing(Ringer(tmp_path / "wake.sock")) as ringer:
        for _ in range(random.Random(1).randrange(1000, 2000)):
            ringer.ring()
    assert bell.rung()
    assert not bell.rung()
    bell.close()


def test_a_stale_doorbell_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    """After a SIGKILL the socket file stays; two publishers would publish everything twice."""
    path = tmp_path / "wake.sock"
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(path))
    dead.close()
    bell = Doorbell(path)
    with pytest.raises(DoorbellTaken, match="another publisher is running"):
        Doorbell(path)
    bell.close()
    path.write_text("not a socket")
    with pytest.raises(DoorbellTaken, match="is no socket"):
        Doorbell(path)
    assert path.read_text() == "not a socket"


@pytest.mark.parametrize("word", ["", "a/b", "+", "#", "bay 7", "x" * 64, "\u00e9"])
def test_a_word_that_is_no_topic_level_is_refused(word: str) -> None:
    """A gateway id cannot reach into another gateway's topics."""
    with pytest.raises(BadTopicLevel):
        _ = Topics("spingate", word).status


def test_the_publisher_stays_light() -> None:
    """Neither numpy nor pymodbus nor the inference runtime nor the crypto backend is loaded into it."""
    import subprocess
    import sys

    program = (
        "import sys, gateway.publisher.publisher\n"
        "heavy = {'numpy', 'pymodbus', 'ai_edge_litert', 'tflite_runtime', 'cryptography', 'asyncio', 'rich'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"

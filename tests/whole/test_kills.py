"""SIGKILL at seeded moments of a run: what was journaled arrives, what arrived is journaled, byte for byte."""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from gateway.control import Ask, ControlRefused
from gateway.evidence import checkpoint
from gateway.evidence.journal_file import JournalUnavailable
from gateway.evidence.tree import CompactRange, leaf_hash
from tests.publisher.subscriber import Subscriber
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from tests.publisher.mosquitto import Mosquitto
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed, Service

SEED = 20261
KILLS = {"run": 17, "publish": 33}    # the core takes longer to start
IN_WORK = 0.75                        # the share that dies after it said READY; the others die on the way there
WORK_S = (0.05, 0.9)                  # from READY to the end
START_S = (0.1, 2.0)                  # from the start to the end
DRAIN_S_MAX = 20.0


@dataclass
class Killer:
    """Kills one process again and again, and starts it again at once. `moments` tells when, for whoever repeats it."""

    site: Installed
    name: str
    chance: random.Random
    kills: int = 0
    service: Service | None = None
    dies_at: float | None = None
    works_s: float = 0.0
    moments: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Say whether it has killed often enough."""
        return self.kills == KILLS[self.name]

    def begin(self) -> None:
        """Start the process and draw how long it may live."""
        self.service = self.site.start(self.name)
        self.service.listener.setblocking(False)
        in_work = self.chance.random() < IN_WORK
        self.works_s = self.chance.uniform(*(WORK_S if in_work else START_S))
        self.dies_at = None if in_work else time.monotonic() + self.works_s
        self.moments.append(f"{'ready' if in_work else 'start'}+{self.works_s:.2f}")

    def due(self) -> bool:
        """Say whether its time has come, listening for READY where that begins its time."""
        assert self.service is not None
        assert self.service.process.poll() is None, f"{self.name} ended by itself: {self.service.said()}"
        while self.dies_at is None:
            try:
                if b"READY=1" in self.service.listener.recv(4096):
                    self.dies_at = time.monotonic() + self.works_s
            except BlockingIOError:
                return False
        return time.monotonic() >= self.dies_at

    def kill(self) -> None:
        """End it without a word."""
        assert self.service is not None
        self.service.kill()
        self.kills += 1


class Witness:
    """Remembers what was acknowledged, by anybody who could know, and holds the journal against it."""

    def __init__(self, site: Installed, subscriber: Subscriber) -> None:
        self.site, self.subscriber = site, subscriber
        self.journal: list[bytes] = []
        self.acknowledged = 0

    def note(self) -> None:
        """Take down what the core says is on disk, and what a reader sees there."""
        with contextlib.suppress(ControlRefused):
            status = self.site.ask(Ask("status")).status
            assert status is not None
            self.acknowledged = max(self.acknowledged, status.records)
        if self.site.journal.exists():
            with contextlib.suppress(JournalUnavailable):       # not yet laid out
                self.journal += self.site.messages(len(self.journal))

    def compare(self) -> None:
        """Hold the journal, read anew from its first record, against everything known."""
        if not self.site.journal.exists():
            return
        heard = self.subscriber.payloads()
        found = self.site.messages()
        assert found[: len(self.journal)] == self.journal, "a record that was read before is missing or changed"
        assert len(found) >= self.acknowledged, "a record that the core counted as on disk is missing"
        assert set(heard) <= set(found), "a record was published that is not in the journal"
        self.journal = found


def test_fifty_kills_lose_and_invent_nothing(bench: Bench, broker: Mosquitto, site: Installed) -> None:
    """At 50 seeded moments: nothing acknowledged or published is missing, and everything journaled arrives."""
    site.broker = broker.port
    site.configure(
        instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=20),
        instrument("oven", "eurotherm-3200", bench.stand("eurotherm-3200"), poll_ms=10, serial="3216-EMULATED"),
    )
    with Subscriber(broker.port, topic="spingate/v1/#") as subscriber:
        witness = Witness(site, subscriber)
        try:
            kill_all(site, witness)
            finish(site, witness, subscriber)
        except AssertionError:
            print(f"seed {SEED}")  # noqa: T201  for whoever repeats it
            raise


def kill_all(site: Installed, witness: Witness) -> None:
    """Let both processes live and die beside each other, with a comparison after each death of the core."""
    living = [Killer(site, name, random.Random(f"{SEED} {name}")) for name in KILLS]
    for killer in living:
        killer.begin()
    while living:
        time.sleep(0.01)
        for killer in [one for one in living if one.due()]:
            if killer.name == "run":
                witness.note()
            killer.kill()
            if killer.name == "run":
                witness.compare()
            if killer.done:
                print(f"{killer.name}: {killer.kills} kills, {', '.join(killer.moments)}")  # noqa: T201  for whoever repeats it
                living.remove(killer)
            else:
                killer.begin()


def finish(site: Installed, witness: Witness, subscriber: Subscriber) -> None:
    """Start both once more, end the core in order, and compare everything with everything."""
    publisher, core = site.started("publish"), site.started("run")
    size = witness.acknowledged
    wait_until(lambda: len(site.messages(size)) > 20, 10, "new records after the last kill")
    assert core.stop() == 0
    witness.compare()
    journal = witness.journal
    wait_until(lambda: set(subscriber.payloads()) == set(journal), DRAIN_S_MAX, "every journaled record arrives")
    wait_until(lambda: newest(subscriber) == len(journal), DRAIN_S_MAX, "the last tree head arrives")
    assert publisher.stop() == 0
    result = site.verify()
    assert (result.status, result.records) == ("valid", len(journal)), result
    records = site.records()
    stamps = [record.stamp.monotonic_ns for record in records]
    assert stamps == sorted(stamps)
    check_heads(subscriber, journal)
    lanes = [r for r in records if r.kind == "reading"]
    print(f"{len(journal)} records, {subscriber.repeated()} repeated, {result.checkpoints} heads")  # noqa: T201  for whoever repeats it
    assert len(lanes) > 300, "too little traffic to prove anything"


def newest(subscriber: Subscriber) -> int:
    """Return the size of the newest tree head that arrived."""
    return max((checkpoint.parse(note).size for note in subscriber.payloads("/checkpoint")), default=0)


def check_heads(subscriber: Subscriber, journal: list[bytes]) -> None:
    """Every tree head that was ever published is one of this journal's tree."""
    heads = {head.size: head.root for head in map(checkpoint.parse, subscriber.payloads("/checkpoint"))}
    tree, seen = CompactRange(), 0
    for message in journal:
        tree.add(leaf_hash(message))
        if tree.size in heads:
            seen += 1
            assert heads[tree.size] == tree.root(), f"the published head of size {tree.size} is of another tree"
    assert seen == len(heads), "a head was published for records that the journal does not have"


pytestmark = pytest.mark.timeout(150)

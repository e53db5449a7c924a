"""A damaged journal: the core starts and has lost nothing that it vouched for, or it refuses and says why."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from gateway.evidence import checkpoint, keys
from gateway.evidence.journal import open_journal
from gateway.evidence.journal_file import ChainBroken, JournalCorrupt, checkpoint_copy
from tests.publisher.subscriber import Subscriber
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.publisher.mosquitto import Mosquitto
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SEED = 417
DAMAGES = 60
SMALL_DISK = "size=1536k"


@pytest.fixture
def killed(bench: Bench, site: Installed) -> Installed:
    """Give a site whose core was killed in the middle of its work: a database, a long write-ahead log, a checkpoint."""
    site.configure(instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=50))
    core = site.started("run")
    wait_until(lambda: len(site.messages()) > 60, 15, "60 records")
    core.kill()
    assert site.journal.with_name("journal.db-wal").stat().st_size > 100_000
    return site


def test_damage_at_any_place_of_the_log_or_the_database_is_refused_or_loses_nothing_vouched_for(
    killed: Installed,
) -> None:
    """Flip, cut or zero a seeded place: what the last checkpoint covers is there, or the core does not start."""
    state, whole = killed.journal.parent, killed.folder / "whole"
    shutil.copytree(state, whole)
    messages = killed.messages()
    vouched = checkpoint.parse(checkpoint_copy(whole / "journal.db").read_bytes()).size
    key = keys.load(killed.folder / "gateway.key")
    chance = random.Random(SEED)
    opened = 0
    for number in range(DAMAGES):
        shutil.rmtree(state)
        shutil.copytree(whole, state)
        where = f"seed {SEED}, damage {number}: {damage(chance, state)}"
        try:
            journal = open_journal(killed.journal, "bay-9", key)
        except (ChainBroken, JournalCorrupt):
            continue
        opened += 1
        size = journal.size
        journal.close()
        assert size >= vouched, f"{where}: {size} records, {vouched} were vouched for"
        result = killed.verify()
        assert result.status == "valid" or result.first_bad is not None, f"{where}: {result}"
        if result.status == "valid":
            assert killed.messages() == messages[:size], where
    print(f"{DAMAGES} damages: {opened} opened; {len(messages)} records, {vouched} vouched for")  # noqa: T201  for whoever repeats it
    assert 0 < opened < DAMAGES, "the damage is always or never noticed: this test proves nothing"


def damage(chance: random.Random, state: Path) -> str:
    """Damage one place of the write-ahead log (mostly) or of the database, and say what was done."""
    file = state / chance.choice(("journal.db-wal", "journal.db-wal", "journal.db-wal", "journal.db"))
    data = bytearray(file.read_bytes())
    at = chance.randrange(len(data))
    how = chance.choice(("flip", "cut", "zero"))
    if how == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif how == "cut":
        del data[at:]
    else:
        data[at:at + 4096] = bytes(len(data[at:at + 4096]))
    file.write_bytes(data)
    return f"{how} at {at} of {file.name}"


def test_a_torn_tail_of_the_log_costs_no_start_and_a_rolled_back_database_is_refused(killed: Installed) -> None:
    """The whole core: after a torn last write it goes on where the journal ends; on an older copy it does not start."""
    state = killed.journal.parent
    shutil.copytree(state, killed.folder / "older")
    log = state / "journal.db-wal"
    log.write_bytes(log.read_bytes() + random.Random(SEED).randbytes(5000))
    size = len(killed.messages())
    core = killed.started("run")
    wait_until(lambda: len(killed.messages()) > size + 60, 15, "more records")
    assert core.stop() == 0
    assert killed.verify().status == "valid"
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        (state / name).unlink(missing_ok=True)
        shutil.copy(killed.folder / "older" / name, state / name)
    before = killed.messages()
    code, said = killed.refused("run")
    assert (code, len(said.splitlines())) == (2, 1), said
    assert "its checkpoint outside says" in said
    assert "cut or rolled back" in said
    assert killed.messages() == before, "a refused journal was changed"
    done = killed.command("verify", killed.journal, "--key", killed.public)
    assert (done.returncode, f"first bad record: {len(before)}" in done.stdout) == (1, True), done.stdout


def test_a_file_that_is_no_journal_is_left_alone(site: Installed) -> None:
    """Somebody's file under the journal's name is refused, not overwritten."""
    site.journal.parent.mkdir()
    site.journal.write_bytes(b"minutes of the meeting\n" * 500)
    site.configure()
    code, said = site.refused("run")
    assert (code, "not a database" in said, str(site.journal) in said) == (2, True, True), said
    assert site.journal.read_bytes() == b"minutes of the meeting\n" * 500


@pytest.fixture
def small_disk(site: Installed) -> Iterator[Path]:
    """Give a file system of 1.5 MB."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small tmpfs: run it as root")
    place = site.folder / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", SMALL_DISK, "tmpfs", place], check=True)
    yield place
    site.close()
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_ends_the_core_and_loses_nothing(
    bench: Bench, broker: Mosquitto, site: Installed, small_disk: Path
) -> None:
    """With the disk full the core says so and ends, again and again; with space it goes on, and all of it arrives."""
    site.broker, site.state = broker.port, small_disk
    site.configure(instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=20))
    with Subscriber(broker.port, topic="spingate/v1/#") as subscriber:
        publisher = site.started("publish")
        for _ in range(2):
            code, said = site.refused("run")
            assert code == 2
            assert "full" in said or "No space left" in said, said
            assert str(site.journal) in said
        acknowledged = subscriber.payloads()
        full = site.messages()
        assert set(acknowledged) <= set(full)
        assert site.verify().status == "valid"
        subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
        core = site.started("run")
        wait_until(lambda: len(site.messages()) > len(full) + 50, 15, "records after space came back")
        assert core.stop() == 0
        journal = site.messages()
        assert journal[: len(full)] == full
        wait_until(lambda: set(subscriber.payloads()) == set(journal), 15, "every record arrives")
        assert publisher.stop() == 0
    assert site.verify().status == "valid"
    assert [record.stamp.monotonic_ns for record in site.records()] == sorted(
        record.stamp.monotonic_ns for record in site.records())
    assert time.monotonic_ns() > site.records()[-1].stamp.monotonic_ns

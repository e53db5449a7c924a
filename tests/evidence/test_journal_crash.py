"""Killed at any moment, cut at any byte: what was told to be on disk is there, and the rest is refused clearly."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.evidence.journal import Entry, open_journal
from gateway.evidence.journal_file import ChainBroken, JournalCorrupt
from gateway.evidence.reader import JournalReader
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file
from tests.evidence.samples import GATEWAY, KEY
from tests.evidence.test_journal_opening import signed

CHILD = Path(__file__).parent / "writer_child.py"
ROOT = Path(__file__).parents[2]
KILLS = 30
CUTS = 45
KILL_SEED = 20_261
CUT_SEED = 20_262


def test_a_writer_killed_at_any_moment_keeps_every_record_it_told_of(tmp_path: Path) -> None:
    """30 seeded SIGKILLs of one growing journal: each told record is there, each start accepts it, verify passes."""
    path = tmp_path / "journal.db"
    chance = random.Random(KILL_SEED)
    told = -1
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(CHILD), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for kill in range(KILLS):
            print("go", file=child.stdin, flush=True)
            first = child.stdout.readline().split()
            assert first[:1] == ["pid"], f"kill {kill} of seed {KILL_SEED}: the writer did not start: {first}"
            time.sleep(chance.uniform(0.0, 0.06))
            os.kill(int(first[1]), signal.SIGKILL)
            for line in child.stdout:
                if line == "dead\n":
                    break
                told = max(told, int(line))
            with JournalReader(path) as reader:
                assert reader.size() > told, f"kill {kill} of seed {KILL_SEED}"
            if kill % 6 == 5:
                result = verify_file(path, KEY.public)
                assert result.status == Status.VALID, f"kill {kill} of seed {KILL_SEED}: {result}"
        child.stdin.close()
    assert told > KILLS
    assert verify_file(path, KEY.public).records > told


@dataclass(frozen=True, slots=True)
class Live:
    """A journal that was copied while it was open: database, log, and after each commit the log's length."""

    folder: Path
    wal_bytes: tuple[int, ...]      # after the commit of record number i
    covered: int                    # what the checkpoint outside covers
    covered_at: int                 # the log's length when that checkpoint was written


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    """Commit 24 records one by one, with a checkpoint after the tenth, and copy everything as a power cut would."""
    folder = tmp_path_factory.mktemp("live")
    path, wal = folder / "journal.db", folder / "journal.db-wal"
    journal = open_journal(path, GATEWAY, KEY)
    ends, covered_at = [], 0
    for number in range(24):
        journal.append([Entry(signed(number))])
        ends.append(wal.stat().st_size)
        if number == 9:
            journal.write_checkpoint(None, keep=True)
            covered_at = ends[-1]
    copy = tmp_path_factory.mktemp("copy")
    for name in ("journal.db", "journal.db-wal", "journal.checkpoint"):
        shutil.copy(folder / name, copy / name)
    journal.close()
    return Live(copy, tuple(ends), 10, covered_at)


def damaged(live: Live, folder: Path, wal: bytes) -> Path:
    """Lay out the copied journal with another log."""
    for name in ("journal.db", "journal.checkpoint"):
        shutil.copy(live.folder / name, folder / name)
    (folder / "journal.db-wal").write_bytes(wal)
    for name in ("journal.db-shm", "journal.lock"):
        (folder / name).unlink(missing_ok=True)
    return folder / "journal.db"


def check_reopening(live: Live, path: Path, intact: int, what: str) -> None:
    """Open a journal whose log is whole up to byte `intact`: every commit before is there, or it is an alarm.

    The alarm is right only where records are gone that the checkpoint outside covers.
    """
    whole = sum(end <= intact for end in live.wal_bytes)
    size = size_after_opening(path)
    if size is None:
        assert whole < live.covered, what
        return
    assert size >= max(whole, live.covered), what
    assert verify_file(path, KEY.public).status == Status.VALID, what


def size_after_opening(path: Path) -> int | None:
    """Return how many records a journal has, None where it is refused."""
    try:
        journal = open_journal(path, GATEWAY, KEY)
    except (ChainBroken, JournalCorrupt):
        return None
    journal.close()
    return journal.size


@pytest.mark.parametrize("tail", ["cut", "zeros", "noise", "flip"])
def test_a_log_damaged_at_any_byte_loses_no_commit_before_it(live: Live, tmp_path: Path, tail: str) -> None:
    """45 seeded places, four kinds of damage: each commit before the place is there, or the loss is an alarm."""
    chance = random.Random(f"{CUT_SEED} {tail}")
    wal = (live.folder / "journal.db-wal").read_bytes()
    refused_before = chance.sample(range(live.covered_at), CUTS // 3)
    for cut in [*refused_before, *chance.sample(range(live.covered_at, len(wal)), CUTS - len(refused_before))]:
        rest = len(wal) - cut
        after = {
            "cut": b"", "zeros": bytes(rest), "noise": chance.randbytes(rest),
            "flip": bytes([wal[cut] ^ 1 << chance.randrange(8)]) + wal[cut + 1:],
        }[tail]
        path = damaged(live, tmp_path, wal[:cut] + after)
        check_reopening(live, path, cut, f"{tail} at {cut} of seed {CUT_SEED}")


def test_the_damage_tests_meet_both_outcomes(live: Live, tmp_path: Path) -> None:
    """An undamaged log keeps all 24 records; an empty one is an alarm."""
    wal = (live.folder / "journal.db-wal").read_bytes()
    journal = open_journal(damaged(live, tmp_path, wal), GATEWAY, KEY)
    assert journal.size == 24
    journal.close()
    with pytest.raises(ChainBroken):
        open_journal(damaged(live, tmp_path, b""), GATEWAY, KEY)

"""The writer thread: order, one commit for many, checkpoints, refusals, and an honest end when the disk fails."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
import threading
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from gateway.evidence import checkpoint, keys
from gateway.evidence.body import ReadingBody
from gateway.evidence.cbor import RecordTooBig, WrongShape
from gateway.evidence.journal import open_journal
from gateway.evidence.journal_file import connect_reader
from gateway.evidence.reader import JournalReader
from gateway.evidence.record import Draft, Kind
from gateway.evidence.typed_array import TypedArray
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file
from gateway.evidence.writer import JournalBehind, JournalFailed, OutOfOrder, Writer
from tests.evidence.samples import GATEWAY, KEY, WALL_NS, Clock, draft

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

WAIT_S_MAX = 20


def wall_ns() -> int:
    """Return a fixed wall time."""
    return WALL_NS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the journal of a test lies."""
    return tmp_path / "journal.db"


@pytest.fixture
def writer(path: Path) -> Iterator[Writer]:
    """Run a writer on a new journal, on the machine's own clock."""
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, time.monotonic_ns, wall_ns)
    writer.start()
    yield writer
    if writer.failure is None:
        writer.close()
    journal.close()


def test_records_get_their_places_in_order_and_are_there_when_told(writer: Writer, path: Path) -> None:
    """A future resolves to its index, and at that moment another process can read the record."""
    with JournalReader(path) as reader:
        for number in range(5):
            assert writer.submit(draft(Kind.FAULT, number)).result(WAIT_S_MAX) == number
            assert reader.size() == number + 1


def test_many_threads_get_one_order(writer: Writer, path: Path) -> None:
    """Every index is given once, and the journal verifies."""
    stamped = threading.Lock()
    futures: list[Future[int]] = []
    numbers = iter(range(400))

    def submit() -> None:
        for _ in range(100):
            with stamped:
                futures.append(writer.submit(draft(Kind.FAULT, next(numbers))))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [future.result(WAIT_S_MAX) for future in futures] == list(range(400))
    writer.close()
    assert verify_file(path, KEY.public).records == 400


def test_waiting_records_share_one_commit(path: Path) -> None:
    """What waits when the writer comes round is committed at once: 300 records, one commit."""
    sizes: list[int] = []
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, Clock(), wall_ns, sizes.append)
    futures = [writer.submit(draft(Kind.FAULT, number)) for number in range(300)]
    assert not any(future.done() for future in futures)
    writer.start()
    assert futures[-1].result(WAIT_S_MAX) == 299
    writer.close()
    journal.close()
    assert set(sizes) == {300}


async def test_a_future_can_be_awaited_and_not_called_back(writer: Writer) -> None:
    """An asyncio task may wait for it; cancelling the task does not take the record back."""
    future = asyncio.wrap_future(writer.submit(draft(Kind.FAULT, 0)))
    assert await future == 0
    lost = writer.submit(draft(Kind.FAULT, 1))
    assert not lost.cancel()
    assert lost.result(WAIT_S_MAX) == 1


def test_a_refused_draft_takes_no_place(writer: Writer) -> None:
    """Wrong shape, too big, wrong raw data, out of order: refused at once, and the sequence has no gap."""
    assert writer.submit(draft(Kind.FAULT, 5)).result(WAIT_S_MAX) == 0
    good = draft(Kind.FAULT, 6)
    with pytest.raises(WrongShape, match="raw_sha256"):
        writer.submit(draft(Kind.FAULT, 6, b"raw"), b"other")
    with pytest.raises(WrongShape, match="raw_sha256"):
        writer.submit(good, b"raw")
    with pytest.raises(WrongShape, match="not the body"):
        writer.submit(Draft(good.stamp, good.provenance, "text"))  # type: ignore[arg-type]  # what a mistake would give
    reading = draft(Kind.READING, 6).body
    assert isinstance(reading, ReadingBody)
    big = dataclasses.replace(reading, values=TypedArray((4096, 2), bytes(65_536)))
    with pytest.raises(RecordTooBig):
        writer.submit(dataclasses.replace(good, body=big))
    with pytest.raises(OutOfOrder, match="1000000 ns before"):
        writer.submit(draft(Kind.FAULT, 4))
    assert writer.submit(good).result(WAIT_S_MAX) == 1
    assert writer.submit(draft(Kind.FAULT, 0, boot_id=bytes(16))).result(WAIT_S_MAX) == 2


def test_raw_data_is_kept_once_under_its_digest(writer: Writer, path: Path) -> None:
    """Two records may name the same raw data; the first keeps it."""
    writer.submit(draft(Kind.READING, 0, b"raw"), b"raw").result(WAIT_S_MAX)
    writer.submit(draft(Kind.READING, 1, b"raw"), b"raw").result(WAIT_S_MAX)
    with JournalReader(path) as reader:
        kept = reader.raw(sha256(b"raw").digest())
        assert kept is not None
        assert (kept.data, kept.index) == (b"raw", 0)
        assert reader.raw(bytes(32)) is None


def test_a_full_queue_refuses_instead_of_growing_or_blocking(path: Path) -> None:
    """JournalBehind by records and by bytes; what was taken before is written all the same."""
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, Clock(), wall_ns, queue_records_max=16)
    futures = [writer.submit(draft(Kind.FAULT, number)) for number in range(16)]
    with pytest.raises(JournalBehind, match="16 records"):
        writer.submit(draft(Kind.FAULT, 16))
    writer.start()
    assert futures[-1].result(WAIT_S_MAX) == 15
    writer.close()
    second = Writer(journal, Clock(), wall_ns)
    raw = bytes(20 * 1024 * 1024)
    second.submit(draft(Kind.FAULT, 16, raw), raw)
    with pytest.raises(JournalBehind, match="bytes wait"):
        second.submit(draft(Kind.FAULT, 17, raw), raw)
    second.start()
    second.close()
    journal.close()
    assert verify_file(path, KEY.public).records == 17


def test_a_checkpoint_comes_within_a_second_and_at_the_end(path: Path) -> None:
    """Anything new is under a checkpoint within a second of idleness; the last record at the close."""
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, time.monotonic_ns, wall_ns)
    writer.start()
    writer.submit(draft(Kind.FAULT, 0)).result(WAIT_S_MAX)
    writer.submit(draft(Kind.FAULT, 1)).result(WAIT_S_MAX)
    deadline = time.monotonic() + 3
    with JournalReader(path) as reader:
        while True:
            newest = reader.newest_checkpoint()
            if newest is not None and newest.size == 2:
                break
            assert time.monotonic() < deadline, "no checkpoint for 3 s"
            time.sleep(0.02)
        assert path.with_suffix(".checkpoint").read_bytes() == newest.note
        writer.submit(draft(Kind.FAULT, 2)).result(WAIT_S_MAX)
        writer.close()
        newest = reader.newest_checkpoint()
        assert newest is not None
        assert newest.size == 3
    journal.close()
    assert verify_file(path, KEY.public).uncovered == 0


def test_of_each_minute_one_checkpoint_stays_and_each_hour_one_has_a_second_signature(path: Path) -> None:
    """70 minutes of records, one each half minute of a made-up clock: one checkpoint a minute stays, all hold."""
    key = keys.generate()
    assert key.ml_dsa_44 is not None, "this test needs cryptography built with ML-DSA-44"
    journal = open_journal(path, GATEWAY, key)
    seconds = [0]
    writer = Writer(journal, lambda: seconds[0] * 1_000_000_000, wall_ns)
    for number in range(140):
        seconds[0] = number * 30
        writer.submit(draft(Kind.FAULT, number))
        assert writer._step()                          # the thread's own step, without the thread
        while journal.covered < journal.size:          # the head's copy is made beside it
            assert writer._step()
    journal.close()
    result = verify_file(path, key.public)
    assert (result.status, result.records, result.notes) == (Status.VALID, 140, ())
    with JournalReader(path, at_rest=True) as reader:
        heads = [checkpoint.parse(head.note) for head in reader.checkpoints(0)]
    assert [head.size for head in heads] == [*range(1, 140, 2), 140]
    assert [head.size for head in heads if len(head.signatures) == 2] == [1, 121]


def test_progress_is_shown_even_when_idle(writer: Writer) -> None:
    """The watchdog sees an idle writer step, so silence means that it hangs."""
    before = writer.last_progress_at
    deadline = time.monotonic() + 3
    while writer.last_progress_at == before:
        assert time.monotonic() < deadline, "no step for 3 s"
        time.sleep(0.02)


def test_a_closed_writer_takes_nothing_more(writer: Writer) -> None:
    """What was submitted before the close is written; what comes after is refused."""
    futures = [writer.submit(draft(Kind.FAULT, number)) for number in range(50)]
    writer.close()
    assert [future.result(0) for future in futures] == list(range(50))
    with pytest.raises(JournalFailed, match="closed"):
        writer.submit(draft(Kind.FAULT, 50))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_of_a_caller_stops_the_writer_in_the_open(path: Path) -> None:
    """If `after_commit` raises, the writer does not go on as if nothing was: `failed` is set."""
    journal = open_journal(path, GATEWAY, KEY)

    def broken(_size: int) -> None:
        raise RuntimeError("a mistake of ours")

    writer = Writer(journal, time.monotonic_ns, wall_ns, broken)
    writer.start()
    assert writer.submit(draft(Kind.FAULT, 0)).result(WAIT_S_MAX) == 0
    assert writer.failed.wait(WAIT_S_MAX)
    with pytest.raises(JournalFailed):
        writer.submit(draft(Kind.FAULT, 1))
    writer._thread.join(WAIT_S_MAX)
    journal.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 2 MiB, which only root may."""
    if os.geteuid() != 0:
        pytest.fail("mounting a small disk needs root: run the tests as root, as CI does")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # lazy: also where a failed test left a file open


def test_a_full_disk_fails_every_future_and_loses_nothing_that_was_told(small_disk: Path) -> None:
    """SQLITE_FULL reaches the futures and `failed`; with room again the journal opens with every told record."""
    path = small_disk / "journal.db"
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, time.monotonic_ns, wall_ns)
    writer.start()
    told = 0

    def fill() -> None:
        nonlocal told
        for number in range(200):
            raw = os.urandom(32_768)
            told = writer.submit(draft(Kind.READING, number, raw), raw).result(WAIT_S_MAX) + 1

    with pytest.raises(JournalFailed, match=r"journal\.db: .*(full|No space)"):
        fill()
    assert writer.failed.is_set()
    with pytest.raises(JournalFailed):
        writer.submit(draft(Kind.READING, 200))
    with pytest.raises(JournalFailed):
        writer.close()
    journal.close()
    assert 10 < told < 200
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    journal = open_journal(path, GATEWAY, KEY)
    assert journal.size == told
    journal.close()
    assert verify_file(path, KEY.public).status == Status.VALID


def test_every_commit_is_synced(path: Path) -> None:
    """WAL with synchronous=FULL: a commit is on disk before it is told (NORMAL lost 396 of 12355 in power cuts)."""
    journal = open_journal(path, GATEWAY, KEY)
    assert journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()
    connection = connect_reader(path)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()

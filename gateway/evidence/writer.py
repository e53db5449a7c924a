"""The writer thread: takes what is waiting, signs it, commits it once, and only then tells anybody.

Nothing is dropped silently: a draft is refused where it is submitted, and a failing disk fails every future.

A tree head goes to a file of its own first, which takes two syncs of a file and its folder: 4 ms and more in which
no record would be committed, once a second. So a helper thread does it, and this one goes on.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from gateway.evidence import cose
from gateway.evidence.cbor import WrongShape
from gateway.evidence.journal import Entry, Head, Journal
from gateway.evidence.record import Draft, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.sample import Nanoseconds

SECOND_NS = 1_000_000_000
CHECKPOINT_NS = SECOND_NS                  # the time in which a cut tail would not show on the box itself
KEEP_NS = 60 * SECOND_NS                   # one checkpoint a minute stays for ever: 99 MB a year
SECOND_SIGNATURE_NS = 3600 * SECOND_NS     # an ML-DSA-44 line has 3.3 KB: 29 MB a year at one an hour
WAKE_S_MAX = 0.5                           # an idle writer still shows that it lives
# At the 100 records a second that are planned for, 4096 are 40 s: an SD card may stall for seconds while it
# erases, and whoever waits longer is better told.
QUEUE_RECORDS_MAX = 4096
# Raw scans have hundreds of kilobytes each. Both processes together must stay under 150 MB.
QUEUE_BYTES_MAX = 32 * 1024 * 1024
BATCH_RECORDS_MAX = 1024                   # a commit of more would delay the first of them and the watchdog


class JournalBehind(Exception):
    """The disk does not keep up: the queue is full and the draft was not taken."""


class JournalFailed(Exception):
    """The journal could not be written; the writer has stopped and takes nothing more."""


class OutOfOrder(ValueError):
    """A draft was stamped before the one submitted before it: stamp a draft when it is submitted."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """Raw data with their digest, worked out where nobody waits for it: make it with `hashed` alone."""

    data: bytes
    sha256: bytes


def hashed(data: bytes) -> Hashed:
    """Return raw data with their digest: a scan's megabyte takes 0.5 to 5 ms."""
    return Hashed(data, sha256(data).digest())


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record with its place, waiting for its signature."""

    sequence: int
    payload: bytes
    raw_sha256: bytes | None
    raw: bytes | None
    done: Future[int]

    @property
    def size(self) -> int:
        """Return how much memory it holds."""
        return len(self.payload) + len(self.raw or b"")


def ignore_size(_size: int) -> None:
    """Do nothing after a commit."""


class Writer:
    """The one thread that writes to the journal.

    `failed` is set when it had to stop; `failure` then says why. `last_progress_at` is the monotonic time of
    its last step, for the watchdog. `after_commit(size)` is called on this thread after each commit and each
    checkpoint; it must not block.
    """

    def __init__(
        self,
        journal: Journal,
        monotonic_ns: Callable[[], Nanoseconds],
        wall_ns: Callable[[], int],
        after_commit: Callable[[int], None] = ignore_size,
        queue_records_max: int = QUEUE_RECORDS_MAX,
    ) -> None:
        self.failed = threading.Event()
        self.failure: JournalFailed | None = None
        self.last_progress_at = monotonic_ns()
        self._journal = journal
        self._key = journal.key
        self._kid = journal.key.kid  # computed from the key each time it is asked for
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._after_commit = after_commit
        self._queue_records_max = queue_records_max
        self._queue: deque[Waiting] = deque()
        self._queue_bytes = 0
        self._next = journal.size
        self._last_stamp = journal.last_stamp
        self._closing = False
        self._changed = threading.Condition()
        self._checkpoint_due = self._keep_due = self._second_due = self.last_progress_at
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="journal-head")
        self._copying: tuple[Head, Future[None]] | None = None  # a head on its way to the file of its own
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, draft: Draft, raw: bytes | Hashed | None = None) -> Future[int]:
        """Give a draft its place in the journal; the future resolves to it when it is on disk.

        `raw` is kept beside the record and must be what the draft's provenance names. May be called from any
        thread. Raises RecordRefused, OutOfOrder, JournalBehind or JournalFailed; the draft is then not taken.
        """
        kept = hashed(raw) if isinstance(raw, bytes) else raw
        if kept is not None and kept.sha256 != draft.provenance.raw_sha256:
            raise WrongShape("provenance.raw_sha256", "is not the digest of the raw data submitted with it")
        data = kept.data if kept is not None else None
        with self._changed:
            self._check_open(draft, len(data or b""))
            payload = encode(draft, self._journal.gateway, self._next)
            waiting = Waiting(self._next, payload, draft.provenance.raw_sha256, data, Future())
            waiting.done.set_running_or_notify_cancel()       # a record cannot be called back
            self._queue.append(waiting)
            self._queue_bytes += waiting.size
            self._next += 1
            self._last_stamp = draft.stamp
            self._changed.notify()
        return waiting.done

    def close(self) -> None:
        """Write everything that waits and a last checkpoint, then end the thread. Raises JournalFailed.

        The journal itself stays open.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.ident is not None:
            self._thread.join()
        self._copier.shutdown()
        if self.failure is not None:
            raise self.failure

    def _check_open(self, draft: Draft, raw_bytes: int) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closing:
            raise JournalFailed("the writer is closed")
        if len(self._queue) >= self._queue_records_max or self._queue_bytes + raw_bytes > QUEUE_BYTES_MAX:
            raise JournalBehind(f"{len(self._queue)} records, {self._queue_bytes} bytes wait for the disk already")
        last, now = self._last_stamp, draft.stamp
        if last is not None and last.boot_id == now.boot_id and now.monotonic_ns < last.monotonic_ns:
            raise OutOfOrder(f"stamped {last.monotonic_ns - now.monotonic_ns} ns before the record before it")

    def _run(self) -> None:
        """Write until closed or failed."""
        try:
            while self._step():
                if self._copying is None or self._copied():  # a head that does not get through is no progress
                    self.last_progress_at = self._monotonic_ns()
        except (sqlite3.Error, OSError) as error:
            self._fail(f"{self._journal.path}: {error}", error)
        finally:
            if not self._closing and self.failure is None:
                self._fail("the writer ended by an error of its own; see the log", None)

    def _step(self) -> bool:
        """Take one batch and, where it is due, one checkpoint; tell whether there may be more."""
        batch, closing = self._take()
        if batch:
            self._commit(batch)
        self._look_at_checkpoint(last=closing and not batch)
        return bool(batch) or not closing

    def _take(self) -> tuple[list[Waiting], bool]:
        """Wait for something to do, no longer than the next checkpoint allows, and take it."""
        with self._changed:
            if not self._queue and not self._closing and not self._copied():
                self._changed.wait(self._wait_s())
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_RECORDS_MAX))]
            self._queue_bytes -= sum(waiting.size for waiting in batch)
            return batch, self._closing

    def _wait_s(self) -> float:
        if self._journal.size == self._journal.covered or self._copying is not None:
            return WAKE_S_MAX
        return min(WAKE_S_MAX, max(0.0, (self._checkpoint_due - self._monotonic_ns()) / SECOND_NS))

    def _commit(self, batch: list[Waiting]) -> None:
        try:
            self._journal.append([
                Entry(cose.sign(each.payload, self._key.ed25519, self._kid), each.raw_sha256, each.raw)
                for each in batch
            ])
        except (sqlite3.Error, OSError) as error:
            with self._changed:
                self._queue.extendleft(reversed(batch))       # so that they are told with the others
            raise error from None
        for waiting in batch:
            waiting.done.set_result(waiting.sequence)
        self._after_commit(self._journal.size)

    def _look_at_checkpoint(self, *, last: bool) -> None:
        """Enter the head that was copied, and begin to copy the next where it is due. The last one is waited for."""
        if self._copying is not None and (last or self._copied()):
            self._enter_head(*self._copying)
        if self._copying is None and self._journal.size > self._journal.covered:
            if last or self._monotonic_ns() >= self._checkpoint_due:
                self._begin_checkpoint()
            if last and self._copying is not None:
                self._enter_head(*self._copying)

    def _begin_checkpoint(self) -> None:
        now = self._monotonic_ns()
        second = now >= self._second_due and self._key.ml_dsa_44 is not None
        keep = second or now >= self._keep_due
        head = self._journal.sign_head(self._wall_ns() // SECOND_NS if second else None, keep=keep)
        self._copying = head, self._copier.submit(self._journal.copy_head, head)
        self._copying[1].add_done_callback(lambda _done: self._wake())
        self._checkpoint_due = now + CHECKPOINT_NS
        if keep:
            self._keep_due = now + KEEP_NS
        if second:
            self._second_due = now + SECOND_SIGNATURE_NS

    def _enter_head(self, head: Head, copied: Future[None]) -> None:
        """Enter a head once it is copied. Raises OSError where it could not be."""
        copied.result()
        self._journal.enter_head(head)
        self._copying = None
        self._after_commit(self._journal.size)

    def _copied(self) -> bool:
        return self._copying is not None and self._copying[1].done()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def _fail(self, why: str, error: BaseException | None) -> None:
        """Stop taking drafts, and tell everybody who waits."""
        with self._changed:
            self.failure = JournalFailed(why)
            self.failure.__cause__ = error
            waiting, self._queue = list(self._queue), deque()
        for each in waiting:
            each.done.set_exception(self.failure)
        self.failed.set()

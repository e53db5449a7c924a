"""A real journal with a real writer, filled with whatever a test needs. Rings the doorbell like the core does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.clock import boot_id
from gateway.detection.verdict import Anomaly, LineEvidence, Outcome, SubstanceScore, Verdict
from gateway.evidence import keys
from gateway.evidence.act import ConfigurationBody
from gateway.evidence.body import AnomalyBody, FaultBody, FaultSource, VerdictBody
from gateway.evidence.journal import open_journal
from gateway.evidence.reader import JournalReader
from gateway.evidence.record import ClockStatus, Draft, Provenance, Stamp
from gateway.evidence.writer import Writer
from gateway.notify import Ringer

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.evidence.layout import Body

GATEWAY = "bay-7"
KEY = keys.generate()
DIGEST = bytes(range(32))
LINE = LineEvidence("nu+", 5192.0, 5192.1, 9.5, 1.2, 31.5)
ALARM = Verdict(
    Outcome.ALARM, ("line found at 5192.1 kHz",),
    (SubstanceScore("RDX", 31.5, 1e-6, 0.99, 296.1, 0.02, True, (LINE,)),), 4, DIGEST, DIGEST,
)  # fmt: skip


class Core:
    """Writes records as the first process would, without instruments."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.db"
        self.doorbell = folder / "publish.sock"
        self.open()

    def open(self) -> None:
        """Open the journal and start its writer."""
        self.journal = open_journal(self.path, GATEWAY, KEY, group_readable=True)
        self.ringer = Ringer(self.doorbell)
        self.writer = Writer(self.journal, time.monotonic_ns, time.time_ns, lambda _size: self.ringer.ring())
        self.writer.start()

    def close(self) -> None:
        """Close in order: SQLite then removes its -wal and -shm."""
        self.writer.close()
        self.journal.close()
        self.ringer.close()

    def submit(self, body: Body) -> int:
        """Write one record and wait until it is on disk; return its index."""
        stamp = Stamp(boot_id(), time.monotonic_ns(), time.time_ns(), ClockStatus.SYNCHRONISED, 1000)
        provenance = Provenance("spingate 0", DIGEST, DIGEST)
        return self.writer.submit(Draft(stamp, provenance, body)).result(10)

    def faults(self, count: int, detail: str = "") -> None:
        """Write small records, all but the last without waiting."""
        for number in range(count):
            stamp = Stamp(boot_id(), time.monotonic_ns(), time.time_ns(), ClockStatus.SYNCHRONISED, 1000)
            body = FaultBody(FaultSource.COMPONENT, "test", "numbered", f"{number} {detail}", 0)
            done = self.writer.submit(Draft(stamp, Provenance("spingate 0", DIGEST, DIGEST), body))
            if number % 500 == 499 or number == count - 1:
                done.result(20)

    def alarm(self) -> int:
        """Write an alarm verdict."""
        return self.submit(VerdictBody("head", ALARM))

    def anomaly(self) -> int:
        """Write a magnetic anomaly."""
        return self.submit(AnomalyBody("lane", Anomaly(12.0, 9.0, 1e-4, 2e-9, 4.0), 0))

    def configuration(self, characters: int) -> int:
        """Write a record of a wanted size."""
        return self.submit(ConfigurationBody("gateway.toml", "x" * characters))

    def messages(self) -> list[bytes]:
        """Return every record in the journal."""
        with JournalReader(self.path) as reader:
            found, start = [], 0
            while rows := reader.records(start):
                found += [row.message for row in rows]
                start = rows[-1].index + 1
            return found

"""A disk that does not keep up delays a scan; it neither ends the core nor scans a load that no record names."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.replay import marked
from drivers.sample import Channel, Fault, Identity, Sample
from gateway import clock
from gateway.assembly import assemble
from gateway.config import load
from gateway.config_tables import ScanTable
from gateway.control import Ask
from gateway.core import Core
from gateway.evidence import keys
from gateway.evidence.writer import JournalBehind
from gateway.lane_trigger import LaneTrigger
from gateway.scans import SCAN_RETRY_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUEUE_RECORDS_MAX = 16
WRITER_S = 0.6  # the writer looks into its queue at least twice a second
OVENS = 20      # with a certificate each: more to say at the start than the queue holds
CONFIG = f"""
[gateway]
id = "bay-1"
state_dir = "."
run_dir = "."
publisher_dir = "pub"
[key]
file = "gateway.key"
[journal]
queue_records_max = {QUEUE_RECORDS_MAX}
[[instrument]]
name = "head"
driver = "nqr-head"
port = "tcp://127.0.0.1:1"
""" + "".join(f"""
[[instrument]]
name = "oven-{unit}"
driver = "eurotherm-3200"
port = "/dev/serial/by-id/none"
unit = {unit}
certificate = "none.toml"
""" for unit in range(1, OVENS + 1))


def heard_now() -> Reading:
    """Return what a head says of itself, this very moment."""
    head = Identity("open profile", "NQR-8", "1", "1")
    return Reading(head, "head", (), np.zeros((1, 0)), np.zeros(0), None, 0, clock.monotonic_ns(), bytes(32),
                   Trust(calibrated=False, certificate_sha256=None))


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """A core whose journal another program has locked, and whose queue is full."""
    keys.create(tmp_path / "gateway.key", tmp_path / "gateway.pub.pem")
    (tmp_path / "gateway.toml").write_text(CONFIG)
    assembly = assemble(load(tmp_path / "gateway.toml"))
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        made = Core(assembly)
        for _ in range(2):      # the writer takes one queue full out before it meets the lock
            with suppress(JournalBehind):
                while True:
                    made.submit(assembly.drafter.component_fault(clock.now(), "test", "one more", ""), None)
            time.sleep(WRITER_S)
        yield made
        other.execute("ROLLBACK")
    assembly.close()


def test_a_scan_that_cannot_be_journaled_is_refused_to_whoever_asks(core: Core) -> None:
    """It is not begun, and the answer says what to do."""
    core.assembly.lanes["head"].last_reading = heard_now()
    answer = core.answer(Ask("start"), "root")
    assert answer.scan_id is None
    assert "try again" in answer.refused


def test_a_scan_of_a_head_that_is_away_is_refused(core: Core) -> None:
    """It would begin when the head comes back, on whatever lies in the bay by then."""
    lane = core.assembly.lanes["head"]
    assert "does not answer" in core.answer(Ask("start"), "root").refused
    lane.last_reading = heard_now()
    core.deliver("head", Fault("port missing", "unplugged", clock.monotonic_ns()))
    assert "does not answer" in core.answer(Ask("start"), "root").refused


async def test_a_schedule_goes_on_when_the_journal_was_behind(core: Core) -> None:
    """The task of the schedule is alive after it met a full queue."""
    schedule = asyncio.create_task(core.scans.repeat("head"))
    await asyncio.sleep(SCAN_RETRY_S / 10)
    assert not schedule.done()
    schedule.cancel()
    await asyncio.gather(schedule, return_exceptions=True)


def test_a_recording_of_a_lane_begins_no_scan(core: Core) -> None:
    """An object that stood there when it was made is not in the bay; one that a live PLC tells of is scanned."""
    core.assembly.lanes["head"].last_reading = heard_now()
    table = ScanTable(trigger="plc", plc="oven-1", present="object")
    core.scans = replace(core.scans, table=table, trigger=LaneTrigger("object", (), ()))
    bit = (Channel("object", "state", "1"),)
    said = Sample(Identity("", "plc", "", ""), "lane", bit, np.ones((1, 1)), None, 0, 5, b"")
    core.deliver("oven-1", marked(said, 6))
    assert core.scans.heads["head"].progress is None
    core.deliver("oven-1", said)
    assert core.scans.heads["head"].progress is not None

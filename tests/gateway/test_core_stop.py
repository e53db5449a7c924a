"""A stop keeps what was measured: half a block, the object that is passing, the scan that is being decided."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.schedule import schedule
from drivers.sample import BandCapture, Channel, Identity, Sample, ScanCapture
from gateway.assembly import Assembly, assemble
from gateway.config import load
from gateway.core import Core
from gateway.detection.verdict import Anomaly, Outcome, Verdict
from gateway.evidence import keys
from gateway.evidence.body import AnomalyBody, ReadingBody, VerdictBody
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode
from gateway.lane.anomaly import PassDetector
from gateway.lane_watch import LaneWatch
from gateway.publisher.journal import payload_of

if TYPE_CHECKING:
    from pathlib import Path

    from calibration.reading import CalibratedScan, Reading
    from gateway.evidence.layout import Body

CONFIG = """
[gateway]
id = "bay-1"
state_dir = "."
run_dir = "."
publisher_dir = "pub"
[key]
file = "gateway.key"
[[instrument]]
name = "lane"
driver = "twinleaf"
port = "{folder}/no-such-line"
"""
FIELD = Sample(Identity("Twinleaf", "OMG", "1", "1"), "field", (Channel("x", "magnetic flux density", "nT"),),
               np.zeros((10, 1)), 100.0, 0, 500, b"raw")
JUDGING_S = 0.5


class Alarmed(PassDetector):
    """Sees something in every reading, without five minutes of quiet before."""

    def feed(self, reading: Reading) -> Anomaly:
        """Return the same anomaly again."""
        del reading
        return Anomaly(20.0, 10.0, 1e-6, 1e-9, 1.0)


def judge_slowly(scan: CalibratedScan) -> Verdict:
    """Take a while, as a small board does."""
    time.sleep(JUDGING_S)
    return Verdict(Outcome.NOT_INSPECTABLE, ("a test",), (), scan.scan_id, scan.raw_sha256, bytes(32))


def capture() -> ScanCapture:
    """Return a scan of nothing."""
    counts = np.zeros((8, 8, 256), np.complex64)
    band = BandCapture(schedule(300.0)[0], counts, 3000.0, 100.0, 100.0, 1.0)
    return ScanCapture(Identity("a", "b", "c", "d"), 7, (band,), 300.0, 20.0, 0.2, 500, b"pages")


def gateway(folder: Path) -> Assembly:
    """Return a gateway whose only port is not there."""
    keys.create(folder / "gateway.key", folder / "gateway.pub.pem")
    (folder / "gateway.toml").write_text(CONFIG.format(folder=folder))
    return assemble(load(folder / "gateway.toml"))


async def run_until_told(core: Core, *events: Sample | ScanCapture) -> None:
    """Run the core, give it events, and stop it as SIGTERM does before it can have done all it should."""
    running = asyncio.create_task(core.run())
    await asyncio.sleep(0.1)
    for event in events:
        core.deliver("lane", event)
    await asyncio.sleep(0.1)
    core.stopping.set()
    await running


def bodies(folder: Path) -> list[Body]:
    """Return what the journal holds."""
    with reader_of(folder / "journal.db") as reader:
        return [decode(payload_of(stored.message)).body for stored in reader.records(0)]


async def test_a_stop_journals_half_a_block_and_the_object_that_is_passing(tmp_path: Path) -> None:
    """A tenth of a second that was measured is a reading, and an alert that was held back is told."""
    assembly = gateway(tmp_path)
    assembly.lanes["lane"].watch = LaneWatch(Alarmed, 1.0)
    try:
        await run_until_told(Core(assembly), FIELD)
    finally:
        assembly.close()
    found = bodies(tmp_path)
    assert sum(isinstance(body, ReadingBody) for body in found) == 1
    assert sum(isinstance(body, AnomalyBody) for body in found) == 1


async def test_a_stop_waits_for_the_verdict_of_a_scan_that_is_in(tmp_path: Path) -> None:
    """Five minutes of scanning are not thrown away by a restart for an update."""
    assembly = gateway(tmp_path)
    core = Core(assembly)
    core.pipeline = replace(core.pipeline, judge=judge_slowly)
    try:
        await run_until_told(core, capture())
    finally:
        assembly.close()
    assert [body.verdict.scan_id for body in bodies(tmp_path) if isinstance(body, VerdictBody)] == [7]

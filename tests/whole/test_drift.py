"""A head under watch in the real gateway: the line thermometer by command, what it tells, and an operator's reset."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gateway.control import Ask, ControlRefused
from gateway.detection.drift_state import DriftLevel
from gateway.detection.verdict import Outcome
from gateway.evidence.body import FaultBody, VerdictBody
from hil.emulated import Wish
from hil.stand import standing
from hil.table import EMULATED
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from gateway.detection.verdict import Verdict
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SCAN_S_MAX = 60.0


def faults(site: Installed) -> list[str]:
    """Return the kinds of the drift watch's faults in the journal."""
    bodies = [record.body for record in site.records() if isinstance(record.body, FaultBody)]
    return [body.kind for body in bodies if body.kind.startswith("drift")]


def verdicts(site: Installed) -> list[Verdict]:
    """Return the verdicts in the journal."""
    return [record.body.verdict for record in site.records() if isinstance(record.body, VerdictBody)]


def ordered(site: Installed, *words: str) -> int:
    """Run `spingate drift` and return its exit code."""
    return site.command("drift", *words, "--config", site.config).returncode


def begun(site: Installed) -> bool:
    """Order a calibrant scan as the command does; false where the head is not there yet."""
    try:
        return site.ask(Ask("thermometer")).scan_id is not None
    except ControlRefused:
        return False


def judged(site: Installed, count: int) -> bool:
    """Tell whether so many scans have their verdict."""
    return len(verdicts(site)) >= count


def read_thermometer(site: Installed, times: int) -> None:
    """Order a calibrant scan and wait for its verdict, so often."""
    for _ in range(times):
        before = len(verdicts(site))
        wait_until(lambda: begun(site), SCAN_S_MAX, "a scan that begins")
        wait_until(partial(judged, site, before + 1), SCAN_S_MAX, "its verdict")


@pytest.mark.timeout(180)  # measured 18 s at a load of 15, 60 s once beside a bench
def test_a_wrong_sensor_is_told_and_accepted_by_a_person(bench: Bench, site: Installed) -> None:
    """From the head's registers to the status: the line says 5 K less than the sensor, until somebody takes it so."""
    wish = Wish("drift-sensor", 1, time.monotonic_ns(), bench.worker.submit, packets=True, ahead=True)
    head = bench.enter(standing(EMULATED["nqr-head"], wish, 0, time.monotonic_ns))
    site.configure(instrument("head", "nqr-head", head))
    core = site.started("run")
    read_thermometer(site, 3)
    assert faults(site) == []
    read_thermometer(site, 1)
    wait_until(lambda: ordered(site, "thermometer") == 0, SCAN_S_MAX, "a scan by the command")
    wait_until(lambda: faults(site) == ["drift degraded"], SCAN_S_MAX, "the drift")
    wait_until(partial(judged, site, 5), SCAN_S_MAX, "the verdict that it bears on")
    told = verdicts(site)[-1]
    assert told.drift is not None
    assert (told.outcome, told.drift.level) == (Outcome.NOT_INSPECTABLE, DriftLevel.DEGRADED)
    assert any("a calibrant scan: the line thermometer reads 29" in reason for reason in told.reasons)
    status = site.ask(Ask("status")).status
    assert status is not None
    shown = status.instruments[0].drift
    assert shown.startswith("degraded: line thermometer: bay sensor less line +")
    assert ordered(site, "reset", "--why", "sensor exchanged") == 0
    wait_until(lambda: faults(site)[-1] == "drift reset", SCAN_S_MAX, "the reset")
    assert core.stop() == 0
    assert site.verify().status == "valid"
    reset = next(one.body.detail for one in site.records()
                 if isinstance(one.body, FaultBody) and one.body.kind == "drift reset")
    assert "sensor exchanged; before: degraded: line thermometer" in reset

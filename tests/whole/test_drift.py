"""A head under watch in the real gateway: the line thermometer by command, what it tells, and an operator's reset."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from gateway.control import Ask, ControlRefused
from hil.emulated import Wish
from hil.stand import standing
from hil.table import EMULATED
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SCAN_S_MAX = 40.0


def faults(site: Installed) -> list[str]:
    """Return the kinds of the drift watch's faults in the journal."""
    return [record.body.kind for record in site.records()
            if record.kind == "fault" and record.body.kind.startswith("drift")]


def verdicts(site: Installed) -> list[Any]:
    """Return the verdicts in the journal."""
    return [record.body.verdict for record in site.records() if record.kind == "verdict"]


def ordered(site: Installed, *words: str) -> int:
    """Run `spingate drift` and return its exit code."""
    return site.command("drift", *words, "--config", site.config).returncode


def begun(site: Installed) -> bool:
    """Order a calibrant scan as the command does; false where the head is not there yet."""
    try:
        return site.ask(Ask("thermometer")).scan_id is not None
    except ControlRefused:
        return False


def read_thermometer(site: Installed, times: int) -> None:
    """Order a calibrant scan and wait for its verdict, so often."""
    for _ in range(times):
        before = len(verdicts(site))
        wait_until(lambda: begun(site), SCAN_S_MAX, "a scan that begins")
        wait_until(lambda count=before: len(verdicts(site)) > count, SCAN_S_MAX, "its verdict")


def test_a_wrong_sensor_is_told_survives_a_restart_and_is_accepted_by_a_person(bench: Bench, site: Installed) -> None:
    """From the head's registers to the status: the line says 5 K less than the sensor, until somebody takes it so."""
    wish = Wish("drift-sensor", 1, time.monotonic_ns(), bench.worker.submit, packets=True, ahead=True)
    head = bench.enter(standing(EMULATED["nqr-head"], wish, 0, time.monotonic_ns))
    site.configure(instrument("head", "nqr-head", head))
    core = site.started("run")
    read_thermometer(site, 3)
    assert faults(site) == []
    assert core.stop() == 0
    core = site.started("run")  # three scans have taught it; a restart must not forget them
    read_thermometer(site, 1)
    assert ordered(site, "thermometer") == 0
    wait_until(lambda: faults(site) == ["drift degraded"], SCAN_S_MAX, "the drift")
    told = verdicts(site)[-1]
    assert (told.outcome, told.drift.level) == ("not inspectable", "degraded")
    assert any("a calibrant scan: the line thermometer reads 29" in reason for reason in told.reasons)
    shown = json.loads(site.command("status", "--json", "--config", site.config).stdout)["core"]["instruments"][0]["drift"]
    assert shown.startswith("degraded: line thermometer: bay sensor less line +")
    assert ordered(site, "reset", "--why", " ") == 2
    assert ordered(site, "reset", "--why", "sensor exchanged") == 0
    wait_until(lambda: faults(site)[-1] == "drift reset", SCAN_S_MAX, "the reset")
    assert core.stop() == 0
    assert site.verify().status == "valid"
    reset = next(record for record in site.records() if record.kind == "fault" and record.body.kind == "drift reset")
    assert "sensor exchanged; before: degraded: line thermometer" in reset.body.detail

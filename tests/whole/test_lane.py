"""The lane's PLC and the head together: an object is scanned because it came, and the records say so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hil.emulated import Wish
from hil.stand import standing
from hil.table import EMULATED
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

LANE = '[scan]\ntrigger = "plc"\nplc = "plc"\nwanted = ["estop_circuit"]\ndwell_s = 30.0\n'


def bay(bench: Bench, site: Installed, scene: str, *, ahead: bool) -> None:
    """Put a head and a PLC on ports and configure the gateway for both."""
    wish = Wish("rdx", 1, time.monotonic_ns(), bench.worker.submit, packets=True, ahead=ahead)
    head = bench.enter(standing(EMULATED["nqr-head"], wish, 0, time.monotonic_ns))
    plc = bench.stand("modbus-map", scene=scene)
    site.configure(LANE, instrument("head", "nqr-head", head),
                   instrument("plc", "modbus-map", plc, map="lane-plc", poll_ms=100))


def bodies(site: Installed, kind: str) -> list[Any]:
    """Return the bodies of all records of a kind."""
    return [record.body for record in site.records() if record.kind == kind]


def test_an_object_that_arrives_is_scanned_once_and_its_verdict_leads_back_to_the_plc(
    bench: Bench, site: Installed
) -> None:
    """Verdict, scan and order name each other, and nobody but the PLC gave the order."""
    bay(bench, site, "passing", ahead=True)
    core = site.started("run")
    wait_until(lambda: bodies(site, "verdict"), 40, "a verdict")
    assert core.stop() == 0
    records = site.records()
    verdict = next(record for record in records if record.kind == "verdict")
    scan, order = (records[index] for index in verdict.provenance.sources)
    assert (scan.kind, scan.provenance.sources) == ("scan", (order.sequence,))
    body: Any = order.body
    assert (order.kind, body.source, body.container) == ("context", "PLC plc", None)
    assert len(bodies(site, "context")) == 1, "one object, one scan"


def test_an_emergency_stop_ends_the_scan_and_leaves_no_verdict(bench: Bench, site: Installed) -> None:
    """The signed fault names the contact; what was half scanned is not decided."""
    bay(bench, site, "e-stop", ahead=False)
    core = site.started("run")
    wait_until(lambda: any(body.kind == "scan aborted" for body in bodies(site, "fault")), 40, "the scan was given up")
    assert core.stop() == 0
    told = [body.detail for body in bodies(site, "fault") if body.kind == "scan stopped"]
    assert told[0] == "ordered by PLC plc: estop_circuit is 0"
    assert bodies(site, "verdict") == []

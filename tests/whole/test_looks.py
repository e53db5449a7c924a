"""The running gateway scans a load until it is decided, and nothing that breaks that off leaves it clear."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from calibration.certificate_text import certificate_text
from calibration.lines import covered
from drivers.sample import Identity
from gateway.control import Ask, ControlRefused
from gateway.detection.verdict import Outcome
from hil.certificates import head_certificate
from hil.emulated import Wish
from hil.instruments.nqr_head import Plate, channel_gains
from hil.stand import standing
from hil.table import EMULATED
from tests.whole.installed import instrument, wait_until

if TYPE_CHECKING:
    from gateway.evidence.record import Record
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SCAN = "[scan]\nlook_dwell_s = 30.0\n\n[detection.limit_kg_max]\n"
SEED = 1


def bay(bench: Bench, site: Installed, scene: str, limit_kg: float) -> None:
    """Put a calibrated head on a port, its scans over as soon as they are computed, and configure the gateway."""
    wish = Wish(scene, SEED, time.monotonic_ns(), bench.worker.submit, packets=True, ahead=True)
    port = bench.enter(standing(EMULATED["nqr-head"], wish, 0, time.monotonic_ns))
    plate = Plate()
    head = Identity(plate.make, plate.model, plate.serial, plate.firmware)
    (site.folder / "head.toml").write_text(certificate_text(head_certificate(head, channel_gains(SEED), time.time())))
    allowed = {substance.name: 100.0 for substance in covered()} | {"ammonium nitrate": limit_kg}
    limits = "".join(f'"{name}" = {kg}\n' for name, kg in allowed.items())
    site.configure(SCAN + limits, instrument("head", "nqr-head", port, certificate="head.toml"))


def of_kind(site: Installed, kind: str) -> list[Record]:
    """Return the records of a kind."""
    return [record for record in site.records() if record.kind == kind]


def ended(site: Installed) -> list[str]:
    """Return how sequences were ended."""
    bodies: list[Any] = [record.body for record in of_kind(site, "fault")]
    return [body.detail for body in bodies if body.kind == "sequence ended"]


def begin(site: Installed, *words: str) -> str:
    """Order a load to be scanned until it is decided, once the head has been heard."""
    wait_until(lambda: of_kind(site, "reading"), 20, "a head that says how it is")
    done = site.command("scan", "start", "--until-decided", *words, "--config", site.config)
    assert done.returncode == 0, done
    return done.stdout


def test_a_load_is_scanned_until_its_limits_meet_the_policy_and_no_longer(bench: Bench, site: Installed) -> None:
    """The first look leaves it open and says so, the last is clear, and each verdict names all scans it rests on."""
    bay(bench, site, "benign", 6.0)
    core = site.started("run")
    assert "at most 6 of this load" in begin(site, "--looks", "6")
    verdicts: list[Any] = []

    def decided() -> bool:
        verdicts[:] = [record.body.verdict for record in of_kind(site, "verdict")]  # type: ignore[union-attr]  # verdicts
        return bool(verdicts) and verdicts[-1].look.final

    wait_until(decided, 60, "a last look")
    assert core.stop() == 0
    assert [verdict.look.number for verdict in verdicts] == list(range(1, len(verdicts) + 1))
    assert 1 < len(verdicts) < 6
    assert {verdict.outcome for verdict in verdicts[:-1]} == {Outcome.NOT_INSPECTABLE}
    assert all("not decided yet" in verdict.reasons[0] for verdict in verdicts[:-1])
    assert verdicts[-1].outcome is Outcome.CLEAR, verdicts[-1]
    assert verdicts[-1].look.raw_sha256s == tuple(verdict.raw_sha256 for verdict in verdicts)
    assert verdicts[-1].look.dwell_s == pytest.approx(30.0 * len(verdicts), rel=0.1)
    scans, last = of_kind(site, "scan"), of_kind(site, "verdict")[-1]
    assert last.provenance.sources[0] == scans[-1].sequence
    assert set(last.provenance.sources) >= {scan.sequence for scan in scans}
    orders: list[Any] = [record.body for record in of_kind(site, "context")]
    assert len(orders) == len(scans) == len(verdicts)
    assert orders[1].source == f"{orders[0].source}; look 2 of 6"
    assert ended(site) == []
    assert site.verify().status == "valid"


def test_a_stop_between_looks_and_a_restart_end_the_sequence_undecided(bench: Bench, site: Installed) -> None:
    """Each leaves one record that says so, and nothing is carried on behind the operator's back."""
    bay(bench, site, "benign", 0.001)
    core = site.started("run")
    begin(site)
    wait_until(lambda: len(of_kind(site, "verdict")) >= 1, 40, "the first look")
    with pytest.raises(ControlRefused, match="head is scanning"):
        site.ask(Ask("start"))
    assert site.command("scan", "stop", "--config", site.config).returncode == 0
    assert "stopped by control socket, user" in ended(site)[0]
    assert "not decided" in ended(site)[0]
    wait_until(lambda: site.ask(Ask("status")).status.instruments[0].scan_progress is None, 20, "a free head")  # type: ignore[union-attr]  # a status is there
    begin(site)
    count = len(of_kind(site, "verdict"))
    wait_until(lambda: len(of_kind(site, "verdict")) > count, 40, "a look of the second load")
    core.process.send_signal(signal.SIGTERM)
    assert core.ended() == 0
    assert len(ended(site)) == 2
    assert "the gateway stops" in ended(site)[1]
    orders = len(of_kind(site, "context"))
    again = site.started("run")
    wait_until(lambda: site.ask(Ask("status")).status.instruments[0].device, 20, "the head again")  # type: ignore[union-attr]  # a status is there
    time.sleep(1.0)
    assert again.stop() == 0
    assert len(of_kind(site, "context")) == orders
    assert {record.body.verdict.outcome for record in of_kind(site, "verdict")} == {Outcome.NOT_INSPECTABLE}  # type: ignore[union-attr]  # verdicts

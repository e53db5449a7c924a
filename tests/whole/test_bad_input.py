"""Bad input gets a clear error and loses nothing: configuration, keys, ports, certificates, second processes."""

from __future__ import annotations

import contextlib
import socket
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from calibration.certificate_text import certificate_text
from gateway.control import Ask
from gateway.evidence.body import ReadingBody
from tests.whole.bench import magnetometer_statement, oven_statement
from tests.whole.installed import instrument, of_instrument, wait_until

if TYPE_CHECKING:
    from gateway.evidence.record import Record
    from tests.publisher.mosquitto import Mosquitto
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

NOBODY = "tcp://127.0.0.1:1"
DAY_S = 86_400.0


# Refused by what the drivers' table knows, after the file was read: the message names no file.
OF_DRIVERS = ("instrument[0].driver", "instrument[0].poll_ms")


@pytest.mark.parametrize(("tables", "key", "value", "rule"), [
    ("[gatewy]\n", "gatewy", "{}", "unknown key"),
    ("[scan]\ndwel_s = 60.0\n", "scan.dwel_s", "60.0", "dwell_s"),
    ('[scan]\ndwell_s = "long"\n', "scan.dwell_s", "'long'", "number, without quotes"),
    ("[scan]\ndwell_s = 1.0\n", "scan.dwell_s", "1.0", "30"),
    ("[scan]\ndwell_s = \n", "gateway.toml", "line", "TOML"),
    (instrument("lane", "twinlief", NOBODY), "instrument[0].driver", "'twinlief'", "twinleaf"),
    (instrument("lane", "twinleaf", "COM3"), "instrument[0].port", "'COM3'", "tcp://HOST:PORT"),
    (instrument("lane", "twinleaf", NOBODY, poll_ms=0), "instrument[0].poll_ms", "0", "5"),
])
def test_a_bad_configuration_is_refused_with_key_value_and_rule(
    site: Installed, tables: str, key: str, value: str, rule: str
) -> None:
    """What the core does not understand it does not run on, and it says where to look; it leaves nothing behind."""
    site.configure(tables)
    code, said = site.refused("run")
    assert code == 2
    assert all(part in said for part in (str(site.config) if key not in OF_DRIVERS else "", key, value, rule)), said
    assert len(said.splitlines()) == 1
    assert not site.journal.parent.exists()


@pytest.mark.parametrize(("what", "fix"), [
    ("open", "chmod 0600"), ("missing", "No such file"), ("rubbish", "no PEM block"), ("public", "no private key"),
])
def test_a_key_that_cannot_be_used_stops_the_core_with_path_and_reason(site: Installed, what: str, fix: str) -> None:
    """No record is ever signed with a key that others may read, and none goes unsigned."""
    key = site.folder / "gateway.key"
    if what == "open":
        key.chmod(0o644)
    elif what == "missing":
        key.unlink()
    else:
        key.write_bytes(b"rubbish" if what == "rubbish" else site.public.read_bytes())
    site.configure()
    code, said = site.refused("run")
    assert code == 2
    assert str(key) in said
    assert fix in said
    assert ("0644" in said) == (what == "open")
    assert not site.journal.exists()


def test_missing_ports_are_journaled_faults_and_touch_no_other_instrument(bench: Bench, site: Installed) -> None:
    """Of four instruments three have no port: their faults are signed, and the fourth loses not one sample."""
    site.configure(
        instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=100),
        instrument("gone", "twinleaf", site.folder / "no-such-port"),
        instrument("deaf", "eurotherm-3200", NOBODY),
        instrument("head", "nqr-head", site.folder / "no-such-head"),
    )
    core = site.started("run")
    time.sleep(4)
    assert core.stop() == 0
    records = site.records()
    for name in ("gone", "deaf", "head"):
        faults = [record for record in records if record.kind == "fault" and record.body.name == name]  # type: ignore[union-attr]  # a fault has a name
        assert "port missing" in {fault.body.kind for fault in faults}, name  # type: ignore[union-attr]  # the same
        assert len(faults) < 10, f"{name}: one trouble, told {len(faults)} times"
    assert rows_without_gap(of_instrument(records, "lane")) > 200
    assert site.verify().status == "valid"


def rows_without_gap(records: list[Record]) -> int:
    """Return how many rows the readings of a stream have, checking that they follow one another."""
    readings = [record.body for record in records if isinstance(record.body, ReadingBody)]
    for last, body in pairwise(readings):
        assert body.first_row == last.first_row + last.values.shape[0]
    return sum(body.values.shape[0] for body in readings)


def test_certificates_that_do_not_hold_leave_readings_uncalibrated_with_the_reason(
    bench: Bench, site: Installed
) -> None:
    """Expired, early, foreign, malformed or missing: each reading says so, and a good one beside them counts."""
    now_s = time.time()
    good = certificate_text(oven_statement(now_s - DAY_S))
    bad = {
        "expired": (certificate_text(oven_statement(now_s - 400 * DAY_S)), "expired on"),
        "early": (certificate_text(oven_statement(now_s + 5 * DAY_S)), "holds only from"),
        "foreign": (certificate_text(oven_statement(now_s - DAY_S, "9999-OTHER")), "for Eurotherm 3200, serial 9999"),
        "other-kind": (certificate_text(magnetometer_statement(now_s - DAY_S)), "is for Twinleaf"),
        "cut": (good[:200], "certificate refused"),
        "binary": (bytes(range(256)).decode("latin-1"), "not a TOML file"),
        "typed": (good.replace("schema = 1", 'schema = "1"'), "schema"),
        "long": ("x" * 1_000_000, "larger than"),
        "missing": (None, "No such file"),
    }
    tables = []
    for name, text in (("good", good), *((name, text) for name, (text, _) in bad.items())):
        if text is not None:
            (site.folder / f"{name}.toml").write_bytes(text.encode("latin-1"))
        tables.append(instrument(name, "eurotherm-3200", bench.stand("eurotherm-3200"), poll_ms=200,
                                 serial="3216-EMULATED", certificate=f"{name}.toml"))
    site.configure(*tables)
    core = site.started("run")
    time.sleep(3)
    assert core.stop() == 0
    records = site.records()
    for name in ("good", *bad):
        readings = [record.body for record in of_instrument(records, name) if record.kind == "reading"]
        assert len(readings) > 4, f"{name}: {len(readings)} readings"
        assert {body.calibrated for body in readings} == {name == "good"}, name  # type: ignore[union-attr]  # readings
        if name != "good":
            assert all(bad[name][1] in body.reason for body in readings), readings[0]  # type: ignore[union-attr]  # the same
    taken = {r.body.instrument: r.body.accepted for r in records if r.kind == "calibration"}  # type: ignore[union-attr]  # calibrations
    assert taken == {name: name in {"good", "expired", "early", "foreign", "other-kind"} for name in ("good", *bad)}
    assert site.verify().status == "valid"


def test_a_second_daemon_is_refused_and_the_first_goes_on(bench: Bench, broker: Mosquitto, site: Installed) -> None:
    """Two writers, or two publishers, on one journal: the second says whose it is and ends, the first is unharmed."""
    site.broker = broker.port
    site.configure(instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=100))
    core, publisher = site.started("run"), site.started("publish")
    for name, first, word in (("run", core, str(core.process.pid)), ("publish", publisher, "another publisher")):
        code, said = site.refused(name)
        assert (code, word in said, len(said.splitlines())) == (2, True, 1), said
        assert first.process.poll() is None
    before = site.ask(Ask("status")).status
    assert before is not None
    wait_until(lambda: len(site.messages()) > before.records + 10, 10, "the first core goes on")
    status = site.command("status", "--config", site.config, "--json")
    assert '"connected"' in status.stdout, status.stdout
    assert core.stop() == 0
    assert publisher.stop() == 0
    assert rows_without_gap(of_instrument(site.records(), "lane")) > 100
    assert site.verify().status == "valid"


def test_a_request_that_is_none_is_answered_or_dropped_and_harms_nothing(bench: Bench, site: Installed) -> None:
    """Rubbish, half a line, a flood and a scan of what is no head at the control socket leave the core measuring."""
    site.configure(instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=100))
    core = site.started("run")
    for words in (b"\0" * 10_000, b"{}\n", b'{"what": "reboot"}\n', b'{"what": "status", "x": 1}\n', b"\xff\n", b"{"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(site.run / "control.sock"))
            with contextlib.suppress(BrokenPipeError):
                line.sendall(words)
            if words.endswith(b"\n"):
                assert b"not a request" in line.recv(4096)
    scan = site.command("scan", "start", "--config", site.config)
    assert (scan.returncode, "must be one of: none" in scan.stderr) == (2, True), scan.stderr
    time.sleep(1)
    assert core.stop() == 0
    assert "Traceback" not in core.said(), core.said()
    assert rows_without_gap(of_instrument(site.records(), "lane")) > 50

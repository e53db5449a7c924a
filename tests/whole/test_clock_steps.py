"""Steps of the wall clock: order is by sequence and boot, and a certificate holds when the clock says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from calibration.certificate_text import certificate_text
from tests.publisher.subscriber import Subscriber
from tests.whole.bench import magnetometer_statement
from tests.whole.installed import instrument, of_instrument, wait_until

if TYPE_CHECKING:
    from gateway.evidence.record import Record
    from tests.publisher.mosquitto import Mosquitto
    from tests.whole.bench import Bench
    from tests.whole.installed import Installed

SOURCE = Path(__file__).with_name("clock_step.c")
HOUR_S, YEAR_S = 3600, 31_557_600
STEPS_S = (0, -2 * HOUR_S, 10 * YEAR_S, 0)


@pytest.fixture
def stepped(tmp_path: Path) -> dict[str, str]:
    """Give the environment of a process whose wall clock can be stepped."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.fail("a C compiler is missing: apt-get install --no-install-recommends gcc libc6-dev")
    library = tmp_path / "clock_step.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, SOURCE], check=True)
    return {"LD_PRELOAD": str(library), "CLOCK_STEP_FILE": str(tmp_path / "step")}


def step(environment: dict[str, str], seconds: int, kernel: str = "") -> None:
    """Step the clock of every process with this environment, in one moment; `kernel` is what it says of its clock."""
    file = Path(environment["CLOCK_STEP_FILE"])
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{seconds} {kernel}")
    os.replace(fresh, file)  # noqa: PTH105  the same call as everywhere: an atomic rename


def test_steps_of_the_clock_leave_the_order_and_govern_the_certificates(
    bench: Bench, broker: Mosquitto, site: Installed, stepped: dict[str, str]
) -> None:
    """Two hours back, ten years on and home again, live and over a SIGKILL: no record is lost, or believed too long."""
    site.broker = broker.port
    (site.folder / "lane.toml").write_text(certificate_text(magnetometer_statement(time.time() - HOUR_S)))
    site.configure(instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=100, certificate="lane.toml"))
    step(stepped, 0)
    with Subscriber(broker.port, topic="spingate/v1/#") as subscriber:
        publisher, core = site.started("publish", stepped), site.started("run", stepped)
        for seconds in STEPS_S:
            step(stepped, seconds)
            await_records(site)
            if seconds > 0:
                core.kill()
                core = site.started("run", stepped)
                await_records(site)
        assert core.stop() == 0
        journal = site.messages()
        wait_until(lambda: set(subscriber.payloads()) == set(journal), 15, "every record arrives")
        assert publisher.stop() == 0
    records = site.records()
    check_order(records)
    check_trust([record for record in records if record.kind == "reading"])
    result = site.verify()
    assert (result.status, result.records) == ("valid", len(records)), result


def await_records(site: Installed) -> None:
    """Wait until a second's worth of records was made from now on."""
    size = len(site.messages())
    wait_until(lambda: len(site.messages(size)) > 10, 15, "records after a step")


def check_order(records: list[Record]) -> None:
    """One boot, rising monotonic times, and wall times that jumped as the clock did."""
    assert len({record.stamp.boot_id for record in records}) == 1
    monotonic = [record.stamp.monotonic_ns for record in records]
    assert monotonic == sorted(monotonic)
    walls = [record.stamp.wall_ns / 1e9 for record in records]
    jumps = [round((after - before) / HOUR_S) for before, after in pairwise(walls)]
    assert [jump for jump in jumps if jump] == [-2, round(10 * YEAR_S / HOUR_S) + 2, -round(10 * YEAR_S / HOUR_S)]


def check_trust(readings: list[Record]) -> None:
    """A reading is calibrated exactly while the clock stands within the certificate's dates."""
    now_s = time.time()
    seen = set()
    for record in readings:
        away_s = record.stamp.wall_ns / 1e9 - now_s
        body = record.body
        if away_s > YEAR_S:
            assert "expired on" in body.reason, body  # type: ignore[union-attr]  # a reading
        elif away_s < -1.5 * HOUR_S:
            assert "holds only from" in body.reason, body  # type: ignore[union-attr]  # a reading
        assert body.calibrated == (-1.5 * HOUR_S < away_s < YEAR_S), body  # type: ignore[union-attr]  # a reading
        seen.add(round(away_s / HOUR_S))
    assert len(seen) == len(set(STEPS_S))


def test_an_atomic_clock_keeps_readings_calibrated_when_the_time_server_is_lost(
    bench: Bench, site: Installed, stepped: dict[str, str]
) -> None:
    """Records say holdover with a growing error; a clock that is then set by hand is believed no more."""
    (site.folder / "lane.toml").write_text(certificate_text(magnetometer_statement(time.time() - HOUR_S)))
    site.configure(
        instrument("atomic", "csac", bench.stand("csac"), poll_ms=1000),
        instrument("lane", "twinleaf", bench.stand("twinleaf"), block_ms=100, certificate="lane.toml"),
    )
    text = site.config.read_text()
    assert "require_synchronised = false" in text
    site.config.write_text(text.replace("require_synchronised = false", 'reference = "atomic"'))
    step(stepped, 0, "synchronised")
    core = site.started("run", stepped)
    await_told(site, "atomic", "synchronised")
    for seconds, kernel, status in ((0, "unsynchronised", "holdover"), (30, "unsynchronised", "unsynchronised"),
                                    (0, "synchronised", "synchronised")):
        step(stepped, seconds, kernel)
        await_told(site, "atomic", status)
    assert core.stop() == 0
    readings = [one for one in site.records() if one.kind == "reading" and one.body.instrument == "lane"]  # type: ignore[union-attr]  # a reading
    for one in readings:
        assert one.body.calibrated == (one.stamp.status != "unsynchronised"), one  # type: ignore[union-attr]  # a reading
    held = [one.stamp.error_ns or 0 for one in readings if one.stamp.status == "holdover"]
    assert 500_000 < held[0] <= held[-1] < 200_000_000
    faults = [one.body.kind for one in site.records() if one.kind == "fault"]  # type: ignore[union-attr]  # a fault
    assert [kind for kind in faults if kind.startswith("clock")] == [
        "clock holdover", "clock unsynchronised", "clock synchronised"]


def await_told(site: Installed, name: str, status: str) -> None:
    """Wait until three readings of an instrument, from now on, say that of the clock."""
    start = len(site.messages())

    def told() -> bool:
        new = of_instrument(site.records()[start:], name)
        return sum(one.kind == "reading" and one.stamp.status == status for one in new) > 2

    wait_until(told, 15, f"readings of {name} under a clock that is {status}")

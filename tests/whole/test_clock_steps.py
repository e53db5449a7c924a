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
from tests.whole.installed import instrument, wait_until

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


def step(environment: dict[str, str], seconds: int) -> None:
    """Step the clock of every process with this environment, in one moment."""
    file = Path(environment["CLOCK_STEP_FILE"])
    fresh = file.with_suffix(".new")
    fresh.write_text(str(seconds))
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

"""A whole bay under full load for minutes: what it costs the two processes, and whether anything is lost. Edge.

Eight magnetometers at 480 Hz, two NQR heads that scan without a pause, three Modbus devices and an atomic clock. The
emulators run in a process of their own with the lowest priority: what they cost is not the gateway's.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.certificate_text import certificate_text
from gateway import clock
from gateway.evidence import cose
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode
from gateway.evidence.streams import records_of
from hil.bench.load_figures import Ledger, LoadFigures, Look, load_figures
from hil.bench.memory import resident
from hil.bench.plant import HEADING, running
from hil.demo.bay import Bay
from hil.demo.brokers import broker
from hil.demo.site import command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hil.bench.plant import Plant
    from hil.demo.site import Service

SEED = 7
MAGNETOMETERS = 8
RATE_HZ = 480
WARM_UP_S_MAX = 20.0    # devices described, first scans begun, numpy's and the allocator's caches filled
LOOK_S = 1.0
STOP_S_MAX = 20.0
NICE = 19               # the lowest priority
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

SEATS = (
    *((f"lane-{number}", "twinleaf", f'link = "lane-{number}"') for number in range(1, MAGNETOMETERS + 1)),
    ("head-1", "nqr-head", "tcp = 0"),
    ("head-2", "nqr-head", "tcp = 0"),
    ("oven-1", "eurotherm-3200", 'link = "bus"'),
    ("oven-2", "eurotherm-3200", 'link = "bus"\nunit = 2'),
    ("plc", "modbus-map", "tcp = 0"),
    ("clock", "csac", 'link = "clock"'),
)
SEAT = """[[instrument]]
name = "{name}"
emulate = "{emulate}"
{place}
seed = {seed}
"""
WHOLE = """
[scan]
trigger = "continuous"
dwell_s = 60.0
"""


def measure_load(
    wanted_broker: str, minutes: float, say: Callable[[str], None], seats: Sequence[tuple[str, str, str]] = SEATS
) -> LoadFigures:
    """Run a bay of these (name, driver, place) for so long; `say` hears how it goes."""
    load_before = os.getloadavg()[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spingate-load-")))
        _host, port, name = stack.enter_context(broker(wanted_broker, folder))
        say(f"broker: {name}; load of the last minute: {load_before:.2f}")
        tables = stack.enter_context(bay(folder, seats))
        with running(folder / "gateway", folder, configuration(folder, port, tables)) as plant:
            say(f"{len(seats)} instruments; {minutes:g} minutes ...")
            time.sleep(min(WARM_UP_S_MAX, minutes * 60))
            looks = watch(plant, minutes * 60)
        return load_figures(looks, tally(folder / "gateway" / "journal.db"), (load_before, os.getloadavg()[0]))


@contextmanager
def bay(folder: Path, seats: Sequence[tuple[str, str, str]], nice: int = NICE) -> Iterator[str]:
    """Run the emulators in a process of their own, at this priority, and give their tables for gateway.toml."""
    file = folder / "bay.toml"
    file.write_text("".join(
        SEAT.format(name=name, emulate=emulate, place=place, seed=SEED + number)
        for number, (name, emulate, place) in enumerate(seats)))
    words = [*command(), "hil", "--bay", str(file), "--dir", str(folder), "--json"]
    # In our own session: Linux weighs whole sessions against each other, and priorities only inside one.
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    os.setpriority(os.PRIO_PROCESS, process.pid, nice)
    if process.stdout is None:
        raise RuntimeError("no pipe to the instruments")
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulated bay ended with exit {process.wait(STOP_S_MAX)}")
        yield str(json.loads(line)["config"])
    finally:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:  # it first finishes the scenes that its heads have begun
            process.kill()
            process.wait()
        process.stdout.close()


def configuration(folder: Path, broker_port: int, tables: str) -> str:
    """Return gateway.toml: magnetometers calibrated and at their rate, heads that scan without a pause."""
    certificate = folder / "lane.toml"
    statement = Bay(folder, SEED, clock.monotonic_ns).certificates(clock.wall_ns() / 1e9)["lane"]
    certificate.write_text(certificate_text(statement))
    lane = f'certificate = "{certificate}"\n[instrument.settings]\nrate_hz = {RATE_HZ}\n'
    whole = "".join(
        f"[[instrument]]{table}" + (lane if '"twinleaf"' in table else "")
        for table in tables.split("[[instrument]]")[1:])
    heading = HEADING.format(run=folder, port=broker_port)
    vouching = '[clock]\nreference = "clock"\n' if 'name = "clock"' in tables else "[clock]\n"
    return heading.replace("[clock]\n", vouching) + WHOLE + whole


def watch(plant: Plant, seconds: float) -> list[Look]:
    """Look at both processes once a second."""
    began = time.monotonic()
    looks: list[Look] = []
    while not looks or looks[-1].at_s < seconds:
        looks.append(Look(
            time.monotonic() - began, cpu_s(plant.core), cpu_s(plant.publisher),
            resident(plant.core).now_mb, resident(plant.publisher).now_mb))
        time.sleep(LOOK_S)
    return looks


def cpu_s(service: Service) -> float:
    """Return the seconds of CPU that a process has used, user and system (proc(5), fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def tally(journal: Path) -> Ledger:
    """Count what the journal holds, from the first record to the last."""
    ledger = Ledger()
    with reader_of(journal) as reader:
        for stored in records_of(reader, reader.size()):
            ledger.take(decode(cose.parse(stored.message).payload))
    return ledger

"""One walk over `DRIVERS`: what a row, a driver file and its papers must hold, whichever instrument it is."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from drivers.capture import Capture
from drivers.sample import Fault
from drivers.table import DRIVERS
from hil.table import EMULATED
from tests.drivers import walk

if TYPE_CHECKING:
    from drivers.driver import RegisterDriver
    from drivers.sample import Event
    from tests.drivers.walk import Case

ROOT = Path(__file__).parents[2]
ROWS = list(DRIVERS.values())
NAMES = list(DRIVERS)
LABELS = ("quantity", "range", "line", "source", "faults?")
CASES = walk.cases("stream") | walk.cases("registers")
EXAMPLES = re.compile(r"golden|fromhex|b\"", re.IGNORECASE)

# Loaded by numpy and the like before a driver is: not the driver's doing.
FORBIDDEN = ("asyncio", "socket", "serial", "pymodbus", "select", "selectors", "ssl", "subprocess", "sqlite3", "pty",
             "termios", "tty", "fcntl", "multiprocessing", "signal", "time")

# In an interpreter that has none of these, every driver is loaded, made, and given something to do.
PURE = """
import json, sys
import numpy, tomllib, msgspec, zlib, struct
import dataclasses, datetime, math, re, collections, functools, itertools, random, json
already = [name for name in json.loads(sys.argv[1]) if name in sys.modules]
for name in json.loads(sys.argv[1]):
    for loaded in [one for one in sys.modules if one.split(".")[0] == name]:
        if name not in already:
            del sys.modules[loaded]
    if name not in already:
        sys.modules[name] = None
from drivers.driver import DriverOptions
from drivers.table import DRIVERS
for row in DRIVERS.values():
    if row.needs_map:
        continue
    driver = row.make(DriverOptions())
    driver.ask(0)
    if row.kind == "stream":
        driver.opened(0), driver.feed(bytes(range(256)), 0)
    else:
        driver.refuse("nobody there", 0)
print(json.dumps(already))
"""


def module_of(name: str) -> str:
    """Return the file name of a driver, without its ending."""
    module = inspect.getmodule(DRIVERS[name].make)
    assert module is not None
    assert module.__name__.startswith("drivers.")
    return module.__name__.removeprefix("drivers.")


def captures_of(name: str) -> list[Case]:
    """Return the shipped captures of a driver."""
    return [case for case in CASES.values() if case.row.name == name]


def test_no_driver_reaches_for_the_world() -> None:
    """Every driver is loaded, made and used where no socket, no serial line, no clock and no loop can be imported."""
    command = [sys.executable, "-c", PURE, json.dumps(FORBIDDEN)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) <= {"time", "signal", "subprocess", "select", "selectors", "fcntl"}, done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_what_a_technician_needs(name: str) -> None:
    """Title, quantity, unit, uncertainty, source and every setting are told in words."""
    row = DRIVERS[name]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.name)
    assert min(len(words) for words in (row.title, row.quantity, row.unit, row.uncertainty, row.source)) > 0
    assert len(row.uncertainty.split()) > 2
    assert all(len(words.split()) > 2 for words in row.settings.values()), row.settings
    assert 0 < row.silent_s_max <= 3600


@pytest.mark.parametrize("name", NAMES)
def test_a_driver_file_reads_like_a_datasheet(name: str) -> None:
    """Its docstring tells quantity, range, line, source, faults and the row's unit."""
    row, words = DRIVERS[name], sys.modules[f"drivers.{module_of(name)}"].__doc__ or ""
    missing = [label for label in LABELS if not re.search(rf"\b{label}\b", words, re.IGNORECASE)]
    assert not missing
    assert row.needs_map or row.unit == "1" or re.search(rf"(?<!\w){re.escape(row.unit)}(?!\w)", words), row.unit


@pytest.mark.parametrize("name", NAMES)
def test_an_instrument_has_an_emulator_a_capture_vectors_and_a_line_in_the_readme(name: str) -> None:
    """Whoever adds one adds all of them."""
    assert name in EMULATED
    assert captures_of(name), f"no capture hil/captures/{name}*.capture"
    assert re.search(rf"^\| `{name}` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    tests = ROOT / "tests" / "drivers" / f"test_{module_of(name)}.py"
    assert tests.exists(), f"no vectors in {tests.name}"
    assert EXAMPLES.search(tests.read_text()), "no golden frame in it"


@pytest.mark.parametrize("name", CASES)
def test_a_capture_is_read_to_samples_of_the_promised_quantity(name: str) -> None:
    """The shipped capture gives samples, and one channel of them is what the row promises."""
    case = CASES[name]
    found = walk.samples(events_of(case))
    assert found, "no sample"
    scans = hasattr(case.driver(), "begin")     # a head measures with a scan, and says meanwhile how it is
    told = {(channel.quantity.startswith(case.row.quantity), channel.unit) for one in found for channel in one.channels}
    assert scans or case.row.needs_map or (True, case.row.unit) in told
    assert all(channel.quantity and channel.unit for sample in found for channel in sample.channels)
    assert all(sample.device.model for sample in found)
    assert case.row.needs_map or all(sample.device.make for sample in found)     # not every map knows a maker


def test_every_capture_belongs_to_a_driver() -> None:
    """No capture is left over from an instrument that is gone."""
    from hil.captures import shipped_captures

    assert {file.name.removesuffix(".capture") for file in shipped_captures()} == set(CASES)


def events_of(case: Case) -> list[Event]:
    """Return what the driver makes of the whole capture."""
    return [*play(case, case.capture)]


def play(case: Case, capture: Capture) -> list[Event]:
    """Return what the driver makes of a capture, whichever kind it is."""
    if case.row.kind == "registers":
        return [*walk.converse(cast("RegisterDriver", case.driver()), capture.chunks)]
    return [*walk.play(case, capture.chunks, walk.uncut)]


@pytest.mark.parametrize("name", CASES)
def test_damage_is_told(name: str) -> None:
    """A capture of which a part is damaged or missing gives a fault that the whole one does not give."""
    case = CASES[name]
    clean = faults_of(events_of(case))
    told: Counter[tuple[str, str]] = Counter()
    for place, chunk in enumerate(case.capture.chunks):
        if not chunk.from_device or len(told) > 1:
            continue
        for data in (chunk.data[:-2], bytes([*chunk.data[:3], *(byte ^ 0x90 for byte in chunk.data[3:])]), b""):
            chunks = [*case.capture.chunks]
            chunks[place:place + 1] = [] if not data else [type(chunk)(chunk.at, from_device=True, data=data)]
            damaged = Capture(case.capture.header, tuple(chunks))
            told |= faults_of(play(case, damaged)) - clean
    assert told, f"no damage to it was told; the whole capture tells {clean}"


def faults_of(events: list[Event]) -> Counter[tuple[str, str]]:
    """Return how often each fault came."""
    return Counter((event.kind, event.detail) for event in events if isinstance(event, Fault))

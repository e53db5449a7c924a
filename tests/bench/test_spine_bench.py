"""The measurement runs and prints every figure. What the figures are is nobody's promise here."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest

from hil.bench.figures import Latencies, Latency, Stages, latency_of, stages_of
from hil.bench.listener import Trip
from hil.bench.stopwatch import COUNT, FIRST, Stopwatch, time_in, time_of_channels

# The load of the last minute may be nothing at all; everything else is more than that.
MAY_BE_ZERO = {"load_before", "load_after"}


def numbers_in(item: object, name: str = "") -> list[tuple[str, float]]:
    """Return every number with its name, however deep."""
    if isinstance(item, dict):
        return [number for key, value in item.items() for number in numbers_in(value, key)]
    if isinstance(item, list):
        return [number for value in item for number in numbers_in(value, name)]
    return [(name, item)] if isinstance(item, int | float) else []


@pytest.mark.timeout(180)  # four gateways are started and stopped, 25 s on quiet cores
def test_a_short_measurement_gives_every_figure() -> None:
    """`spingate bench --json` measures memory, rates, latency and the floor, and leaves none of them out."""
    words = ["spine", "--seconds", "0.5", "--repeats", "1", "--scans", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli.main", "bench", *words], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    wanted = {"machine", "start_s", "memory", "rates", "latencies", "together_peak_mb", "latency_ms_p50",
              "latency_ms_p99", "floor_ms_p50", "floor_ms_p99", "ratio_p50", "ratio_p99"}
    assert wanted <= set(found)
    assert {"core_idle", "publisher_idle", "core_after_scans", "publisher_after_scans"} <= set(found["memory"])
    assert len(found["latencies"]["gateway"]) == len(found["latencies"]["floor"]) == 1
    assert [name for name, value in numbers_in(found) if not value > 0 and name not in MAY_BE_ZERO] == []


def test_the_stopwatch_tells_when_it_was_read() -> None:
    """Its registers hold the time to the microsecond, also as the signed tenths that the driver makes of them."""
    now = 4_611_686_018_427_387_000
    registers = Stopwatch().read(FIRST, COUNT, now)
    assert isinstance(registers, bytes)
    words = [int.from_bytes(registers[place:place + 2], "big") for place in range(0, 2 * COUNT, 2)]
    assert time_in(words) == now
    signed = [int.from_bytes(registers[place:place + 2], "big", signed=True) * 0.1 for place in (0, 2, 6, 8)]
    assert time_of_channels(signed) == now


def test_repeats_become_medians_and_pairs_become_ratios() -> None:
    """The ratio is that of the runs which were measured one after the other."""
    ours = tuple(Latency(10, 100.0, p50, 2 * p50) for p50 in (2.0, 3.0, 9.0))
    least = tuple(Latency(10, 100.0, p50, p50) for p50 in (1.0, 2.0, 3.0))
    latencies = Latencies(ours, least, Stages(0.1, 0.1, 0.1))
    assert latencies.median("gateway") == (3.0, 6.0)
    assert latencies.ratio == (2.0, 4.0)


def test_a_trip_is_cut_into_its_stages() -> None:
    """Port, draft and the rest add up to the way of the reading."""
    trip = Trip(answered=1_000_000, read=2_000_000, drafted=4_000_000, arrived=8_000_000)
    assert dataclasses.astuple(stages_of([trip])) == (1.0, 2.0, 4.0)
    assert latency_of([trip], 1.0) == Latency(1, 1.0, 7.0, 7.0)

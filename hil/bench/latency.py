"""How long a reading takes from the device to a subscriber, beside the floor, on the same device and broker. Edge.

The two take turns, never at once: they would be measured in each other's way.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway import clock
from hil.bench.figures import Latencies, latency_of, stages_of
from hil.bench.floor import TOPIC
from hil.bench.listener import READINGS, listening, trip_of_floor, trip_of_record
from hil.bench.plant import polling, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hil.bench.listener import Arrival, Listener

POLL_MS = 10            # 100 readings a second
WARM_UP_READINGS = 100  # connections made, caches filled
FIRST_S_MAX = 30.0
TAIL_S = 0.3            # what was sent in the window has arrived by then


def measure_latency(broker_port: int, place: str, folder: Path, seconds: float, repeats: int) -> Latencies:
    """Run gateway and floor in turn, `seconds` each, `repeats` times."""
    ours, least, trips = [], [], []
    for number in range(repeats):
        config = polling(folder, broker_port, place, 1, POLL_MS)
        with listening(broker_port, READINGS) as listener, running(folder / f"latency-{number}", folder, config):
            trips = [trip_of_record(arrival) for arrival in arrivals_in(listener, seconds)]
        ours.append(latency_of(trips, seconds))
        with listening(broker_port, TOPIC) as listener, floor(broker_port, place, folder / f"floor-{number}"):
            least.append(latency_of([trip_of_floor(arrival) for arrival in arrivals_in(listener, seconds)], seconds))
    return Latencies(tuple(ours), tuple(least), stages_of(trips))


def arrivals_in(listener: Listener, seconds: float, warm_up: int = WARM_UP_READINGS) -> list[Arrival]:
    """Return what arrives in the window that begins when the first readings have."""
    listener.await_count(warm_up, FIRST_S_MAX)
    listener.take()
    began = clock.monotonic_ns()
    time.sleep(seconds)
    ended = clock.monotonic_ns()
    time.sleep(TAIL_S)
    return [arrival for arrival in listener.take() if began <= arrival.at < ended]


@contextmanager
def floor(broker_port: int, place: str, folder: Path) -> Iterator[None]:
    """Run the floor in a process of its own."""
    folder.mkdir()
    device_port = place.rpartition(":")[2]
    words = [sys.executable, "-m", "hil.bench.floor", device_port, str(broker_port), str(POLL_MS / 1000), str(folder)]
    process = subprocess.Popen(words)
    try:
        yield
    finally:
        process.kill()
        process.wait()

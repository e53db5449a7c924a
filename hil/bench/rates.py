"""How many records a second are signed and on disk: the writer alone, and the whole gateway. Edge.

A record counts when its receipt has resolved, or when it has arrived at a subscriber; never when it was offered.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Identity
from gateway import clock
from gateway.drafts import Drafter
from gateway.evidence import keys
from gateway.evidence.journal import open_journal
from gateway.evidence.record import Provenance
from gateway.evidence.writer import JournalBehind, Writer
from hil.bench.figures import Rates
from hil.bench.instruments import UNITS
from hil.bench.latency import arrivals_in
from hil.bench.listener import READINGS, listening
from hil.bench.plant import polling, running

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

REGISTERS = 100         # values in one record: one poll of a large device
POLL_MS = 5             # 200 readings a second from each
PAUSE_S = 0.001         # when the writer's queue is full


def measure_rates(broker_port: int, place: str, folder: Path, seconds: float) -> Rates:
    """Measure all four, `seconds` each."""
    one, flat_out = writer_rates(folder / "writer", seconds)
    single = gateway_rate(broker_port, place, folder, 1, seconds)
    many = gateway_rate(broker_port, place, folder, UNITS, seconds)
    return Rates(one, flat_out, single, many, UNITS)


def writer_rates(folder: Path, seconds: float) -> tuple[float, float]:
    """Return records per second of the writer: waiting for each, and as fast as they can be submitted."""
    folder.mkdir()
    journal = open_journal(folder / "journal.db", "bench", keys.create(folder / "key", folder / "key.pub.pem"))
    writer = Writer(journal, clock.monotonic_ns, clock.wall_ns)
    drafter = Drafter(clock.boot_id(), Provenance("bench", bytes(32), bytes(32)))
    writer.start()
    try:
        return one_at_a_time(writer, drafter, seconds), flat_out(writer, drafter, seconds)
    finally:
        writer.close()
        journal.close()


def one_at_a_time(writer: Writer, drafter: Drafter, seconds: float) -> float:
    """Return records per second when each waits until the one before it is on disk."""
    count, began, reading = 0, time.monotonic(), a_reading()
    while time.monotonic() - began < seconds:
        writer.submit(drafter.reading(clock.now(), "bench", reading)).result()
        count += 1
    return round(count / (time.monotonic() - began), 1)


def flat_out(writer: Writer, drafter: Drafter, seconds: float) -> float:
    """Return records per second when as many wait as the queue takes."""
    count, began, reading = 0, time.monotonic(), a_reading()
    last: Future[int] | None = None
    while time.monotonic() - began < seconds:
        try:
            last = writer.submit(drafter.reading(clock.now(), "bench", reading))
            count += 1
        except JournalBehind:
            time.sleep(PAUSE_S)
    if last is not None:
        last.result()
    return round(count / (time.monotonic() - began), 1)


def a_reading() -> Reading:
    """Return a reading of a device of 100 registers."""
    return Reading(
        device=Identity("bench", "bench", "1", "1"),
        stream="registers",
        channels=tuple(Channel(f"r{number}", "count", "1") for number in range(REGISTERS)),
        values=np.arange(float(REGISTERS)).reshape(1, REGISTERS),
        u=np.full(REGISTERS, np.nan),
        rate_hz=None,
        first_row=0,
        seen_at=0,
        raw_sha256=bytes(32),
        trust=Trust(calibrated=False, certificate_sha256=None, reason="no certificate"),
    )


def gateway_rate(broker_port: int, place: str, folder: Path, units: int, seconds: float) -> float:
    """Return the readings per second that reach a subscriber from so many instruments polled every 5 ms."""
    config = polling(folder, broker_port, place, units, POLL_MS)
    with listening(broker_port, READINGS) as listener, running(folder / f"rate-{units}", folder, config):
        return round(len(arrivals_in(listener, seconds)) / seconds, 1)

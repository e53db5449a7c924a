"""Run one port until enough attitudes are held, the time is over, or it is clear that nothing will come.

An edge file: it waits. What an attitude is, is decided in `calibration/attitude_session.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from calibration.attitude_session import AttitudeSession, SessionRefused
from drivers.driver import DriverOptions
from drivers.port import parse_port, run_stream
from gateway.clock import monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import Instrument, StreamDriver
    from drivers.sample import Event

TURN_S = 0.1                # how often the screen is drawn
FIRST_SAMPLE_S_MAX = 10.0   # a device that is there has described its streams and sent samples long before


class NothingCame(OSError):
    """No stream with three axes came from the port in time."""


@dataclass(frozen=True, slots=True)
class Watch:
    """How the session is shown: `turn` at every turn with the elapsed seconds, `held` after each attitude."""

    turn: Callable[[float], None]
    held: Callable[[], None]


async def collect(port: str, instrument: Instrument, session: AttitudeSession, seconds_max: float,
                  watch: Watch) -> float:
    """Collect and return the seconds it took; raises `NothingCame`, `SessionRefused` or ValueError (port)."""
    refused: list[SessionRefused] = []

    def deliver(event: Event) -> None:
        try:
            if session.take(event):
                watch.held()
        except SessionRefused as wrong:
            refused.append(wrong)

    # The caller chooses from instruments of kind "stream", which make drivers of that shape.
    driver = cast("StreamDriver", instrument.make(DriverOptions(packets=port.startswith("tcp://"))))
    running = asyncio.create_task(
        run_stream(parse_port(port), instrument.line, driver, deliver, monotonic_ns, _no_beat))
    try:
        elapsed_s = await _watch_over(running, session, refused, seconds_max, watch)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    if refused:
        raise refused[0]
    if session.collector is None:
        raise NothingCame(f"{port}: {session.why_nothing()}")
    return elapsed_s


async def _watch_over(running: asyncio.Task[None], session: AttitudeSession, refused: list[SessionRefused],
                      seconds_max: float, watch: Watch) -> float:
    begun = monotonic_ns()
    while True:
        elapsed_s = (monotonic_ns() - begun) / 1e9
        watch.turn(elapsed_s)
        patience_s = min(FIRST_SAMPLE_S_MAX, seconds_max) if session.collector is None else seconds_max
        if session.complete or refused or running.done() or elapsed_s > patience_s:
            return elapsed_s
        await asyncio.sleep(TURN_S)


def _no_beat() -> None:
    """No watchdog waits for a technician's tool."""

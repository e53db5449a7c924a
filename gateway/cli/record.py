"""spingate record: keep what passes between one instrument and its driver as a capture file, for tests and replay.

Nothing is signed; a capture is material for developers. Exit 0: written. 1: nothing came, nothing was written.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import deque
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gateway.cli.limits import line, number, setting, whole_number
from gateway.cli.read import add_line
from gateway.cli.words import add_json, port_here, print_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from drivers.capture import CaptureHeader, Chunk
    from drivers.driver import LineSettings, RegisterDriver, StreamDriver
    from drivers.sample import Event, Identity
    from gateway.acquisition import Acquisition
    from gateway.config_tables import InstrumentTable
    from gateway.recorder import Recorder

SECONDS_MAX = 86_400.0
SHOWN_EVERY_S = 0.5
FAULTS_KEPT_MAX = 100  # they come folded, one kind a second
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate record`."""
    parser = subparsers.add_parser("record", help="record an instrument's bytes to a capture file")
    parser.add_argument("port", type=port_here, metavar="PORT", help="/dev/serial/by-id/... or tcp://HOST:PORT")
    parser.add_argument("--driver", required=True, help="which driver; spingate hil --list shows them")
    parser.add_argument("--unit", type=whole_number(1, 247), default=1, help="Modbus unit id (1)")
    parser.add_argument("--poll-ms", type=whole_number(5, 3_600_000), default=1000, help="time between polls (1000)")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the driver")
    parser.add_argument("--seconds", type=number(0.1, SECONDS_MAX), default=10.0, help="how long (10)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="capture to write (DRIVER-TIME.capture)")
    parser.add_argument("--source", type=line, help="who speaks; the port where not given")
    parser.add_argument("--note", type=line, help="what is to be remembered of it")
    parser.add_argument("--map", default="", metavar="NAME", help="register map: a shipped one or a file")
    parser.add_argument("--force", action="store_true", help="write over an existing file")
    add_line(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record and write."""
    from drivers.table import DRIVERS
    from gateway import clock
    from gateway.acquisition import check_drivers
    from gateway.maps import read_maps
    from gateway.recorder import Recorder
    from gateway.serial_line import line_of

    table = table_of(arguments)
    maps = read_maps([table], Path())
    check_drivers([table], maps)
    made = EPOCH + timedelta(seconds=clock.wall_ns() // 10**9)
    path = arguments.out or Path(f"{table.driver}-{made:%Y%m%dT%H%M%SZ}.capture")
    session = Session(table, maps, Recorder(path, clock.monotonic_ns(), force=arguments.force))
    try:
        asyncio.run(session.record(arguments.seconds, shown=sys.stderr.isatty() and not arguments.json))
        if session.recorder.told.from_device:
            header = header_of(arguments, line_of(table, DRIVERS[table.driver]), f"{made:%Y-%m-%dT%H:%M:%SZ}")
            session.recorder.finish(session.signed(header))
    finally:
        session.recorder.abandon()
    return session.finish(path, as_json=arguments.json)


def table_of(arguments: argparse.Namespace) -> InstrumentTable:
    """Return the instrument as a configuration would name it. Raises ValueError with the rule."""
    from drivers.recording import SCHEME
    from gateway.config import objection
    from gateway.config_tables import InstrumentTable, LineTable

    if arguments.port.startswith(SCHEME):
        raise ValueError(f"port = {arguments.port!r}: is a recording already")
    line = LineTable(arguments.baud, arguments.bits, arguments.parity, arguments.stop_bits, arguments.rs485)
    table = InstrumentTable(
        "record", arguments.driver, arguments.port, arguments.unit, poll_ms=arguments.poll_ms, map=arguments.map,
        settings=dict(arguments.set), line=line)
    problem = objection(table, {})
    if problem:
        raise ValueError(problem)
    return table


def header_of(arguments: argparse.Namespace, line: LineSettings, made: str) -> CaptureHeader:
    """Return the header of what was recorded with these words."""
    from drivers.address import TcpAddress
    from drivers.capture import CaptureHeader
    from drivers.recording import parse_source

    packets = isinstance(parse_source(arguments.port), TcpAddress)
    return CaptureHeader(
        arguments.driver, None if packets else line, arguments.source or f"recorded from {arguments.port}", made=made,
        map=arguments.map, note=arguments.note or "", poll_s=arguments.poll_ms / 1000, settings=dict(arguments.set))


class Session:
    """One recording: the port runs as in the gateway, with a tap before the driver."""

    def __init__(self, table: InstrumentTable, maps: Mapping[str, str], recorder: Recorder) -> None:
        """Make it ready; nothing is opened yet."""
        self.table = table
        self.maps = maps
        self.recorder = recorder
        self.device: Identity | None = None
        self.samples = 0
        self.faults: deque[str] = deque(maxlen=FAULTS_KEPT_MAX)
        self.full = False

    async def record(self, seconds: float, *, shown: bool) -> None:
        """Record for a while; SIGINT or SIGTERM end it early, and what was recorded is kept."""
        from gateway import clock

        stop = asyncio.Event()
        for number_ in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number_, stop.set)
        ports = asyncio.create_task(self.tapped(stop).run(lambda _name, event: self.take(event)))
        begin = clock.monotonic_ns()
        while not stop.is_set() and not ports.done() and (passed := (clock.monotonic_ns() - begin) / 1e9) < seconds:
            self.show(passed, seconds, shown=shown)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(SHOWN_EVERY_S, seconds - passed))
        if ports.done():
            ports.result()
        ports.cancel()
        await asyncio.gather(ports, return_exceptions=True)

    def tapped(self, stop: asyncio.Event) -> Acquisition:
        """Return the acquisition of this instrument with a tap before its driver."""
        from drivers.table import DRIVERS
        from drivers.tap import RegisterTap, StreamTap
        from gateway.acquisition import Acquisition
        from gateway.progress import Progress
        from gateway.recorder import RecordFull

        def keep(chunk: Chunk) -> None:
            try:
                self.recorder.keep(chunk)
            except RecordFull:
                self.full = True
                stop.set()

        acquisition = Acquisition([self.table], Progress(), self.maps)
        driver = acquisition.drivers[self.table.name]
        if DRIVERS[self.table.driver].kind == "stream":
            acquisition.drivers[self.table.name] = StreamTap(cast("StreamDriver", driver), keep)
        else:
            acquisition.drivers[self.table.name] = RegisterTap(cast("RegisterDriver", driver), self.table.unit, keep)
        return acquisition

    def take(self, event: Event) -> None:
        """Count what the driver made of it, and learn who speaks."""
        from drivers.sample import Fault

        if isinstance(event, Fault):
            self.faults.append(f"{event.kind}: {event.detail}")
        else:
            self.samples += 1
            self.device = event.device

    def show(self, passed_s: float, seconds: float, *, shown: bool) -> None:
        """Show how far it is, on a terminal."""
        if shown:
            told = self.recorder.told
            print(f"\r{passed_s:6.1f} of {seconds:g} s: {told.from_device} bytes from the device, {told.to_device} to "
                  f"it, {self.samples} samples, {len(self.faults)} faults", end="", file=sys.stderr, flush=True)

    def signed(self, header: CaptureHeader) -> CaptureHeader:
        """Return the header with who the device said it is, where it said so."""
        from gateway.recorder import with_device

        who = self.device
        return with_device(header, who.make, who.model, who.serial, who.firmware) if who else header

    def finish(self, path: Path, *, as_json: bool) -> int:
        """Say what was recorded, and return the exit code."""
        told = self.recorder.told
        if as_json:
            print_json({
                "file": str(path) if told.from_device else None, "bytes_from_device": told.from_device,
                "bytes_to_device": told.to_device, "chunks": told.chunks, "samples": self.samples,
                "faults": list(self.faults), "full": self.full})
            return 0 if told.from_device else 1
        if sys.stderr.isatty():
            print(file=sys.stderr)
        for fault in self.faults:
            print(f"fault: {fault}")
        if not told.from_device:
            print("nothing came from the device; no file was written")
            return 1
        print(f"{path}: {told.from_device} bytes from the device, {told.to_device} to it, {self.samples} samples"
              f"{'; it is full' if self.full else ''}")
        print(f"replay it with: spingate read {self.table.driver} --port file:{path}")
        return 0

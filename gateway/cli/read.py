"""spingate read: what does this sensor say? One instrument on one port, for some seconds, without a gateway.

Nothing is signed or kept. Exit 0: it spoke. 1: it said nothing that could be read; the faults are printed.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from drivers.recording import FileAddress, parse_source
from drivers.replay_port import END, recorded_header
from drivers.sample import Event, Fault, Sample
from gateway.cli.limits import setting, whole_number
from gateway.cli.words import add_json, port_here, print_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from gateway.config_tables import InstrumentTable

SECONDS_MAX = 86_400.0
OVER = {END, "recording missing", "recording refused"}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate read`."""
    parser = subparsers.add_parser("read", help="print what one instrument on one port says")
    parser.add_argument("instrument", help="which driver; spingate hil --list shows them")
    where = "/dev/serial/by-id/..., tcp://HOST:PORT or file:RECORDING"
    parser.add_argument("--port", type=port_here, required=True, help=where)
    parser.add_argument("--unit", type=whole_number(1, 247), default=1, help="Modbus unit id (1)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to listen (5)")
    parser.add_argument("--serial", default="", help="serial number, of a device that cannot tell its own")
    parser.add_argument("--map", default="", metavar="NAME", help="register map: a shipped one or a file")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the driver")
    parser.add_argument("--poll-ms", type=whole_number(0, 3_600_000), default=1000, help="time between polls (1000)")
    parser.add_argument("--certificate", default="", metavar="FILE", help="calibrate with this certificate")
    add_line(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def add_line(parser: argparse.ArgumentParser) -> None:
    """Add the words that set a serial line otherwise than its instrument usually is."""
    line = parser.add_argument_group("serial line, where it is not set as the driver's own page says")
    line.add_argument("--baud", type=whole_number(50, 4_000_000), help="bit rate")
    line.add_argument("--bits", type=int, choices=(7, 8), help="data bits")
    line.add_argument("--parity", choices=("N", "E", "O"), help="none, even or odd")
    line.add_argument("--stop-bits", type=int, choices=(1, 2), help="stop bits")
    line.add_argument("--rs485", action="store_true", help="let the kernel switch the direction by RTS")


def run(arguments: argparse.Namespace) -> int:
    """Listen and print."""
    from pathlib import Path

    from gateway.acquisition import check_drivers
    from gateway.config import objection
    from gateway.config_tables import InstrumentTable, LineTable
    from gateway.maps import read_maps

    if not 0 < arguments.seconds <= SECONDS_MAX:
        raise ValueError(f"--seconds = {arguments.seconds:g}: must be above 0 and at most {SECONDS_MAX:g}")
    table = InstrumentTable(
        "read",
        arguments.instrument,
        arguments.port,
        arguments.unit,
        serial=arguments.serial,
        poll_ms=arguments.poll_ms,
        certificate=arguments.certificate,
        map=arguments.map or recorded_map(arguments.port),
        settings=dict(arguments.set),
        line=LineTable(arguments.baud, arguments.bits, arguments.parity, arguments.stop_bits, arguments.rs485),
    )
    maps = read_maps([table], Path())
    check_drivers([table], maps)
    problem = objection(table, {})
    if problem:
        raise ValueError(problem)
    printer = Printer(table, as_json=arguments.json)
    asyncio.run(listen(table, maps, printer, arguments.seconds))
    return printer.finish()


def recorded_map(port: str) -> str:
    """Return the map that a recording was made with, empty for a device. Raises PortTextRefused."""
    source = parse_source(port)
    header = recorded_header(source) if isinstance(source, FileAddress) else None
    return header.map if header else ""


async def listen(table: InstrumentTable, maps: Mapping[str, str], printer: Printer, seconds: float) -> None:
    """Run the instrument's port for a while."""
    from gateway.acquisition import Acquisition
    from gateway.progress import Progress

    acquisition = Acquisition([table], Progress(), maps)
    ports = asyncio.create_task(acquisition.run(lambda _name, event: printer.take(event)))
    ended = asyncio.create_task(printer.ended.wait())
    done, _ = await asyncio.wait([ports, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    done.discard(ended)
    ended.cancel()
    for task in done:
        task.result()
    ports.cancel()
    await asyncio.gather(ports, return_exceptions=True)


class Printer:
    """Turns events into lines, or collects them for one JSON object."""

    def __init__(self, table: InstrumentTable, *, as_json: bool) -> None:
        """Read the certificate, where one is named. Raises CertificateRefused or OSError."""
        from pathlib import Path

        from calibration.certificate import read_certificate
        from gateway.block import Block

        self.as_json = as_json
        self.block = Block(1.0)
        self.serial = table.serial
        self.certificate = read_certificate(Path(table.certificate)) if table.certificate else None
        self.readings: list[dict[str, object]] = []
        self.faults: list[dict[str, str]] = []
        self.ended = asyncio.Event()  # nothing more can come

    def take(self, event: Event) -> None:
        """Take one event of the driver."""
        if isinstance(event, Sample):
            for block in self.block.add(event):
                self.show(block)
        elif isinstance(event, Fault):
            self.faults.append({"kind": event.kind, "detail": event.detail})
            if event.kind in OVER:
                self.ended.set()
            if not self.as_json:
                print(f"fault: {event.kind}: {event.detail}", flush=True)

    def show(self, block: Sample) -> None:
        """Calibrate one reading and show its last row."""
        from calibration.apply import calibrate
        from gateway import clock
        from gateway.pipeline import named
        from gateway.words import values

        now = clock.now()
        reading = calibrate(named(block, self.serial), self.certificate, now.wall_ns / 1e9, clock_trusted=True)
        device = f"{reading.device.make} {reading.device.model} {reading.device.serial}"
        self.readings.append({
            "device": device,
            "stream": reading.stream,
            "channels": {
                channel.name: {"value": value, "unit": channel.unit, "u": None if math.isnan(u) else u}
                for channel, value, u in zip(
                    reading.channels, reading.values[-1].tolist(), reading.u.tolist(), strict=True
                )
            },
            "rows": len(reading.values),
            "rate_hz": reading.rate_hz,
            "calibrated": reading.trust.calibrated,
            "flags": list(reading.flags),
        })
        if not self.as_json:
            rate = f", {reading.rate_hz:g} Hz" if reading.rate_hz else ""
            why = f": {reading.trust.reason}" if self.certificate else ""
            state = "" if reading.trust.calibrated else f"  (uncalibrated{why})"
            said = f"  [{', '.join(reading.flags)}]" if reading.flags else ""
            print(f"{device} {reading.stream}{rate}: {values(reading)}{state}{said}", flush=True)

    def finish(self) -> int:
        """Show what is left and return the exit code."""
        for block in self.block.flush():
            self.show(block)
        if self.as_json:
            print_json({"readings": self.readings, "faults": self.faults})
        elif not self.readings:
            print("nothing that could be read: is it powered, is the port right, is it this instrument?")
        return 0 if self.readings else 1

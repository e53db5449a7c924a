"""spingate hil: run an emulated instrument, a recording or a whole bay until interrupted, for practice and for tests.

It never pretends to be real: an emulated identity says that it is, and everything listens on this machine only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import clock
from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from hil.stand import Manner

FAULT_WORDS = "a fault of the line, as flip:1e-4, cut:0.01 or unplug:every=20s,for=2s; may be given several times"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate hil`."""
    parser = subparsers.add_parser(
        "hil", help="run an emulated instrument, a recording or a whole bay on ptys or TCP ports",
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_epilog())
    parser.add_argument("instrument", nargs="?", help="which one; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the instruments and their scenes")
    parser.add_argument("--bay", type=Path, metavar="FILE", help="run a whole bay: a file, or a shipped one: screening")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="play the device's side of this capture")
    parser.add_argument("--dir", type=Path, default=Path(), help="folder for a bay's links (here)")
    parser.add_argument("--config", action="store_true", help="print tables for gateway.toml")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--link", type=Path, metavar="PATH", help="serial line: a link to a pty at PATH")
    place.add_argument("--tcp", type=int, metavar="PORT", help="TCP port of loopback; 0 takes a free one")
    parser.add_argument("--serial-over-tcp", action="store_true", help="with --tcp: a serial server, socket://")
    parser.add_argument("--fast", action="store_true", help="without the pace of the serial line")
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help=FAULT_WORDS)
    parser.add_argument("--fault-seed", type=int, default=1, help="same seed, same faults (1)")
    parser.add_argument("--scene", default="", help="what it replays; the first of its list where not given")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same samples (1)")
    parser.add_argument("--ahead", action="store_true", help="NQR head: a scan ends as soon as it is computed")
    add_json(parser)
    parser.set_defaults(run=run)


def _epilog() -> str:
    """Return the table of faults; this is help for people, so it may cost the import."""
    from hil import faults

    return (faults.__doc__ or "").split("\n\n", 2)[2]


def run(arguments: argparse.Namespace) -> int:
    """List, or run."""
    if arguments.list:
        list_instruments(as_json=arguments.json)
        return 0
    if sum(bool(one) for one in (arguments.instrument, arguments.bay, arguments.replay)) != 1:
        raise ValueError("which? an instrument (--list shows them), --bay FILE or --replay FILE")
    with ThreadPoolExecutor(1) as worker:
        if arguments.bay:
            asyncio.run(stand_bay(arguments, worker))
        else:
            line = replayed(arguments) if arguments.replay else emulated(arguments, worker)
            asyncio.run(stand(arguments, line))
    return 0


def list_instruments(*, as_json: bool) -> None:
    """Print what can be emulated."""
    from drivers.table import DRIVERS
    from hil.table import EMULATED

    if as_json:
        print_json([{"name": one.name, "title": one.title, "scenes": one.scenes} for one in EMULATED.values()])
        return
    for one in EMULATED.values():
        row = DRIVERS[one.name]
        print(f"{one.name:<16}{one.title}; {row.quantity} in {row.unit}; scenes: {', '.join(one.scenes)}")


def emulated(arguments: argparse.Namespace, worker: ThreadPoolExecutor) -> AbstractAsyncContextManager[str]:
    """Return the instrument that is wanted, ready to be run. Raises ValueError with the rule."""
    from hil.emulated import Wish
    from hil.stand import standing
    from hil.table import EMULATED

    if arguments.instrument not in EMULATED:
        raise ValueError(f"instrument = {arguments.instrument!r}: must be one of: {', '.join(EMULATED)}")
    row = EMULATED[arguments.instrument]
    arguments.scene = arguments.scene or row.scenes[0]
    if arguments.scene not in row.scenes:
        raise ValueError(f"--scene = {arguments.scene!r}: must be one of: {', '.join(row.scenes)}")
    place, how = where(arguments), manner(arguments)
    packets = isinstance(place, int) and not how.serial_tcp
    wish = Wish(arguments.scene, arguments.seed, clock.monotonic_ns(), worker.submit, packets, arguments.ahead)
    arguments.title, arguments.map = f"{row.title} (emulated, scene {arguments.scene})", row.map
    return standing(row, wish, place, clock.monotonic_ns, how)


def replayed(arguments: argparse.Namespace) -> AbstractAsyncContextManager[str]:
    """Return the device's side of a capture, ready to be run. Raises CaptureRefused, OSError or ValueError."""
    from drivers.capture import CaptureRefused, parse_capture
    from drivers.replay_port import FILE_BYTES_MAX
    from drivers.table import DRIVERS
    from hil.played import Answerer, RtuAnswerer, Talker
    from hil.stand import Manner, standing_bytes

    if arguments.replay.stat().st_size > FILE_BYTES_MAX:
        raise CaptureRefused(f"{arguments.replay}: must be at most {FILE_BYTES_MAX} bytes")
    try:
        capture = parse_capture(arguments.replay.read_text(encoding="utf-8", errors="replace"))
    except CaptureRefused as refused:
        raise CaptureRefused(f"{arguments.replay}: {refused}") from refused
    header = capture.header
    if header.instrument not in DRIVERS:
        raise CaptureRefused(f"{arguments.replay}: instrument = {header.instrument!r}: there is no such driver")
    row, place, how = DRIVERS[header.instrument], where(arguments), manner(arguments)
    arguments.instrument, arguments.scene, arguments.title = row.name, "replay", f"{row.title} (recorded)"
    arguments.map = header.map
    if row.kind == "registers":
        how = Manner(how.fast, isinstance(place, int), how.faults, how.fault_seed)
        return standing_bytes(RtuAnswerer(capture.chunks), row.line.baud / 10, place, clock.monotonic_ns, how)
    how = Manner(how.fast, isinstance(place, int) and header.line is not None, how.faults, how.fault_seed)
    device = Talker(capture.chunks) if row.speaks else Answerer(capture.chunks)
    return standing_bytes(device, (header.line or row.line).baud / 10, place, clock.monotonic_ns, how)


def where(arguments: argparse.Namespace) -> Path | int:
    """Return the link or the TCP port. Raises ValueError with the rule."""
    from hil.link import check_free

    place: Path | int | None = arguments.link if arguments.link is not None else arguments.tcp
    if place is None:
        raise ValueError("where? --link PATH makes a serial line, --tcp PORT a network port")
    if isinstance(place, Path):
        place = place.absolute()
        check_free(place)
    elif not 0 <= place <= 65535:
        raise ValueError(f"--tcp = {place}: must be a port, 0 to 65535")
    return place


def manner(arguments: argparse.Namespace) -> Manner:
    """Return how it is to stand. Raises FaultRefused or ValueError with the rule."""
    from hil.faults import parse_faults
    from hil.stand import Manner

    if arguments.serial_over_tcp and arguments.tcp is None:
        raise ValueError("--serial-over-tcp: needs --tcp PORT")
    return Manner(arguments.fast, arguments.serial_over_tcp, parse_faults(arguments.fault), arguments.fault_seed)


async def stand(arguments: argparse.Namespace, line: AbstractAsyncContextManager[str]) -> None:
    """Run one instrument until SIGINT or SIGTERM."""
    from hil.bay import instrument_table

    async with interruptible() as stop, line as port:
        if arguments.json:
            print_json({"instrument": arguments.instrument, "scene": arguments.scene, "port": port})
        elif arguments.config:
            print(instrument_table(arguments.instrument, arguments.instrument, port, arguments.map, None), flush=True)
        else:
            print(f"{arguments.title} on {port}", flush=True)
            read_by = f" --map {arguments.map}" if arguments.map else ""
            print(f"read it with: spingate read {arguments.instrument} --port {port}{read_by}", flush=True)
        await stop.wait()


async def stand_bay(arguments: argparse.Namespace, worker: ThreadPoolExecutor) -> None:
    """Run every instrument of a bay file until SIGINT or SIGTERM."""
    from hil.bay import configuration, standing_bay
    from hil.bay_file import BAY_BYTES_MAX, BayRefused, parse_bay

    shipped = files("hil") / "bays" / f"{arguments.bay}.toml"
    file = shipped if shipped.is_file() and not arguments.bay.exists() else arguments.bay
    try:
        bay = parse_bay(file.read_bytes()[:BAY_BYTES_MAX + 1].decode())
    except (BayRefused, UnicodeDecodeError) as refused:
        raise BayRefused(f"{arguments.bay}: {refused}") from refused
    places = standing_bay(bay, arguments.dir, worker.submit, clock.monotonic_ns)
    async with interruptible() as stop, places as ports:
        if arguments.json:
            print_json({"bay": str(arguments.bay), "ports": ports, "config": configuration(bay, ports)})
        elif arguments.config:
            print(configuration(bay, ports))
            print(f"# {len(ports)} emulated instruments, while this command runs", flush=True)
        else:
            for seat in bay.instrument:
                print(f"{seat.name:<16}{seat.emulate} (emulated) on {ports[seat.name]}")
            print("tables for gateway.toml: the same command with --config", flush=True)
        await stop.wait()


@contextlib.asynccontextmanager
async def interruptible() -> AsyncIterator[asyncio.Event]:
    """Give an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    yield stop

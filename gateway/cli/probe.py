"""spingate probe: what is on these ports? It listens first, then asks, and prints a block for gateway.toml.

A port in use is left alone. Exit 0: every port that could be opened was recognised. 1: something was not, or nothing
was found.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from gateway.cli.limits import whole_number
from gateway.cli.words import add_json, port_here, print_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from drivers.address import PortAddress
    from drivers.probe import Candidate, Report

DEV = Path("/dev")
AT_ONCE_MAX = 8     # ports searched side by side: each is mostly waiting


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate probe`."""
    parser = subparsers.add_parser("probe", help="find out which instrument is on which port")
    parser.add_argument("port", nargs="*", type=port_here, metavar="PORT",
                        help="/dev/..., tcp://, socket:// or rfc2217://HOST:PORT; without one, every USB serial port")
    parser.add_argument("--units", type=units, default=range(1, 2), metavar="N[-M]",
                        help="Modbus unit ids to ask for (1); each one that is silent costs up to a second")
    add_json(parser)
    parser.set_defaults(run=run)


def units(text: str) -> range:
    """Read a unit id, or a range of them."""
    one = whole_number(1, 247)
    first, dash, last = text.partition("-")
    return range(one(first), one(last if dash else first) + 1)


def run(arguments: argparse.Namespace) -> int:
    """Search all ports and print."""
    from drivers.address import SerialAddress, parse_port
    from gateway.serial_ports import lasting_name, serial_ports

    ports = list(dict.fromkeys(arguments.port)) or serial_ports(DEV)
    addresses: list[PortAddress] = []
    for text in ports:
        address = parse_port(text)
        serial = isinstance(address, SerialAddress)
        addresses.append(parse_port(lasting_name(str(address), DEV)) if serial else address)
    if not addresses and not arguments.json:
        print("no USB serial port is there: is it plugged in? A built-in line or a network port has to be named.")
    reports = asyncio.run(search(addresses, arguments.units, shown=not arguments.json))
    if arguments.json:
        print_json([as_json(report) for report in reports])
    else:
        show(reports)
    tried = [report for report in reports if not report.trouble]
    return 0 if tried and all(report.found for report in tried) else 1


async def search(addresses: Sequence[PortAddress], wanted: Sequence[int], *, shown: bool) -> list[Report]:
    """Search the ports side by side; progress goes to standard error: a display on a terminal, else plain lines."""
    from drivers.probe_port import PortProbe
    from gateway import clock

    candidates = everything()
    places = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(address: PortAddress, stepped: Callable[[str], None]) -> Report:
        async with places:
            report = await PortProbe(address, candidates, wanted, clock.monotonic_ns, stepped).run()
        stepped("done")
        return report

    with Progress([str(address) for address in addresses], len(candidates), shown=shown) as progress:
        return list(await asyncio.gather(*(one(address, progress.of(str(address))) for address in addresses)))


def everything() -> list[Candidate]:
    """Return every instrument there is a driver for, and every shipped register map."""
    from drivers.map_shipped import shipped_names, shipped_text
    from drivers.probe import candidates_of
    from drivers.table import DRIVERS

    # A shipped map of a device that has a driver of its own would only name it a second time.
    maps = {name: shipped_text(name) or "" for name in shipped_names() if name not in DRIVERS}
    return candidates_of(DRIVERS.values(), maps)


class Progress:
    """One bar for each port on a terminal, one line for each step where there is none."""

    def __init__(self, ports: Sequence[str], steps: int, *, shown: bool) -> None:
        """Prepare; nothing is drawn yet."""
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        self._plain = shown and not sys.stderr.isatty()
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[step]}"))
        self._bars = Bars(*columns, console=console, disable=not shown or self._plain, transient=True)
        self._tasks = {port: self._bars.add_task(shortened(port), total=steps + 2, step="") for port in ports}

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(self, *_wrong: object) -> None:
        """Take the bars away: what was found is printed without them."""
        self._bars.stop()

    def of(self, port: str) -> Callable[[str], None]:
        """Return what the search on one port tells of its steps."""
        def stepped(step: str) -> None:
            if self._plain:
                print(f"{port}: {step}", file=sys.stderr, flush=True)
            elif step == "done":
                self._bars.update(self._tasks[port], step=step, completed=self._bars.tasks[0].total)
            else:
                self._bars.update(self._tasks[port], step=step, advance=1)
        return stepped


def shortened(port: str) -> str:
    """Return the end of a port's name, which tells ports apart."""
    return port if len(port) <= 40 else f"...{port[-37:]}"


def show(reports: Sequence[Report]) -> None:
    """Print what was found, and the blocks at the end, to be copied."""
    from gateway.probe_words import blocks, details, heading

    taken: set[str] = set()
    ready: list[str] = []
    for report in reports:
        print(heading(report))
        for line in details(report):
            print(f"    {line}")
        ready += blocks(report, taken)
    if ready:
        print("\n# for gateway.toml\n" + "\n".join(ready), end="")


def as_json(report: Report) -> dict[str, object]:
    """Return one port's findings for a program."""
    from gateway.probe_words import blocks

    return {
        "port": report.port,
        "trouble": report.trouble or None,
        "found": [{
            "driver": one.candidate.row.name, "map": one.candidate.map_name or None, "unit": one.unit,
            "line": str(one.line), "how": one.how, "sure": one.sure, "make": one.identity.make,
            "model": one.identity.model, "serial": one.identity.serial, "firmware": one.identity.firmware,
        } for one in report.found],
        "modbus": [{"unit": unit, "says": said} for unit, said in report.modbus],
        "heard": [{"line": str(one.line), "bytes": one.count, "start": one.start.hex()} for one in report.overheard],
        "sent": report.sent,
        "toml": "\n".join(blocks(report, set())),
    }

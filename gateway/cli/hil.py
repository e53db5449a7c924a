"""spingate hil: run one emulated instrument until interrupted, for practice and for tests.

It never pretends to be real: its identity says that it is emulated, and it listens on this machine only.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import clock
from gateway.cli.words import add_json, print_json

if TYPE_CHECKING:
    import argparse

    from hil.emulated import Emulated, Wish


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate hil`."""
    parser = subparsers.add_parser("hil", help="run an emulated instrument on a pty or a TCP port")
    parser.add_argument("instrument", nargs="?", help="which one; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the instruments and their scenes")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--link", type=Path, metavar="PATH", help="serial line: a link to a pty at PATH")
    place.add_argument("--tcp", type=int, metavar="PORT", help="TCP port of loopback; 0 takes a free one")
    parser.add_argument("--scene", default="", help="what it replays; the first of its list where not given")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same samples (1)")
    parser.add_argument("--ahead", action="store_true", help="NQR head: a scan ends as soon as it is computed")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, or run one instrument."""
    from hil.emulated import Wish
    from hil.link import check_free
    from hil.table import EMULATED

    if arguments.list:
        list_instruments(as_json=arguments.json)
        return 0
    if arguments.instrument not in EMULATED:
        raise ValueError(f"instrument = {arguments.instrument!r}: must be one of: {', '.join(EMULATED)}")
    emulated = EMULATED[arguments.instrument]
    scene = arguments.scene or emulated.scenes[0]
    if scene not in emulated.scenes:
        raise ValueError(f"--scene = {scene!r}: must be one of: {', '.join(emulated.scenes)}")
    place = arguments.link if arguments.link is not None else arguments.tcp
    if place is None:
        raise ValueError("where? --link PATH makes a serial line, --tcp PORT a network port")
    if isinstance(place, Path):
        check_free(place)
    if isinstance(place, int) and not 0 <= place <= 65535:
        raise ValueError(f"--tcp = {place}: must be a port, 0 to 65535")
    with ThreadPoolExecutor(1) as worker:
        packets = isinstance(place, int)
        wish = Wish(scene, arguments.seed, clock.monotonic_ns(), worker.submit, packets=packets, ahead=arguments.ahead)
        asyncio.run(stand(emulated, wish, place, as_json=arguments.json))
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


async def stand(emulated: Emulated, wish: Wish, place: Path | int, *, as_json: bool) -> None:
    """Run one instrument until SIGINT or SIGTERM."""
    from hil.stand import standing

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with standing(emulated, wish, place, clock.monotonic_ns) as port:
        if as_json:
            print_json({"instrument": emulated.name, "scene": wish.scene, "port": port})
        else:
            print(f"{emulated.title} (emulated, scene {wish.scene}) on {port}", flush=True)
            mapped = f" --map {emulated.map}" if emulated.map else ""
            print(f"read it with: spingate read {emulated.name}{mapped} --port {port}", flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await stop.wait()

"""The instruments of a measurement, in a process of their own. Edge.

What they cost must not be counted as the gateway's: the measurement reads their ports from the first line and
ends them by closing their standard input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import clock
from hil.bench.stopwatch import Stopwatch
from hil.modbus_wire import TcpServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = 7
UNITS = 8          # stopwatches behind one port, each with a connection of its own
STOP_S_MAX = 20.0


@contextmanager
def instruments(kind: str, folder: Path) -> Iterator[dict[str, str]]:
    """Run `kind` ("stopwatch" or "bay") in a process of its own and give the ports by name."""
    words = [sys.executable, "-m", "hil.bench.instruments", kind, str(folder)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("no pipe to the instruments")
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulated {kind} ended with exit {process.wait(STOP_S_MAX)}")
        yield json.loads(line)
    finally:
        process.stdin.close()
        process.wait(STOP_S_MAX)
        process.stdout.close()


def serve_bay(folder: Path) -> None:
    """Run the bay of the demonstration until standard input ends."""
    from hil.demo.bay import Bay  # noqa: PLC0415  # the stopwatch needs no scene: half a second less

    with Bay(folder, SEED, clock.monotonic_ns) as bay:
        print(json.dumps(bay.ports), flush=True)
        sys.stdin.buffer.read()


async def serve_stopwatch() -> None:
    """Run the stopwatches until standard input ends."""
    server = TcpServer({unit: Stopwatch() for unit in range(1, UNITS + 1)}, clock.monotonic_ns)
    await server.start()
    print(json.dumps({"stopwatch": f"tcp://127.0.0.1:{server.port}"}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    await server.stop()


def main() -> None:
    """Run what the first word names."""
    if sys.argv[1] == "bay":
        serve_bay(Path(sys.argv[2]))
    else:
        asyncio.run(serve_stopwatch())


if __name__ == "__main__":
    main()

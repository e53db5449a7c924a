"""Run the demo's broker until interrupted: python -m hil.broker [--port N] [--only 3.1.1].

The first line it prints is its port; it says nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from hil.broker.packets import V5, V311
from hil.broker.server import Broker

VERSIONS = {"both": frozenset({V311, V5}), "3.1.1": frozenset({V311}), "5": frozenset({V5})}


async def serve(port: int, versions: frozenset[int]) -> None:
    """Listen until the process is told to end."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, end.set)
    async with Broker(port, versions) as broker:
        sys.stdout.write(f"{broker.port}\n")
        sys.stdout.flush()
        await end.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="a small MQTT broker on 127.0.0.1, for demos")
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed on the first line")
    parser.add_argument("--only", choices=sorted(VERSIONS), default="both", help="the MQTT versions to speak")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, VERSIONS[arguments.only]))

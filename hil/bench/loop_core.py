"""The core with a probe in its loop, `python -m hil.bench.loop_core FILE CONFIG`; without CONFIG the probe alone. Edge.

Rule: it is the very core of `spingate run` with one more task. At SIGTERM it writes what the probe found to FILE.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gateway.assembly import assemble
from gateway.config import load
from gateway.core import Core
from hil.bench.lag import Turns, probe

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run_core(config: Path, turns: Turns) -> None:
    """Run the gateway of a configuration until it is told to stop."""
    class Probed(Core):
        """A core with the probe beside its parts."""

        def parts(self) -> list[tuple[str, Coroutine[object, object, None]]]:
            """Return the core's own and the probe."""
            lanes = self.assembly.lanes.values()
            return [*super().parts(), ("probe", probe(turns, lambda: any(one.deciding_since for one in lanes)))]

    assembly = assemble(load(config))
    try:
        asyncio.run(Probed(assembly).run())
    finally:
        assembly.close()


async def run_control(turns: Turns) -> None:
    """Do nothing but measure until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    alone = asyncio.create_task(probe(turns))
    print("ready", flush=True)
    await stopping.wait()
    alone.cancel()


def main() -> None:
    """Measure, then write."""
    turns = Turns()
    out, config = Path(sys.argv[1]), sys.argv[2:]
    if config:
        run_core(Path(config[0]), turns)
    else:
        asyncio.run(run_control(turns))
    with out.open("wb") as file:
        np.savez(file, late_ms=turns.late_ms, cpu_ms=turns.cpu_ms, no_core_ms=turns.no_core_ms,
                 others_ms=turns.others_ms, busy=np.array(turns.busy, bool))


if __name__ == "__main__":
    main()

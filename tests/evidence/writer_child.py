"""A gateway's writing half to be killed: for each line on its input it forks a writer that goes on until killed.

Forking spares the start of the interpreter. Each index is told on the output only after its future resolved.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from gateway.evidence.journal import open_journal
from gateway.evidence.record import Kind
from gateway.evidence.writer import Writer
from tests.evidence.samples import GATEWAY, KEY, WALL_NS, draft

HASTE = 200             # a checkpoint each 5 ms instead of each second, so that many are cut through


def tell(line: str) -> None:
    """Write a line at once, in one piece."""
    os.write(1, f"{line}\n".encode())


def write_for_ever(path: Path) -> None:
    """Append records in small groups, some with raw data, and tell each index once it is on disk."""
    journal = open_journal(path, GATEWAY, KEY)
    writer = Writer(journal, lambda: time.monotonic_ns() * HASTE, lambda: WALL_NS)
    writer.start()
    number = journal.size
    tell(f"pid {os.getpid()}")
    while True:
        futures = []
        for _ in range(1 + number % 5):
            raw = b"raw %d" % number * 300 if number % 4 == 0 else None
            futures.append(writer.submit(draft(Kind.FAULT, number, raw), raw))
            number += 1
        for future in futures:
            tell(str(future.result()))


if __name__ == "__main__":
    for _line in sys.stdin:
        child = os.fork()
        if not child:
            write_for_ever(Path(sys.argv[1]))
        os.waitpid(child, 0)
        tell("dead")

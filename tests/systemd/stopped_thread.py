"""Hold one thread of a process still from outside, while all its others run on: what a stuck disk does to a writer.

The process is not asked and has no part in it: ptrace(2) seizes and interrupts the thread, then frees or reaps it.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207  # linux/ptrace.h
WALL = 0x40000000  # __WALL of waitpid(2): a thread is no child, and not found without

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


class StoppedThread:
    """From entry to exit the thread does nothing. Enter and leave it in the same thread of the tests."""

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self.reaped = False

    def __enter__(self) -> Self:
        """Stop it, and return when it stands still."""
        trace(PTRACE_SEIZE, self.tid)
        trace(PTRACE_INTERRUPT, self.tid)
        os.waitpid(self.tid, WALL)
        return self

    def died(self) -> bool:
        """Tell whether its process has been killed. Its end must be heard here, or its process cannot end."""
        if not self.reaped:
            self.reaped = os.waitpid(self.tid, WALL | os.WNOHANG)[0] == self.tid
        return self.reaped

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        """Let it go on where it still lives."""
        if not self.died():
            trace(PTRACE_DETACH, self.tid)


def trace(request: int, tid: int) -> None:
    """Make one ptrace(2) request without data. Raises OSError."""
    if LIBC.ptrace(request, tid, None, None) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of thread {tid}: {os.strerror(ctypes.get_errno())}")


def busiest_writer(pid: int) -> int:
    """Return the thread, other than the first, that has written the most bytes to files so far (proc(5), wchar)."""
    written = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) != pid:
            written[int(task.name)] = int((task / "io").read_text().split("wchar:")[1].split()[0])
    return max(written, key=lambda tid: written[tid])

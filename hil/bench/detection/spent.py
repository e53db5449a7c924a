"""Run a command and tell what the kernel says that it used: `python -m hil.bench.detection.spent COMMAND`. Edge.

A child begins with its parent's peak of resident memory, so a command is measured from a small process: this one.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main() -> int:
    """Run the command; peak resident KiB and CPU seconds go to standard error, in the last line."""
    with subprocess.Popen(sys.argv[1:]) as child:
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)     # reaped above
    sys.stderr.write(f"\n{used.ru_maxrss} {used.ru_utime + used.ru_stime}\n")
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())

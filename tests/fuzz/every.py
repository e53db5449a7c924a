"""Fuzz every target in turn, or those that are named: `python -m tests.fuzz.every --seconds 300 twinleaf csac`.

Rule: one process at a time, and a finding ends its target only; the exit code is 1 where there was one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import targets

ROOT = Path(__file__).parents[2]
SECONDS = 300
BEGIN_S_MAX = 60    # to load, and to end
UNENDED = 124       # as timeout(1) says it


def run(names: list[str], seconds: int, work: Path) -> tuple[int, str]:
    """Fuzz targets, one after another; return the exit code and what libFuzzer said."""
    command = [sys.executable, "-m", "tests.fuzz.run", str(work), str(seconds), *names]
    most_s = (2 * seconds + BEGIN_S_MAX) * len(names)  # a machine that is busy takes longer to load and to end
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=most_s, check=False)
    except subprocess.TimeoutExpired:
        return UNENDED, f"not over after {most_s} s\n"
    return done.returncode, done.stdout + done.stderr


def summary(said: str) -> str:
    """Return what libFuzzer counted: inputs, and how much of the code they reached."""
    units = re.search(r"stat::number_of_executed_units: +(\d+)", said)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", said)
    return f"{units[1] if units else '?'} inputs, coverage {'/'.join(reached[-1]) if reached else '?'}"


def main() -> int:
    """Run them and say what was found."""
    parser = argparse.ArgumentParser(description="coverage-guided fuzzing of every parser")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each target ({SECONDS})")
    parser.add_argument("--work", type=Path, default=Path("build/fuzz"), help="corpus and findings (build/fuzz)")
    parser.add_argument("target", nargs="*", help=f"one of: {', '.join(targets())}")
    given = parser.parse_args()
    found = 0
    for name in given.target or targets():
        code, said = run([name], given.seconds, given.work)
        found += code != 0
        sys.stdout.write(f"{name:<24}{'FOUND' if code else 'ok':<7}{summary(said)}\n{said if code else ''}")
        sys.stdout.flush()
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())

"""The spingate command: find the subcommand, load only what it needs, turn known mistakes into one clear line.

Exit 0: done. 1: the answer is no. 2: it could not be tried; the message says what to do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from gateway import __version__
from gateway.cli.words import innermost, refusal

# Each is a file beside this one with `add_parser(subparsers)`; the order is that of --help.
COMMANDS = (
    "demo",
    "run",
    "publish",
    "check",
    "status",
    "monitor",
    "scan",
    "drift",
    "probe",
    "read",
    "record",
    "detect",
    "explain",
    "coverage",
    "nulls",
    "calibrate",
    "verify",
    "export",
    "keys",
    "journal",
    "hil",
    "bench",
)
UNUSABLE = 2  # argparse's own exit code for bad words

# Our matrices are small. With a thread for each core the same fit took 18 ms instead of 2 (median, two cores), because
# the threads wait for each other; a service shares its cores anyway. Set before numpy is loaded, or without effect.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def parser(only: str = "") -> argparse.ArgumentParser:
    """Return the parser with every subcommand, or with one where it is known which is meant."""
    top = argparse.ArgumentParser(
        prog="spingate", description="Quantum sensors at a screening bay: calibrated, decided, signed, published."
    )
    top.add_argument("--version", action="version", version=f"spingate {__version__}")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    names = COMMANDS if only not in COMMANDS else (only,)
    for name in () if only == "--version" else names:
        importlib.import_module(f"gateway.cli.{name}").add_parser(subparsers)
    return top


def main(words: list[str] | None = None) -> int:
    """Run one command; `words` are its arguments, by default the process's own."""
    words = sys.argv[1:] if words is None else words
    arguments = parser(words[0] if words else "").parse_args(words)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output left: nothing more to say, and nobody to say it to, also not at the very end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except BaseExceptionGroup as group:
        if not isinstance(innermost(group), BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"spingate {arguments.command}: {refusal(error)}", file=sys.stderr)
        return UNUSABLE
    return code


if __name__ == "__main__":
    sys.exit(main())

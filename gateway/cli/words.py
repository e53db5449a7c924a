"""What several commands share of the command line: the --config and --json words, and plain or coloured output.

Colour and progress are for a terminal; a file or a pipe gets plain lines, and --json one object.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import argparse

DEFAULT_CONFIG = Path("/etc/spingate/gateway.toml")
COLOURS = {"OK": "\x1b[32m", "WARN": "\x1b[33m", "FAIL": "\x1b[31m"}
PLAIN = "\x1b[0m"


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config FILE."""
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"configuration ({DEFAULT_CONFIG})"
    )


def port_here(text: str) -> str:
    """Return a port as it was typed, a path from the current folder made absolute: a configuration takes only those."""
    rooted = text.startswith("/") or re.match(r"[a-z0-9]+:", text) is not None
    return text if rooted or not Path(text).exists() else str(Path(text).absolute())


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help="print JSON, for a program to read")


def print_json(value: object) -> None:
    """Print one object; numbers that JSON has no word for become null."""
    print(msgspec.json.encode(value).decode(), flush=True)


def coloured(word: str) -> str:
    """Return OK, WARN or FAIL in its colour on a terminal, padded to one width."""
    padded = f"{word:<4}"
    return f"{COLOURS[word]}{padded}{PLAIN}" if sys.stdout.isatty() else padded


def printable(text: str) -> str:
    """Return the text with what would move the cursor, colour or hide anything on a terminal as an escape.

    What others said stands in records: it must not be able to draw a result of its own beside ours.
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def refusal(error: BaseException) -> str:
    """Return why something could not be used; of a file its name, and what the system says, without the number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def innermost(group: BaseException) -> BaseException:
    """Return the first single exception in a group of groups: what really happened."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def start_log() -> None:
    """Log to standard error, where systemd's journal takes it with time and unit; warnings of libraries too."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # what it has to say is a fault in the journal

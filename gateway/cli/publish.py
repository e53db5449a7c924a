"""spingate publish: the second process. Reads the journal, talks to the broker, holds no key.

It ends with exit 0 on SIGTERM or SIGINT; what was not acknowledged is sent again by the next run.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from gateway.cli.words import add_config, start_log

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate publish`."""
    parser = subparsers.add_parser("publish", help="the publisher: signed records to the MQTT broker (a service)")
    add_config(parser)
    parser.set_defaults(run=run)

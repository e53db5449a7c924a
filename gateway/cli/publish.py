"""spingate publish: the second process. Reads the journal, talks to the broker, holds no key.

It ends with exit 0 on SIGTERM or SIGINT; what was not acknowledged is sent again by the next run.
"""

from __future__ import annotations

import gc
import signal
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gateway.cli.words import add_config, start_log

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from gateway.config import Loaded
    from gateway.publisher.status import Status

BEAT_S = 0.5  # how often systemd hears of progress at most


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `spingate publish`."""
    parser = subparsers.add_parser("publish", help="the publisher: signed records to the MQTT broker (a service)")
    add_config(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Publish until told to stop. What it must remember and cannot write ends it with the reason."""
    from gateway.config import load
    from gateway.publisher.doorbell import DoorbellTaken
    from gateway.publisher.ledger import RefusedListFull

    start_log()
    loaded = load(arguments.config)
    try:
        carry(loaded)
    except (DoorbellTaken, RefusedListFull) as error:
        raise ValueError(str(error)) from error
    except FileNotFoundError as error:
        folder = loaded.config.gateway.run_dir
        raise ValueError(f"gateway.run_dir = {folder!r}: {error.strerror}; the core makes it when it starts") from error
    except sqlite3.Error as error:
        raise ValueError(f"publisher_dir = {loaded.config.gateway.publisher_dir!r}: {error}") from error
    return 0


def carry(loaded: Loaded) -> None:
    """Open everything and publish."""
    from gateway.clock import monotonic_ns
    from gateway.notify import Systemd
    from gateway.places import places
    from gateway.progress import SECOND
    from gateway.publisher.publisher import Publisher

    found = places(loaded)
    found.publisher_state.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    systemd, told = Systemd(), 0
    publisher = Publisher(
        loaded.publisher(), loaded.config.gateway.id, found.journal, found.publisher_state, doorbell=found.wake
    )

    def beat() -> None:
        nonlocal told
        now = monotonic_ns()
        if now - told > BEAT_S * SECOND:
            told = now
            systemd.say("WATCHDOG=1", f"STATUS={line(publisher.status_written)}")

    gc.freeze()  # what was loaded stays; it need not be looked through for garbage again and again
    with orders(loaded, found.control):
        systemd.say("READY=1")
        publisher.run(stop, beat)
    systemd.say("STOPPING=1")


@contextmanager
def orders(loaded: Loaded, control: Path) -> Iterator[None]:
    """Hear orders over MQTT meanwhile, where the configuration allows any."""
    from gateway.control import ask
    from gateway.publisher.order_line import OrderLine
    from gateway.publisher.topics import Topics

    settings, gateway = loaded.publisher(), loaded.config.gateway.id
    if not settings.orders:
        yield
        return
    client_id = settings.client_id or f"spingate-{gateway}"
    line = OrderLine(settings, Topics(settings.topic_prefix, gateway), client_id, lambda order: ask(control, order))
    line.start()
    try:
        yield
    finally:
        line.stop()


def line(status: Status | None) -> str:
    """Return one line for systemctl status."""
    return f"{status.state}: {status.published} published, {status.backlog} to go" if status else "starting"

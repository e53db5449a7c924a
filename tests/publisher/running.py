"""The publisher under test: in a thread, where a test looks inside, and as a process, where it is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from gateway.publisher.publisher import Publisher
from gateway.publisher.settings import PublisherSettings
from gateway.publisher.status import Status, read_status
from tests.publisher.core import GATEWAY

if TYPE_CHECKING:
    from tests.publisher.core import Core

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, threading, pathlib, msgspec, logging
from gateway.publisher.publisher import Publisher
from gateway.publisher.settings import PublisherSettings
logging.basicConfig(level=logging.INFO, format="%(relativeCreated)d %(message)s")
settings, journal, state, doorbell, gateway = sys.argv[1:]
publisher = Publisher(msgspec.json.decode(settings, type=PublisherSettings), gateway, pathlib.Path(journal),
                      pathlib.Path(state), doorbell=pathlib.Path(doorbell))
publisher.run(threading.Event(), lambda: None)
"""


def quick(port: int, **more: object) -> PublisherSettings:
    """Return settings with the short waits of a test."""
    base = {"port": port, "reconnect_s_min": 0.05, "reconnect_s_max": 0.3, "refusal_retry_s_min": 0.1,
            "refusal_retry_s_max": 0.3}  # fmt: skip
    return msgspec.convert(base | more, PublisherSettings)


class RunningPublisher:
    """A publisher in a thread of this process."""

    def __init__(self, core: Core, state: Path, settings: PublisherSettings) -> None:
        state.mkdir(exist_ok=True)
        self.state, self.stop, self.beats = state, threading.Event(), 0
        self.publisher = Publisher(settings, GATEWAY, core.path, state, doorbell=core.doorbell)
        self.thread = threading.Thread(target=self.publisher.run, args=(self.stop, self._beat))

    def _beat(self) -> None:
        self.beats += 1

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(10)
        assert not self.thread.is_alive(), "the publisher did not stop"

    def status(self) -> Status:
        """Return what `spingate status` would see."""
        found = read_status(self.state)
        assert found is not None, "no status file"
        return found


def start_process(core: Core, state: Path, settings: PublisherSettings) -> subprocess.Popen[bytes]:
    """Start a publisher as a process of its own."""
    state.mkdir(exist_ok=True)
    arguments = [msgspec.json.encode(settings).decode(), str(core.path), str(state), str(core.doorbell), GATEWAY]
    log = (state / "log").open("ab")
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], cwd=ROOT, stdout=log, stderr=log)
    log.close()
    return process

"""A gateway installed in a folder: configuration, key, its two processes and its command, as a user has them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gateway.control import Answer, Ask, ask
from gateway.evidence.keys import load_public
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode
from gateway.evidence.verify import verify_file
from gateway.publisher.journal import payload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gateway.evidence.record import Record
    from gateway.evidence.verification import Verification

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "gateway.cli.main")
READY_S_MAX = 30.0
COMMAND_S_MAX = 40.0

HEAD = """[gateway]
id = "bay-9"
state_dir = "{state}"
run_dir = "{run}"
publisher_dir = "publisher"

[key]
file = "gateway.key"

[clock]
require_synchronised = false

[publisher]
port = {broker}
reconnect_s_min = 0.05
reconnect_s_max = 0.3
"""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the gateway, with its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    listener: socket.socket

    def ready(self, wait_s: float = READY_S_MAX) -> bool:
        """Wait for READY=1 as systemd does; false where the process ends or stays silent."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            try:
                if b"READY=1" in self.listener.recv(4096):
                    return True
            except TimeoutError:
                if self.process.poll() is not None:
                    return False
        return False

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
        self.listener.close()

    def stop(self, wait_s: float = 20.0) -> int:
        """End it in order and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ended(wait_s)

    def ended(self, wait_s: float = 20.0) -> int:
        """Wait until it ends and return its exit code."""
        code = self.process.wait(wait_s)
        self.listener.close()
        return code

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text()

    def resident_kb(self) -> int:
        """Return how much memory it holds resident now."""
        words = Path(f"/proc/{self.process.pid}/status").read_text().split()
        return int(words[words.index("VmRSS:") + 1])


@dataclass(slots=True)
class Installed:
    """The folder. `run` is a short path for the sockets; `state` may lie elsewhere."""

    folder: Path
    run: Path
    broker: int = 1
    state: Path | None = None
    services: list[Service] = field(default_factory=list)

    @property
    def config(self) -> Path:
        """Return the configuration file."""
        return self.folder / "gateway.toml"

    @property
    def journal(self) -> Path:
        """Return the journal's file."""
        return (self.state or self.folder / "state") / "journal.db"

    @property
    def public(self) -> Path:
        """Return the public key's file."""
        return self.folder / "gateway.pub.pem"

    def configure(self, *tables: str) -> None:
        """Write the configuration: the usual head, then `tables`."""
        head = HEAD.format(state=self.state or "state", run=self.run, broker=self.broker)
        self.config.write_text("\n".join((head, *tables)))

    def start(self, name: str, extra: Mapping[str, str] | None = None) -> Service:
        """Start `spingate NAME`, ready or not."""
        log = self.folder / f"{name}-{len(self.services)}.log"
        address = self.run / f"{name}-{len(self.services)}.notify"
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(address))
        listener.settimeout(0.2)
        with log.open("wb") as output:
            environment = {**os.environ, "NOTIFY_SOCKET": str(address), **(extra or {})}
            process = subprocess.Popen([*COMMAND, name, "--config", self.config], stdout=output, stderr=output,
                                       cwd=ROOT, env=environment)
        service = Service(name, process, log, listener)
        self.services.append(service)
        return service

    def started(self, name: str, extra: Mapping[str, str] | None = None) -> Service:
        """Start `spingate NAME` and wait until it is ready."""
        service = self.start(name, extra)
        assert service.ready(), f"spingate {name} is not ready: {service.said()}"
        return service

    def refused(self, name: str, extra: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Start a process that must end by itself; return its exit code and what it said, which is no traceback."""
        service = self.start(name, extra)
        code = service.ended(COMMAND_S_MAX)
        assert "Traceback" not in service.said(), service.said()
        return code, service.said()

    def command(self, *words: str | Path, wait_s: float = COMMAND_S_MAX) -> subprocess.CompletedProcess[str]:
        """Call `spingate WORDS` as a user would; a traceback is never an answer."""
        done = command(*words, wait_s=wait_s)
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        return done

    def ask(self, what: Ask) -> Answer:
        """Ask the running core."""
        return ask(self.run / "control.sock", what)

    def messages(self, start: int = 0) -> list[bytes]:
        """Return the records in the journal from `start` on, as bytes, checking that no index is left out."""
        found: list[bytes] = []
        with reader_of(self.journal) as reader:
            while rows := reader.records(start + len(found)):
                assert [row.index for row in rows] == list(range(start + len(found), start + len(found) + len(rows)))
                found += [row.message for row in rows]
        return found

    def records(self) -> list[Record]:
        """Return the records of the journal, decoded, each at the place it names itself."""
        found = [decode(payload_of(message)) for message in self.messages()]
        assert [record.sequence for record in found] == list(range(len(found)))
        return found

    def verify(self) -> Verification:
        """Verify the journal with the public key alone."""
        return verify_file(self.journal, load_public(self.public))

    def close(self) -> None:
        """End what still runs."""
        for service in self.services:
            if service.process.poll() is None:
                service.kill()


def command(*words: str | Path, wait_s: float = COMMAND_S_MAX) -> subprocess.CompletedProcess[str]:
    """Call the command, without a terminal."""
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=wait_s, check=False, cwd=ROOT)


def instrument(name: str, driver: str, port: str | Path, **more: object) -> str:
    """Return one [[instrument]] table."""
    keys = {"name": name, "driver": driver, "port": port, **more}
    lines = [f"{key} = {value}" if isinstance(value, int | float) else f'{key} = "{value}"'
             for key, value in keys.items()]
    return "\n".join(["[[instrument]]", *lines, ""])


def wait_until(condition: Callable[[], object], wait_s: float, what: str) -> None:
    """Wait until a condition holds; fail with `what` where it does not come to hold."""
    end = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"not within {wait_s:g} s: {what}")
        time.sleep(0.02)


def of_instrument(records: Iterable[Record], name: str) -> list[Record]:
    """Return the records about one instrument."""
    return [record for record in records if getattr(record.body, "instrument", None) == name]


def short_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder with a path short enough for a socket (108 bytes, unix(7)); pytest's own are too long."""
    return tempfile.TemporaryDirectory(prefix="sg-")

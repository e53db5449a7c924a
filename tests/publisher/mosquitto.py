"""A real mosquitto on a free loopback port, killed and restarted at will. Only ever the one it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

START_S_MAX = 10.0
PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a loopback port that the kernel has just handed out."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker with persistence in its own folder. As root it must be told to stay root, or it cannot write."""

    def __init__(self, folder: Path, *settings: str) -> None:
        if PROGRAM is None:
            pytest.fail("mosquitto is missing: apt-get install --no-install-recommends mosquitto")
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        lines = [
            *(["user root"] if os.geteuid() == 0 else []),
            "persistence true", f"persistence_location {folder}/", "autosave_interval 1",
            "max_queued_messages 100000", "max_inflight_messages 200", "set_tcp_nodelay true",
            f"listener {self.port} 127.0.0.1", *(settings or ("allow_anonymous true",)),
        ]
        (folder / "conf").write_text("\n".join(lines) + "\n")
        self.start()

    def start(self) -> None:
        """Start and wait until it listens."""
        assert PROGRAM is not None
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen([PROGRAM, "-v", "-c", self.folder / "conf"], stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + START_S_MAX
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.01)
            else:
                return
        pytest.fail("mosquitto did not start")

    def reload(self) -> None:
        """Have it read its access list again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """SIGKILL, as a power cut or the kernel's memory killer would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in order, so that it saves its queues."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(5)

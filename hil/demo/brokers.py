"""The broker of the demonstration: mosquitto where it is installed, else the embedded one, or somebody else's. Edge."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
MOSQUITTO = """listener {port} 127.0.0.1
allow_anonymous true
user root
set_tcp_nodelay true
"""
START_S_MAX = 10.0
STOP_S_MAX = 5.0


class NoBroker(RuntimeError):
    """No broker could be started or reached."""


@contextlib.contextmanager
def broker(wanted: str, folder: Path) -> Iterator[tuple[str, int, str]]:
    """Give host, port and name of a broker: "auto", "embedded" or HOST:PORT. One started here ends with it."""
    mosquitto = shutil.which("mosquitto", path=MOSQUITTO_PLACES)
    if wanted not in {"auto", "embedded"}:
        host, _, port = wanted.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"--broker = {wanted!r}: must be auto, embedded or HOST:PORT")
        try:
            socket.create_connection((host, int(port)), 3.0).close()
        except OSError as error:
            raise NoBroker(f"--broker {wanted}: nobody answers there ({error.strerror or error})") from error
        yield host, int(port), wanted
        return
    port_number = free_port()
    if wanted == "auto" and mosquitto:
        settings = folder / "mosquitto.conf"
        settings.write_text(MOSQUITTO.format(port=port_number))
        words, name = [mosquitto, "-c", str(settings)], "mosquitto"
    else:
        words, name = [sys.executable, "-m", "hil.broker", "--port", str(port_number)], "embedded broker"
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        await_listener(port_number, process, name)
        yield "127.0.0.1", port_number, name
    finally:
        process.terminate()
        process.wait(STOP_S_MAX)


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def await_listener(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    """Wait until something answers on the port. Raises NoBroker."""
    end = time.monotonic() + START_S_MAX
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise NoBroker(f"{name} does not answer on port {port}")

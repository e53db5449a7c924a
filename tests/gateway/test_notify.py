"""Short words to other processes: heard where somebody listens, and never waited for."""

from __future__ import annotations

import socket
import tempfile
import time
from contextlib import closing
from pathlib import Path

from gateway.notify import Ringer, Systemd


def test_words_arrive_whole_at_a_path_and_at_an_abstract_name() -> None:
    """Either kind of address may be given by systemd (sd_notify(3))."""
    with tempfile.TemporaryDirectory() as folder:
        for address in (f"{folder}/n", "\0spingate-test-notify"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
                listener.bind(address)
                listener.settimeout(5)
                Systemd(address.replace("\0", "@")).say("READY=1", "STATUS=up")
                assert listener.recv(100) == b"READY=1\nSTATUS=up"


def test_nobody_listening_or_a_full_socket_is_no_error_and_no_wait() -> None:
    """A publisher that hangs, or is not there, never holds up a commit."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        began = time.monotonic()
        with closing(Ringer(Path(folder) / "nobody")) as ringer:
            ringer.ring()
        Systemd("").say("READY=1")
        deaf.bind(f"{folder}/deaf")
        with closing(Ringer(Path(folder) / "deaf")) as ringer:
            for _ in range(2000):
                ringer.ring()
        assert time.monotonic() - began < 2.0

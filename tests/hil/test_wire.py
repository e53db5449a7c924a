"""A wire is as slow as the line it stands for, loses what nobody reads, and can be pulled and put back."""

from __future__ import annotations

import os
import socket
import termios
from typing import TYPE_CHECKING

import serial

from hil.wire import UNSENT_BYTES_MAX, PtyEnd, TcpEnd, Wire

if TYPE_CHECKING:
    from pathlib import Path

SECOND = 1_000_000_000


class Chatter:
    """A device that says the same `size` bytes at every poll and repeats what it hears."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.hosts = 0

    def opened(self, now: int) -> bytes:
        """Greet."""
        del now
        self.hosts += 1
        return b"hello"

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Repeat."""
        del now
        return chunk

    def poll(self, now: int) -> bytes:
        """Chatter."""
        del now
        return bytes(self.size)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        """Return the time told."""
        return self.ns


def test_bytes_pass_as_fast_as_the_line_and_no_faster(tmp_path: Path) -> None:
    """In one second of 11520 bytes a second just so many arrive, though the device has more to say."""
    clock = Clock()
    wire = Wire(Chatter(100), PtyEnd(tmp_path / "tty"), clock, 11_520)
    wire.replug()
    with serial.Serial(str(tmp_path / "tty"), timeout=0) as host:
        arrived = 0
        for _ in range(200):
            clock.ns += SECOND // 200
            wire.turn()
            arrived += len(host.read(20_000))
    assert 11_400 <= arrived <= 11_520
    assert wire.lost_bytes > 0      # 20000 were said
    wire.unplug()


def test_a_line_that_nobody_reads_never_blocks_the_device(tmp_path: Path) -> None:
    """The kernel takes some 20 kB, the rest is lost, and a later host finds stale bytes."""
    clock = Clock()
    wire = Wire(Chatter(1000), PtyEnd(tmp_path / "tty"), clock)
    wire.replug()
    for _ in range(1000):
        clock.ns += SECOND // 200
        wire.turn()
    descriptor = os.open(tmp_path / "tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert len(os.read(descriptor, 1 << 16)) > 1000
    os.close(descriptor)
    wire.unplug()


def test_the_pty_is_raw(tmp_path: Path) -> None:
    """No echo and no newline translation: what the host writes comes back unchanged from the device alone."""
    clock = Clock()
    end = PtyEnd(tmp_path / "tty")
    wire = Wire(Chatter(0), end, clock)
    wire.replug()
    wire.turn()
    descriptor = os.open(tmp_path / "tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    assert os.read(descriptor, 100) == b"hello"
    assert not termios.tcgetattr(descriptor)[3] & (termios.ECHO | termios.ICANON)
    every_byte = bytes(range(256))
    os.write(descriptor, every_byte)
    wire.turn()
    wire.turn()
    assert os.read(descriptor, 1000) == every_byte
    os.close(descriptor)
    wire.unplug()


def test_a_pulled_cable_takes_the_name_away_and_a_replug_gives_it_back(tmp_path: Path) -> None:
    """The link vanishes as under /dev/serial/by-id, and points to another pty afterwards."""
    link = tmp_path / "tty"
    wire = Wire(Chatter(1), PtyEnd(link), Clock())
    wire.replug()
    wire.replug()
    assert link.is_symlink()
    wire.unplug()
    wire.unplug()
    assert not link.is_symlink()
    wire.turn()
    assert wire.lost_bytes > 0
    wire.replug()
    assert link.exists()
    wire.unplug()
    assert list(tmp_path.iterdir()) == []


def test_a_tcp_wire_serves_one_host_at_a_time_and_the_next_one_after_it() -> None:
    """A second host is turned away at once; when the first has gone, another is greeted."""
    end, chatter = TcpEnd(), Chatter(0)
    wire = Wire(chatter, end, Clock())
    wire.replug()
    with socket.create_connection(("127.0.0.1", end.port), 2) as first:
        wire.turn()
        assert first.recv(100) == b"hello"
        with socket.create_connection(("127.0.0.1", end.port), 2) as second:
            wire.turn()
            assert second.recv(100) == b""
    wire.turn()
    with socket.create_connection(("127.0.0.1", end.port), 2) as third:
        wire.turn()
        assert third.recv(100) == b"hello"
    assert chatter.hosts == 2
    wire.unplug()


def test_a_replugged_tcp_wire_listens_on_the_same_port() -> None:
    """Unplugged nobody answers there; afterwards the old address works."""
    end = TcpEnd()
    wire = Wire(Chatter(0), end, Clock())
    wire.replug()
    port = end.port
    with socket.create_connection(("127.0.0.1", port), 2) as host:
        wire.turn()
        wire.unplug()
        assert host.recv(100) in {b"hello", b""}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    wire.replug()
    assert end.port == port
    with socket.create_connection(("127.0.0.1", port), 2):
        pass
    wire.unplug()


def test_what_waits_to_be_sent_is_bounded() -> None:
    """A host that connects and never reads costs a fixed number of bytes."""
    end = TcpEnd()
    clock = Clock()
    wire = Wire(Chatter(4000), end, clock)
    wire.replug()
    with socket.create_connection(("127.0.0.1", end.port), 2):
        for _ in range(3000):
            wire.turn()
            assert wire._unsent_bytes <= UNSENT_BYTES_MAX
    assert wire.lost_bytes > 0
    wire.unplug()

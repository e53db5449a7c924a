"""A disk that fills up is told before it is full, and a publisher that died is not called connected."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from gateway.assembly import assemble
from gateway.cli.status import listens
from gateway.config import load
from gateway.core import Core
from gateway.evidence import keys
from gateway.evidence.body import FaultBody
from gateway.evidence.cose import verify
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 64 MiB, which only root may."""
    if os.geteuid() != 0:
        pytest.fail("mounting a small disk needs root: run the tests as root, as CI does")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def test_a_disk_that_is_nearly_full_is_journaled_once(small_disk: Path) -> None:
    """Whoever reads the records learns of it before the core has to stop."""
    key = keys.create(small_disk / "gateway.key", small_disk / "gateway.pub.pem")
    (small_disk / "gateway.toml").write_text(
        '[gateway]\nid = "bay-1"\nstate_dir = "."\nrun_dir = "."\npublisher_dir = "pub"\n[key]\nfile = "gateway.key"\n'
    )
    assembly = assemble(load(small_disk / "gateway.toml"))
    core = Core(assembly)
    core.look_at_disk()
    core.look_at_disk()
    assembly.close()
    with reader_of(small_disk / "journal.db") as reader:
        bodies = [decode(verify(stored.message, key.public.ed25519)).body for stored in reader.records(0)]
    assert [body.kind for body in bodies if isinstance(body, FaultBody)] == ["disk nearly full"]


def test_what_a_dead_publisher_wrote_last_is_not_believed(tmp_path: Path) -> None:
    """Its socket tells: there, gone, or left behind by a process that was killed."""
    wake = tmp_path / "wake.sock"
    assert not listens(wake)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as publisher:
        publisher.bind(str(wake))
        assert listens(wake)
    assert not listens(wake)

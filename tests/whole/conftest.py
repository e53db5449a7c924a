"""What the tests of the whole gateway start from: emulated instruments, a broker and an installed gateway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.publisher.mosquitto import Mosquitto
from tests.whole.bench import Bench
from tests.whole.installed import Installed, command, short_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a bench without instruments."""
    with Bench() as empty:
        yield empty


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a mosquitto that takes everybody and everything."""
    running = Mosquitto(tmp_path / "broker")
    yield running
    running.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installed]:
    """Give a folder with a key made by the real command; whatever runs in it at the end is ended."""
    with short_folder() as run:
        installed = Installed(tmp_path, Path(run))
        made = command("keys", "new", installed.folder / "gateway.key")
        assert made.returncode == 0, made.stderr
        yield installed
        installed.close()

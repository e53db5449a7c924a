"""What every test of the publisher starts from: a real broker and a real journal, each in a fresh folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.publisher.core import Core
from tests.publisher.mosquitto import Mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a mosquitto that takes everybody and everything."""
    running = Mosquitto(tmp_path / "broker")
    yield running
    running.stop()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """Give an empty journal with its writer."""
    writing = Core(tmp_path)
    yield writing
    writing.close()

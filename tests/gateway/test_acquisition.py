"""One task for each port, and none of them ends by itself."""

from __future__ import annotations

import asyncio

import pytest

from gateway.acquisition import Acquisition
from gateway.progress import Progress


async def test_a_gateway_without_instruments_stays_up() -> None:
    """A fresh installation runs, and waits to be given something to read."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Acquisition([], Progress()).run(lambda _name, _event: None), 0.2)

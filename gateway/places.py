"""Where the gateway keeps things: names below the state and run folders. Pure.

The core, the publisher and the command line find each other by these names and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Loaded

# sockaddr_un has 108 bytes with its ending zero (unix(7)); a longer path cannot be bound.
SOCKET_PATH_BYTES_MAX = 107


@dataclass(frozen=True, slots=True)
class Places:
    """The files and sockets of one gateway."""

    journal: Path
    control: Path
    wake: Path
    publisher_state: Path


def places(loaded: Loaded) -> Places:
    """Return the places of a configuration. Raises ValueError where a socket's path is too long for the kernel."""
    state, run = loaded.resolve(loaded.config.gateway.state_dir), loaded.resolve(loaded.config.gateway.run_dir)
    found = Places(
        journal=state / "journal.db",
        control=run / "control.sock",
        wake=run / "wake.sock",
        publisher_state=loaded.resolve(loaded.config.gateway.publisher_dir),
    )
    for path in (found.control, found.wake):
        if len(bytes(path)) > SOCKET_PATH_BYTES_MAX:
            raise ValueError(
                f"gateway.run_dir = {str(run)!r}: must be shorter: {path.name} in it may have at most"
                f" {SOCKET_PATH_BYTES_MAX} bytes of path"
            )
    return found

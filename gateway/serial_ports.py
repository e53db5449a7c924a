"""Which serial ports this machine has, by the names that last. Reads /dev and nothing else; opens no port.

Rule: a built-in line (ttyS0 may be the console) is only ever used where somebody names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PORTS_MAX = 64  # as many instruments as a configuration may have


def serial_ports(dev: Path) -> list[str]:
    """Return a path for each USB serial port below `dev`: by-id where it has one, else by-path, else its number."""
    found: dict[Path, str] = {}
    for pattern in ("serial/by-id/*", "serial/by-path/*", "ttyUSB*", "ttyACM*"):
        for path in sorted(dev.glob(pattern)):
            device = path.resolve()
            if device.exists():
                found.setdefault(device, str(path))
    return sorted(found.values())[:PORTS_MAX]


def lasting_name(path: str, dev: Path) -> str:
    """Return the by-id or by-path name of a port that was named otherwise; its own name where it has none."""
    device = (dev / path).resolve()
    for pattern in ("serial/by-id/*", "serial/by-path/*"):
        for link in sorted(dev.glob(pattern)):
            if link.resolve() == device:
                return str(link)
    return path

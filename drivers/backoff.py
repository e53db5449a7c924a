"""How long to wait before a port is opened again. No clock and no chance in this file.

Rule: a device is open again within 2 s of its return, however long it was away.
"""

from __future__ import annotations

FIRST_S = 0.1       # a re-enumerating USB adapter is away for longer, a restarting server often is not
GROWTH = 2.0

# An attempt to open takes up to 0.8 s (port.OPEN_S_MAX) before it: 1.6 s together, 2 s with a margin.
CEILING_S = 0.8


def reconnect_delay_s(failures: int) -> float:
    """Return the wait in seconds after so many failed attempts in a row (0: right after the loss)."""
    if failures < 0:
        raise ValueError(f"failures = {failures}: must be 0 or more")
    steps = min(failures, 32)   # the ceiling is reached long before; the power must not overflow
    return float(min(CEILING_S, FIRST_S * GROWTH ** steps))

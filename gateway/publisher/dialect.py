"""Which MQTT version to speak next. Pure.

MQTT 5 is tried first after every working connection, so a broker that was upgraded is noticed; a broker that
refuses 5, or hangs up before it welcomes us, is asked in 3.1.1 at the next try, and the other way round.
"""

from __future__ import annotations

from typing import Literal

Version = Literal["5", "3.1.1"]


class Dialect:
    """Remembers what the broker would not have."""

    def __init__(self, wanted: Literal["auto", "5", "3.1.1"]) -> None:
        """Take the configured wish; anything but auto is kept to."""
        self.fixed = wanted != "auto"
        self.version: Version = "3.1.1" if wanted == "3.1.1" else "5"

    def lost(self, *, welcomed: bool, by_peer: bool, unsupported: bool) -> bool:
        """Learn from a lost connection; say whether to try again at once in the other version."""
        if self.fixed:
            return False
        if welcomed:
            self.version = "5"
            return False
        if by_peer or unsupported:
            refused_5 = self.version == "5"
            self.version = "3.1.1" if refused_5 else "5"
            return unsupported and refused_5
        return False

"""How the head writes text, temperatures and lengths into registers: sections 1, 2.1 and 2.3 of its profile.

A quantity that the head cannot measure is FFFF, never zero.
"""

from __future__ import annotations

import math
import struct

VERSION = 0x0100
NOTE = "Register profile defined by this project. It does not describe a commercial device."
MISSING = 0xFFFF


def identity_block(boot_id: int, texts: tuple[str, str, str, str]) -> bytes:
    """Return registers 0000-005F; `texts` are make, model, serial number and firmware."""
    names = b"".join(text_field(words, 16) for words in texts)
    return b"NQRH" + struct.pack(">HHI", VERSION, 0, boot_id) + bytes(20) + names + text_field(NOTE, 96)


def text_field(words: str, size: int) -> bytes:
    """Return ASCII, cut or padded with NUL to `size` bytes."""
    return words.encode("ascii", "replace")[:size].ljust(size, b"\0")


def centikelvin(celsius: float) -> int:
    """Return a temperature for its register."""
    return MISSING if math.isnan(celsius) else round((celsius + 273.15) * 100.0)


def millimetre(metre: float) -> int:
    """Return a length for its register."""
    return MISSING if math.isnan(metre) else round(metre * 1000.0)

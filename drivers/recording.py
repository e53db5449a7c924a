"""A recorded file in the place of a port, as written in the configuration: file:PATH. No I/O.

Rule: a configuration says openly that an instrument is a recording; nothing else stands in for a device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.address import PortTextRefused, parse_port

if TYPE_CHECKING:
    from drivers.address import PortAddress

SCHEME = "file:"
FILE_RULE = 'must be "file:PATH", with ?loop, ?fast or ?loop&fast behind it'
FILE = re.compile(r"file:([^?]+)(?:\?((?:loop|fast)(?:&(?:loop|fast))?))?")


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A recorded file that stands in for a device; `loop` begins it anew at its end, `fast` leaves out the pauses."""

    path: str
    loop: bool = False
    fast: bool = False

    def __str__(self) -> str:
        how = "&".join(word for word, wanted in (("loop", self.loop), ("fast", self.fast)) if wanted)
        return f"{SCHEME}{self.path}{'?' if how else ''}{how}"


def parse_source(text: str) -> PortAddress | FileAddress:
    """Return the port or the recording that `text` names; raises PortTextRefused."""
    if not text.startswith(SCHEME):
        return parse_port(text)
    found = FILE.fullmatch(text)
    if not found or not text.isprintable():
        raise PortTextRefused(f"port = {text!r}: {FILE_RULE}")
    how = (found[2] or "").split("&")
    return FileAddress(found[1], "loop" in how, "fast" in how)

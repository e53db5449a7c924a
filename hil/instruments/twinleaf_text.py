"""An emulated VMR that prints lines of text until a host speaks packets to it. No I/O.

Rule: it prints as the one known program reads it, and nothing that is not known of these lines.

Source: third-party code, github.com/zoran-grujic/MyTwinleafVMR (myVMRSerial.py): decimals between single spaces, CR LF,
up to 100 lines a second. The vendor documents that a packet puts a device into binary mode.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hil.instruments.twinleaf_packets import HostBytes

if TYPE_CHECKING:
    from hil.instruments.twinleaf import FieldSource, TwinleafDevice

NS = 1_000_000_000
LINES_A_POLL_MAX = 100
LATE_NS_MAX = 2 * NS        # what was not polled for longer was printed to nobody

LENGTHS = (4, 10, 12)       # fields of a line


class PrintingDevice:
    """A device that prints. `binary` is what it becomes when a packet reaches it; None: none ever does."""

    def __init__(
        self, field: FieldSource, binary: TwinleafDevice | None = None, *, rate_hz: float = 100.0, fields: int = 12,
    ) -> None:
        if fields not in LENGTHS:
            raise ValueError(f"fields = {fields}: must be one of {LENGTHS}")
        self._field = field
        self._binary = binary
        self._rate_hz = rate_hz
        self._fields = fields
        self._host = HostBytes(bare=False)
        self._talks = False         # true once it speaks packets
        self._power_on: int | None = None
        self._line = 0

    def opened(self, now: int) -> bytes:
        """Take note of a new host; it notices none before that speaks."""
        self._host = HostBytes(bare=False)
        return self._binary.opened(now) if self._binary and self._talks else b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes; the first whole packet ends the text."""
        heard = bool(self._host.feed(chunk))
        if self._binary is None or not (heard or self._talks):
            return b""
        self._talks = True
        return self._binary.feed(chunk, now)

    def poll(self, now: int) -> bytes:
        """Return the lines that are due, or what the device sends in packets."""
        if self._binary and self._talks:
            return self._binary.poll(now)
        if self._power_on is None:
            self._power_on = now
        due = int((now - self._power_on) * self._rate_hz / NS)
        if due - self._line > LATE_NS_MAX * self._rate_hz / NS:
            self._line = due
        printed = b""
        for _ in range(min(due - self._line, LINES_A_POLL_MAX)):
            printed += self._print()
        return printed

    def _print(self) -> bytes:
        start_s = self._line / self._rate_hz
        x, y, z = self._field(start_s, 1, self._rate_hz)[0]
        still = [0.01, -0.02, 0.98, 0.1, 0.0, -0.1]     # lying level, not turning; their units are not known
        air = [1013.25, 30.0 + 0.5 * math.sin(start_s / 100.0)]
        values = [x, y, z, *still, *air][:self._fields - 1]
        line = " ".join([str(self._line), *(f"{value:.3f}" for value in values)])
        self._line += 1
        return line.encode() + b"\r\n"

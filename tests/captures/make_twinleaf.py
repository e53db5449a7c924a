"""Write the Twinleaf captures of this folder with the emulated device; run by hand from the project's root.

Rule: the committed bytes are what the tests read; making them again is a decision, not a part of any test.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.instruments.twinleaf_packets import on_serial_line, packet

NS = 1_000_000_000
TURN_NS = NS // 200


def capture(*, bare: bool) -> bytes:
    """Return what a host receives in 3 s: greeting, 100 Hz, 20 ms lost, 480 Hz, then a boot."""
    device = TwinleafDevice(steady_field(np.random.default_rng(20260101)), bare=bare)
    heard = device.opened(0) if bare else b"Twinleaf VMR R8 (VMR.R8.SIM)\r\n" + device.feed(b"\xc0", 0)
    faster = packet(2, b"\x01\x00\x09\x80data.rate" + np.float32(480).tobytes())
    for now in range(0, 3 * NS, TURN_NS):
        said = device.poll(now)
        if not NS <= now < NS + NS // 50:
            heard += said
        if now == 3 * NS // 2:
            heard += device.feed(faster if bare else on_serial_line(faster), now)
        if now == 5 * NS // 2:
            device.reboot(0x0BADCAFE, now)
    return heard


def main() -> None:
    """Write both captures beside this file."""
    folder = Path(__file__).parent
    for name, bare in (("twinleaf_serial.bin", False), ("twinleaf_tcp.bin", True)):
        data = capture(bare=bare)
        (folder / name).write_bytes(data)
        sys.stdout.write(f"{name}: {len(data)} bytes\n")


if __name__ == "__main__":
    main()

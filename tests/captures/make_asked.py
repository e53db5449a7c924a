"""Make the captures of the instruments that are asked: each emulator, seed 1, and its driver, talking for a while.

Run it from the repository's root; the same bytes come out each time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from drivers.capture import Capture, CaptureHeader, Chunk, write_capture
from drivers.driver import DriverOptions
from drivers.table import DRIVERS
from hil.table import EMULATED
from tests.drivers.conversation import Conversation, wish

if TYPE_CHECKING:
    from drivers.driver import StreamDriver

SHIPPED = Path(__file__).parents[2] / "hil" / "captures"

# File -> instrument, scene, seconds. "holdover" loses its reference after 20 s.
MADE = {
    "csac": ("csac", "holdover", 26), "csac-checksum": ("csac", "checksum", 5), "csac-alarm": ("csac", "alarm", 4),
    "mecom": ("mecom", "settled", 4), "mecom-busy": ("mecom", "busy", 6), "gmc": ("gmc", "source", 6),
    "gmc-320": ("gmc", "gmc-320", 6), "bdbg-09": ("bdbg-09", "background", 10), "bdbg-09-echo": ("bdbg-09", "echo", 5),
    "bdbg-09-strong": ("bdbg-09", "strong", 4),
}  # fmt: skip


def capture(instrument: str, scene: str, seconds: float) -> Capture:
    """Return what passes between driver and emulator."""
    row, make = DRIVERS[instrument], EMULATED[instrument].make_bytes
    if make is None:
        raise TypeError(f"{instrument} speaks no bytes")
    driver = cast("StreamDriver", row.make(DriverOptions()))
    talking = Conversation(driver, make(wish(scene, now=0)))
    driver.opened(0)
    talking.run(seconds)
    header = CaptureHeader(instrument, row.line, f"emulated, seed 1, scene {scene}")
    return Capture(header, tuple(Chunk(at, way == "<", data) for at, way, data in talking.lines))


if __name__ == "__main__":
    for name, wanted in MADE.items():
        (SHIPPED / f"{name}.capture").write_text(write_capture(capture(*wanted)))

"""Bring a QZFM to where it streams: read its status, start, zero and calibrate it as wished, then Print ON. Pure.

Rule: every step has a deadline; one that fails is said, and the readings that follow carry it as a flag.

Commands are single bytes (QuSpin, "QZFM Command list"; Print ON and OFF, calibrate and axes: ucn-triumf/QZFM, MIT).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal, TypeAlias

from drivers.complaint import Complaint
from drivers.sample import Fault

if TYPE_CHECKING:
    from drivers.qzfm_panel import Panel
    from drivers.sample import Nanoseconds

Step: TypeAlias = Literal["status", "start", "zero", "calibrate", "stream"]

PRINT_ON, PRINT_OFF, AUTO_START, ZERO_ON, ZERO_OFF, CALIBRATE = b"7", b"8", b">", b"D", b"E", b"9"
ZERO_AXES = {"xyz": b"i", "yz": b"h"}
READ_AXES = {"x": b"G", "y": b"@", "z": b"?"}

NS = 1_000_000_000
AGAIN_NS = 2 * NS           # Print ON and OFF are said again while the device prints the other

# A cold cell takes some minutes; the vendor's users wait 100 s for a calibration; zeroing takes seconds.
STEP_NS_MAX: dict[Step, int] = {
    "status": 10 * NS, "start": 600 * NS, "zero": 60 * NS, "calibrate": 100 * NS, "stream": 10 * NS,
}
FLAGS: dict[Step, str] = {"start": "starting", "zero": "zeroing", "calibrate": "calibrating"}

# Zeroed: its lamp says so, and over five blocks (0.7 s) no coil moved by more. The range is 5 nT.
STEADY_BLOCKS, STEADY_PT = 5, 100.0
# A status block is about 90 bytes, 7.5 a second: the second one was surely begun after Print OFF.
STATUS_BLOCKS = 2


class Start:
    """The way to the stream, gone at each opening; a look at the status goes the same way without the middle.

    Fault kinds: "no answer", "start failed", "zeroing failed", "calibration failed".
    """

    def __init__(self, steps: tuple[Step, ...], zero_axes: str, read_axis: str) -> None:
        self._steps = steps
        self._zero = ZERO_AXES[zero_axes] + ZERO_ON
        self._print = READ_AXES.get(read_axis, b"") + PRINT_ON
        self._complaint = Complaint()
        self._ahead: deque[Step] = deque()
        self.step: Step = "stream"
        self._begun: Nanoseconds | None = None      # of this step; None: its command is yet to be sent
        self._said: Nanoseconds = 0
        self._farewell = b""
        self._blocks = 0
        self._coils: deque[tuple[float, ...]] = deque(maxlen=STEADY_BLOCKS)

    def begin(self, panel: Panel) -> None:
        """Go the whole way."""
        self._farewell = b""
        self._ahead = deque((*self._steps, "stream"))
        self._next(panel)

    def look(self, panel: Panel) -> None:
        """Read the status once, then stream again."""
        self._ahead = deque(("status", "stream"))
        self._next(panel)

    def doing(self) -> tuple[str, ...]:
        """Return the flag of what is being done to the device, none while it streams."""
        return (FLAGS[self.step],) if self.step in FLAGS else ()

    def ask(self, heard_ns: Nanoseconds, now: Nanoseconds) -> bytes:
        """Return the command that is due. `heard_ns` is when a line of the wanted kind last came."""
        if self._farewell:      # alone, so that the device has a turn of ours to carry it out
            said, self._farewell = self._farewell, b""
            return said
        if self._begun is None:
            self._begun = self._said = now
            first: dict[Step, bytes] = {
                "status": PRINT_OFF, "start": AUTO_START, "zero": self._zero, "calibrate": CALIBRATE}
            return first.get(self.step, self._print)
        if self.step in {"status", "stream"} and now - max(self._said, heard_ns) >= AGAIN_NS:
            self._said = now
            return PRINT_OFF if self.step == "status" else self._print
        return b""

    def block(self, panel: Panel, now: Nanoseconds) -> list[Fault]:
        """Take note of a whole status block, and go on where it shows that a step is done."""
        if self.step == "status" and panel.blocks - self._blocks >= STATUS_BLOCKS:
            self._complaint.settled()
            return self._after_status(panel, now)
        if self.step == "start" and panel.locked():
            return self._after_status(panel, now)
        if self.step == "zero":
            self._coils.append(panel.coils_pt())
            moved = max(max(axis) - min(axis) for axis in zip(*self._coils, strict=True))
            if panel.zeroed() and len(self._coils) == STEADY_BLOCKS and moved <= STEADY_PT:
                self._farewell = ZERO_OFF
                return self._after_status(panel, now)
        return []

    def calibrated(self, panel: Panel) -> None:
        """Take note that the device said how it was calibrated."""
        if self.step == "calibrate":
            self._next(panel)

    def streaming(self) -> None:
        """Take note that field values come."""
        self._complaint.settled()

    def late(self, panel: Panel, heard_ns: Nanoseconds, now: Nanoseconds) -> list[Fault]:
        """Return the fault of a step that takes too long, and go on to the next one."""
        if self._begun is None or now - self._begun < STEP_NS_MAX[self.step]:
            return []
        if self.step == "stream":
            late = now - heard_ns >= STEP_NS_MAX["stream"]
            return self._complaint.failed("no answer", "Print ON, but no field values come", now) if late else []
        if self.step == "status":
            self._begun = now
            return self._complaint.failed("no answer", "Print OFF, but no status comes", now)
        seconds = STEP_NS_MAX[self.step] // NS
        failed = {
            "start": Fault("start failed", f"no locks of laser and cell temperature in {seconds} s", now),
            "zero": Fault("zeroing failed", f"coils not steady, or lamp 4 off, after {seconds} s", now),
            "calibrate": Fault("calibration failed", f"no word of it in {seconds} s", now),
        }[self.step]
        self._farewell = ZERO_OFF if self.step == "zero" else b""
        return [failed, *self._after_status(panel, now)]

    def _after_status(self, panel: Panel, now: Nanoseconds) -> list[Fault]:
        self._next(panel)
        if self.step == "start" and panel.locked():
            self._next(panel)   # the line was opened anew, not the sensor: a start would cost minutes
        if self.step == "calibrate" and not panel.zeroed():
            self._next(panel)
            return [Fault("calibration failed", "the field must be zeroed first, and lamp 4 is off", now)]
        return []

    def _next(self, panel: Panel) -> None:
        self.step = self._ahead.popleft()
        self._begun = None
        self._blocks = panel.blocks
        self._coils.clear()
        if self.step == "calibrate":
            panel.factors = None

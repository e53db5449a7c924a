"""What the emulated Twinleaf magnetometers can replay: their row in the table of emulated instruments. Pure.

Rule: a scene says in its name what is unusual in it; all are seeded.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from hil.emulated import Emulated
from hil.instruments.twinleaf import TwinleafDevice
from hil.instruments.twinleaf_hub import Hub
from hil.instruments.twinleaf_legacy import LegacyDevice
from hil.instruments.twinleaf_packets import Nameplate
from hil.instruments.twinleaf_text import PrintingDevice
from hil.scene.lane import Lane, Pass, Sensor, vector_source
from hil.scene.tumble import Tumble, tumble_source

if TYPE_CHECKING:
    from hil.emulated import Wish
    from hil.instruments.twinleaf import FieldSource
    from hil.wire import ByteDevice

TROLLEY = (2.0, 0.5, -4.0)     # A m^2: a hand trolley's worth of steel, an assumption
PASS_EVERY_S, PASSES = 40.0, 2160  # for a day

REBOOT_EVERY_NS = 20_000_000_000
WRAP_SAMPLES = 500              # the 24-bit sample number is used up after so many: 5 s


class Rebooting:
    """A device that loses power every now and then, and comes up with another boot id."""

    def __init__(self, device: TwinleafDevice | LegacyDevice, every_ns: int, seed: int) -> None:
        self._device = device
        self._every_ns = every_ns
        self._chance = random.Random(seed)
        self._due: int | None = None

    def opened(self, now: int) -> bytes:
        """Pass it on."""
        return self._device.opened(now)

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Pass it on."""
        return self._device.feed(chunk, now)

    def poll(self, now: int) -> bytes:
        """Return what the device sends, after a boot where one is due."""
        if self._due is None:
            self._due = now + self._every_ns
        if now >= self._due:
            self._due = now + self._every_ns
            self._device.reboot(self._chance.getrandbits(32), now)
        return self._device.poll(now)


def lane_of(scene: str, seed: int) -> Lane:
    """Return a quiet lane, or one through which a trolley passes every 40 s, the first time after 20 s."""
    passes = tuple(Pass(TROLLEY, PASS_EVERY_S * (n + 0.5), closest_m=0.8) for n in range(PASSES))
    return Lane(seed=seed, passes=passes if scene == "trolley" else ())


def magnetometer(wish: Wish) -> ByteDevice:
    """Return a magnetometer in the lane, turned over by a patient technician, or unusual as the scene says."""
    if wish.scene == "tumble":
        return TwinleafDevice(tumble_source(Tumble(seed=wish.seed)), bare=wish.packets)
    lane = lane_of(wish.scene, wish.seed)
    source = vector_source(lane, Sensor(key=wish.seed))
    plain = TwinleafDevice(source, bare=wish.packets)
    if wish.scene == "hub":
        return hub(lane, wish)
    if wish.scene in {"text", "text-one-way"}:
        return printing(source, plain, wish)
    if wish.scene in {"gen-1", "gen-1-reboot"}:
        legacy = LegacyDevice(source, bare=wish.packets)
        return legacy if wish.scene == "gen-1" else Rebooting(legacy, REBOOT_EVERY_NS, wish.seed)
    if wish.scene == "wrap":
        return TwinleafDevice(source, bare=wish.packets, first_sample=(1 << 24) - WRAP_SAMPLES)
    return Rebooting(plain, REBOOT_EVERY_NS, wish.seed) if wish.scene == "reboot" else plain


def hub(lane: Lane, wish: Wish) -> Hub:
    """Return a hub with one sensor at route /1, and another behind a second hub at /0/2."""
    def sensor(number: int) -> TwinleafDevice:
        source = vector_source(lane, Sensor(key=wish.seed + number))
        return TwinleafDevice(source, bare=True, plate=Nameplate(serial=f"VMR.R8.SIM{number}"))

    near, far = sensor(1), sensor(2)
    return Hub({0: Hub({2: far}, bare=True), 1: near}, bare=wish.packets)


def printing(source: FieldSource, plain: TwinleafDevice, wish: Wish) -> PrintingDevice:
    """Return a device that prints: until it hears a packet, or for ever where its cable carries one way only."""
    if wish.packets:
        raise ValueError(f"scene {wish.scene!r}: text comes over a serial line; over TCP every device speaks packets")
    return PrintingDevice(source, plain if wish.scene == "text" else None)


ROW = Emulated(
    "twinleaf",
    "vector magnetometer",
    ("quiet", "trolley", "tumble", "reboot", "wrap", "hub", "gen-1", "gen-1-reboot", "text", "text-one-way"),
    make_bytes=magnetometer,
)

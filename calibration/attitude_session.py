"""One calibration session at the bay: what a magnetometer's driver delivers, turned into held attitudes.

One device, one stream and three axes for the whole session; anything that casts doubt on a hold ends that hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibration.attitude import AttitudeCollector, Holding
from drivers.sample import Fault, Sample

if TYPE_CHECKING:
    from drivers.sample import Event, Identity

QUANTITY = "magnetic flux density"
UNIT = "nT"


class SessionRefused(ValueError):
    """This device cannot be calibrated this way, or is no longer the one the session began with."""


class AttitudeSession:
    """Takes events and collects attitudes from the first stream that has the three axes.

    `channels` names the axes; without it they are the stream's first three channels in nT.
    """

    def __init__(self, wanted: int, holding: Holding, channels: tuple[str, ...] = ()) -> None:
        self._wanted = wanted
        self._holding = holding
        self._asked = channels
        self._stream = ""
        self._next_row = 0
        self._index: list[int] = []
        self.channels: tuple[str, str, str] | None = None
        self.device: Identity | None = None
        self.collector: AttitudeCollector | None = None
        self.last_fault: Fault | None = None
        self.streams_seen: dict[str, tuple[str, ...]] = {}  # bounded by the device: a protocol's streams

    @property
    def complete(self) -> bool:
        """Whether as many attitudes were held as were wanted."""
        return self.collector is not None and self.collector.complete

    def take(self, event: Event) -> int:
        """Take one event and return how many attitudes it completed; raises `SessionRefused`."""
        if isinstance(event, Fault):
            self.last_fault = event
            if self.collector is not None:
                self.collector.interrupt()
        if not isinstance(event, Sample):
            return 0
        if self.collector is None:
            self._begin(event)
        if self.collector is None or event.stream != self._stream:
            return 0
        self._same_device(event)
        if event.first_row != self._next_row or event.flags:
            self.collector.interrupt()
        self._next_row = event.first_row + len(event.values)
        # "saturated", "segment changed": whatever the device doubts does not become a calibration.
        return 0 if event.flags else self.collector.feed(event.values[:, self._index])

    def why_nothing(self) -> str:
        """Say why no attitude can be collected so far, for a technician."""
        if self.streams_seen:
            seen = "; ".join(f"{name}: {', '.join(channels)}" for name, channels in self.streams_seen.items())
            wanted = ", ".join(self._asked) or f"three channels of {QUANTITY} in {UNIT}"
            return f"no stream has {wanted}; the device delivers {seen}"
        fault = self.last_fault
        return f"no sample came; {fault.kind}: {fault.detail}" if fault else "no sample came"

    def _begin(self, sample: Sample) -> None:
        """Start with this stream if it is polled at a known rate and has the three axes."""
        self.streams_seen[sample.stream] = tuple(f"{c.name} ({c.unit})" for c in sample.channels)
        names = {channel.name: at for at, channel in enumerate(sample.channels)
                 if (channel.quantity, channel.unit) == (QUANTITY, UNIT)}
        axes = self._asked or tuple(names)[:3]
        if sample.rate_hz is None or len(axes) != 3 or not set(axes) <= set(names):
            return
        if not sample.device.serial:
            raise SessionRefused(f"{sample.device.make} {sample.device.model} does not tell a serial number: a "
                                 "certificate could not be tied to it")
        self.device, self.channels, self._stream = sample.device, (axes[0], axes[1], axes[2]), sample.stream
        self._index = [names[axis] for axis in axes]
        self._next_row = sample.first_row
        self.collector = AttitudeCollector(sample.rate_hz, self._wanted, self._holding)

    def _same_device(self, sample: Sample) -> None:
        if sample.device != self.device:
            raise SessionRefused(f"the session began with {self.device}, now {sample.device} is connected: "
                                 "start again with one sensor")

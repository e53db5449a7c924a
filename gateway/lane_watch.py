"""Look for something ferrous moving past in every stream of a magnetometer, and say when to tell of it. Pure.

Each stream has a detector and a passage of its own: what one stream says is neither gap nor quiet in another.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.passing import Moment, Passing

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from calibration.reading import Reading
    from gateway.lane.anomaly import PassDetector

STREAMS_MAX = 16  # sensors have two or three; of a device that goes on inventing names the oldest is forgotten


class LaneWatch:
    """The detectors of one instrument, made by `detector` as its streams appear."""

    def __init__(self, detector: Callable[[], PassDetector], reading_s: float) -> None:
        """Take how to make a detector, and how long one reading is."""
        self._detector = detector
        self._reading_s = reading_s
        self._streams: dict[str, tuple[PassDetector, Passing]] = {}

    def take(self, reading: Reading, receipt: Future[int]) -> Moment | None:
        """Take the next reading of any stream, with its receipt from the journal; return what is to be told now."""
        detector, passing = self._of(reading.stream)
        anomaly = detector.feed(reading)
        told = passing.take(Moment(anomaly, reading, receipt) if anomaly else None)
        return replace(told, anomaly=detector.measured(told.anomaly)) if told else None

    def hurry(self) -> list[Moment]:
        """Return what is not yet told of objects that are passing: nobody knows when the next reading comes."""
        held = [(detector, passing.hurry()) for detector, passing in self._streams.values()]
        return [replace(told, anomaly=detector.measured(told.anomaly)) for detector, told in held if told is not None]

    @property
    def learning(self) -> tuple[str, ...]:
        """Return the streams in which nothing would be noticed now: their background is not learnt yet."""
        return tuple(stream for stream, (detector, _) in self._streams.items() if detector.learning)

    def _of(self, stream: str) -> tuple[PassDetector, Passing]:
        if stream not in self._streams:
            if len(self._streams) >= STREAMS_MAX:
                del self._streams[next(iter(self._streams))]
            self._streams[stream] = self._detector(), Passing(self._reading_s)
        return self._streams[stream]

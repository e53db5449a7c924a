"""A spectrometer that hands out NQRduck measurement files over TCP. Written from the format, not from the reader.

Source: the published records of nqrduck/Thesis (older layout). There is no such instrument on a serial line.
It says in each file that it is emulated.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from hil.emulated import Emulated, Wish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drivers.sample import Nanoseconds

EVERY_NS = 5_000_000_000        # one measurement; real ones take minutes of averaging
PIECE_BYTES, PIECE_NS = 1024, 100_000_000   # slow enough for any line, so that none loses a part of a file

# The published records' spectrometer: rate, carrier and offset of the line; fewer points, to be light.
RATE_HZ = 30.72e6
CARRIER_HZ, OFFSET_HZ = 83.56e6, 5e6
POINTS = 512

# An echo as wide as the published one, in units of the noise of one point, at an eighth of the window's length.
ECHO_AMPLITUDE, ECHO_US, ECHO_WIDTH_US = 3.0, 16.0, 6.0


def measurement_text(points: NDArray[np.complex128], start_us: float = 0.0, *, newer: bool = False) -> str:
    """Return a measurement as a file of either layout. Points are complex [point], or [point, data set] if newer."""
    times = [start_us + n * 1e6 / RATE_HZ for n in range(len(points))]
    frequencies = {"target_frequency": CARRIER_HZ, "IF_frequency": OFFSET_HZ}
    if newer:
        columns = points.reshape(len(points), -1)
        tdy = [columns.real.tolist(), columns.imag.tolist()]
        return json.dumps({"name": "emulated", "tdx": times, "tdy": tdy, **frequencies, "fits": []})
    pairs = [[point.real, point.imag] for point in points.tolist()]
    return json.dumps({"tdx": times, "tdy": pairs, **frequencies, "name": "emulated"})


def echo_points(chance: np.random.Generator, amplitude: float, count: int = POINTS) -> NDArray[np.complex128]:
    """Return noise of unit variance per part, and an echo of that amplitude at the line's offset."""
    noise = chance.standard_normal((count, 2)) @ np.array([1.0, 1j])
    times_us = np.arange(count) * 1e6 / RATE_HZ
    shape = np.exp(-(((times_us - ECHO_US) / ECHO_WIDTH_US) ** 2))
    turns = np.exp(2j * np.pi * (OFFSET_HZ * times_us * 1e-6 + chance.random()))
    return np.asarray(np.round(noise + amplitude * shape * turns, 4))


class Spectrometer:
    """Sends one file every five seconds, while somebody is connected."""

    def __init__(self, amplitude: float, seed: int) -> None:
        self._amplitude = amplitude
        self._chance = np.random.default_rng(seed)
        self._unsent = b""
        self._due: Nanoseconds = 0
        self._next: Nanoseconds = 0

    def opened(self, now: Nanoseconds) -> bytes:
        """Begin a new file: half of one means nothing to the next host."""
        self._unsent, self._due = b"", now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Listen to nobody."""
        del chunk, now
        return b""

    def poll(self, now: Nanoseconds) -> bytes:
        """Return the next piece of a file."""
        if now < self._due:
            return b""
        if not self._unsent:
            self._next = now + EVERY_NS
            self._unsent = (measurement_text(echo_points(self._chance, self._amplitude)) + "\n").encode()
        piece, self._unsent = self._unsent[:PIECE_BYTES], self._unsent[PIECE_BYTES:]
        self._due = now + PIECE_NS if self._unsent else max(self._next, now)
        return piece


def _make(wish: Wish) -> Spectrometer:
    return Spectrometer(ECHO_AMPLITUDE if wish.scene == "sample" else 0.0, wish.seed)


ROW = Emulated("nqrduck", "spectrometer that hands out measurement files (TCP)", ("sample", "empty"), make_bytes=_make)

"""NQRduck measurement files: I/Q records of a pulsed NQR spectrometer. No I/O and no clock in this file.

Rule: a record says its rate and frequencies itself; what is no measurement is told and left out.

Quantity   receiver signal in arbitrary units, already averaged; only ratios inside one file mean anything
Range      none is stated
Rate       as recorded, 30.72 MS/s in the published hardware records
Line       none: the bytes of a file are the stream (port file:PATH, or tcp://); several files may follow each other
Uncertainty none is stated in the format, and no unit of field or voltage can be recovered from it
Source     nqrduck/Thesis, PyPI quackseq 0.0.2 and nqrduck-broadband 0.0.15
Faults     "bad file": bytes that are no measurement, with the reason
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivers.driver import DriverOptions, Instrument, LineSettings
from drivers.json_objects import Damage, ObjectCutter
from drivers.nqrduck_file import FILE_BYTES_MAX, Measurement, MeasurementRefused, read_measurements
from drivers.sample import Channel, Event, Fault, Identity, Sample

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds

# Two columns of these fill a record; a longer measurement becomes several readings, one behind the other.
PIECE_ROWS = 3000


class NqrduckDriver:
    """Turns each measurement into samples with the columns I and Q; one stream for each data set."""

    def __init__(self, options: DriverOptions) -> None:
        del options
        self._cutter = ObjectCutter(FILE_BYTES_MAX)

    def opened(self, now: Nanoseconds) -> None:
        """Forget half a file."""
        del now
        self._cutter = ObjectCutter(FILE_BYTES_MAX)

    def ask(self, now: Nanoseconds) -> bytes:
        """Ask nothing."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> list[Event]:
        """Return the samples of each measurement that is complete."""
        events: list[Event] = []
        for found in self._cutter.feed(chunk):
            if isinstance(found, Damage):
                events.append(Fault("bad file", f"{found.size} bytes: {found.why}", now))
                continue
            try:
                measurements = read_measurements(found)
            except MeasurementRefused as refused:
                events.append(Fault("bad file", str(refused), now))
                continue
            events += [sample for one in measurements for sample in _samples(one, found, now)]
        return events


def _samples(measurement: Measurement, raw: bytes, now: Nanoseconds) -> list[Event]:
    """Return the record in pieces that fit a reading; each names the whole file's bytes as what it came from."""
    at = f"baseband of {measurement.carrier_hz:.0f} Hz, shifted by {measurement.line_offset_hz:+.0f} Hz"
    channels = tuple(Channel(name, f"NQR signal, {at}", "1") for name in ("I", "Q"))
    device = Identity("NQRduck", "measurement file", "", "")
    samples: list[Event] = []
    for number, column in enumerate(measurement.points.T):
        values = np.stack([column.real, column.imag], axis=1)
        stream = f"{measurement.carrier_hz / 1e6:.6g} MHz set {number} from {measurement.start_us:.6g} us"
        samples += [
            Sample(device, stream, channels, values[row:row + PIECE_ROWS], measurement.rate_hz, row, now, raw)
            for row in range(0, len(values), PIECE_ROWS)]
    return samples


INSTRUMENT = Instrument(
    name="nqrduck",
    title="NQRduck measurement file",
    quantity="NQR signal",
    unit="1",
    line=LineSettings(115_200),     # never opened: the records come from a file
    source="nqrduck/Thesis records, quackseq 0.0.2, nqrduck-broadband 0.0.15",
    make=NqrduckDriver,
    kind="stream",
    uncertainty="arbitrary units, no uncertainty stated; ratios inside one file alone",
    speaks=True,
    silent_s_max=3600.0,            # a file is there or not; over TCP one comes when a measurement is done
)

"""An emulated Twinleaf vector magnetometer, TIO of the second generation. No I/O; bytes in, bytes out.

Rule: it behaves as the protocol's description says and the vendor's own client expects.

Source: twinleaf/libtio, doc/TIO Protocol Overview.md; twinleaf/twinleaf-rust, twinleaf-tools simulate.rs.
Stream "field": vector.x, vector.y, vector.z in nT from a field source, and therm in C, all 32-bit floats.
A real VMR's names of stream and columns are not known. `dev.port.rate` answers, but changes no speed.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hil.instruments import twinleaf_calls as calls
from hil.instruments import twinleaf_packets as packets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    # (start in seconds since power-on, number of samples, rate in Hz) -> [n, 3] in nT
    FieldSource: TypeAlias = Callable[[float, int, float], NDArray[np.float64]]

STREAM = 1
STREAM_NAME = "field"
COLUMNS = (
    packets.ColumnPlate("vector.x", "nT", "Field X"),
    packets.ColumnPlate("vector.y", "nT", "Field Y"),
    packets.ColumnPlate("vector.z", "nT", "Field Z"),
    packets.ColumnPlate("therm", "C", "Temperature"),
)
SAMPLE_BYTES = 4 * len(COLUMNS)

BOOT_ID = 0x1234ABCD
START_UNIX_S = 1_760_000_000

NS = 1_000_000_000
HEARTBEAT_NS = NS // 2      # as the vendor's simulator does
PERIODIC_NS = NS // 4       # one record of the description at a time, in turn
HOST_GONE_NS = 2 * NS       # the vendor's simulator forgets a silent host then; the next word is a new host's

RATE_HZ_MIN, RATE_HZ_MAX = 0.1, 600.0   # 600 Hz of 16 bytes in batches fill 90 % of 115200 baud
SINGLES_HZ_MAX = 380.0                  # 30 bytes a packet: 115200 baud carry no more of them
BATCHES_HZ = 100.0                      # above that, about so many packets a second

PACKETS_A_POLL_MAX = 100    # 3 kB; a poll must not take long
LATE_NS_MAX = 2 * NS        # a device that was not polled for longer has lost those samples

PORT_RATES = (9600, 115_200, 230_400, 460_800, 921_600)

PERIODIC, UPDATE, LAST = 1, 2, 4


def steady_field(
    rng: np.random.Generator,
    field_nt: tuple[float, float, float] = (21000.5, -500.25, 43210.5),
    noise_nt: float = 0.1,
) -> FieldSource:
    """Return a source of a constant field with white noise (standard deviation per axis and sample)."""
    def field(start_s: float, count: int, rate_hz: float) -> NDArray[np.float64]:
        del start_s, rate_hz    # the same everywhere and always
        return np.asarray(field_nt) + noise_nt * rng.standard_normal((count, 3))
    return field


class TwinleafDevice:
    """One device. `bare` is TCP, without framing; times are monotonic nanoseconds of the caller's.

    `samples_max` is where a segment ends by itself (2^24 by the protocol; less to see it happen), `first_sample`
    the number of the first sample after power-on, as if the segment had begun so much earlier.
    """

    def __init__(  # noqa: PLR0913  # what is on its plate, and what tests see happen sooner
        self,
        source: FieldSource,
        *,
        bare: bool = False,
        rate_hz: float = 100.0,
        plate: packets.Nameplate | None = None,
        samples_max: int = 1 << 24,
        first_sample: int = 0,
    ) -> None:
        self._source = source
        self._bare = bare
        self._plate = plate or packets.Nameplate()
        self._samples_max = samples_max
        self._first_sample = first_sample
        self._host = packets.HostBytes(bare=bare)
        self._host_heard: int | None = None
        self._calls = calls.CallTable(self._table())
        self._port_rate = 115_200
        self._power_on: int | None = None
        self._boot_id = BOOT_ID
        self._announce: list[bytes] = []    # what a change of rate or a boot makes the device say next
        self._now = 0
        since_unix_s = START_UNIX_S - int(first_sample / rate_hz)
        self._segment = packets.SegmentState(0, since_unix_s, *_fraction(rate_hz))
        self._segment_start = 0
        self._sample = 0

    def opened(self, now: int) -> bytes:
        """Take note of a new connection; over TCP the device introduces itself at once."""
        self._clock(now)
        self._host = packets.HostBytes(bare=self._bare)
        self._host_heard = now if self._bare else None
        return self._wire(self._greeting()) if self._bare else b""

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes and return the answers."""
        self._clock(now)
        answers: list[bytes] = []
        if self._host_heard is None or now - self._host_heard > HOST_GONE_NS:
            answers += self._greeting()
        self._host_heard = now
        for request in self._host.feed(chunk):
            if request[0] == 2 and not request[1] & 0x0F:   # only calls, and only this device: no hub here
                answers.append(self._calls.answer(request[4:]))
                answers += self._said()
        return self._wire(answers)

    def poll(self, now: int) -> bytes:
        """Return what the device sends by itself by now: samples, heartbeats, its description in turn."""
        self._clock(now)
        sent = self._said() + self._beats(now)
        batch = self._batch()
        if now - self._due_at(batch) > LATE_NS_MAX:
            self._sample = int((now - self._segment_start) * self._segment.rate_hz / NS)
        for _ in range(PACKETS_A_POLL_MAX):
            if self._due_at(batch) > now:
                break
            if self._sample + batch > self._samples_max:
                self._new_segment(self._due_at(0), self._segment.sampling_hz, self._segment.decimation)
                sent += self._said()
                continue
            sent.append(self._samples(batch))
        return self._wire(sent)

    def reboot(self, boot_id: int, now: int) -> None:
        """Start anew, as after a loss of power: another boot id, segment 0, sample 0, no host known."""
        self._power_on = None
        self._first_sample = 0
        self._boot_id = boot_id
        self._host = packets.HostBytes(bare=self._bare)
        self._host_heard = now if self._bare else None
        self._segment = packets.SegmentState(
            0, START_UNIX_S, self._segment.sampling_hz, self._segment.decimation)
        self._clock(now)
        self._announce = self._greeting()

    def _clock(self, now: int) -> None:
        self._now = now
        if self._power_on is None:
            self._power_on = now
            self._sample = self._first_sample
            self._segment_start = now - round(self._sample * NS / self._segment.rate_hz)
            self._heartbeat_due = self._periodic_due = now
            self._periodic_turn = 0

    def _wire(self, bare: list[bytes]) -> bytes:
        return b"".join(bare if self._bare else map(packets.on_serial_line, filter(None, bare)))

    def _said(self) -> list[bytes]:
        said, self._announce = self._announce, []
        return said

    def _records(self) -> list[tuple[int, bytes]]:
        return [
            packets.device_record(self._plate, self._boot_id, 1),
            packets.stream_record(STREAM, STREAM_NAME, len(COLUMNS), SAMPLE_BYTES),
            packets.segment_record(STREAM, self._segment, self._plate.serial, self._boot_id),
            *(packets.column_record(STREAM, index, column) for index, column in enumerate(COLUMNS)),
        ]

    def _greeting(self) -> list[bytes]:
        *first, last = self._records()
        return [
            packets.setting("rpc.hash", self._calls.digest.to_bytes(4, "little")),
            packets.heartbeat(self._boot_id),
            *(packets.metadata(record, UPDATE) for record in first),
            packets.metadata(last, UPDATE | LAST),
        ]

    def _beats(self, now: int) -> list[bytes]:
        beats = []
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_NS
            beats.append(packets.heartbeat(self._boot_id))
        if now >= self._periodic_due:
            self._periodic_due = now + PERIODIC_NS
            records = self._records()
            turn = self._periodic_turn = (self._periodic_turn + 1) % len(records)
            flags = PERIODIC | (LAST if turn == len(records) - 1 else 0)
            beats.append(packets.metadata(records[turn], flags))
        return beats

    def _batch(self) -> int:
        rate_hz = self._segment.rate_hz
        return 1 if rate_hz <= SINGLES_HZ_MAX else math.ceil(rate_hz / BATCHES_HZ)

    def _due_at(self, more: int) -> int:
        """Return when the sample `more` from here is over."""
        return self._segment_start + round((self._sample + more) * NS / self._segment.rate_hz)

    def _samples(self, count: int) -> bytes:
        rate_hz = self._segment.rate_hz
        start_s = (self._due_at(1) - (self._power_on or 0)) / NS
        rows = np.empty((count, len(COLUMNS)), "<f4")
        rows[:, :3] = self._source(start_s, count, rate_hz)
        rows[:, 3] = 30.0 + 0.5 * np.sin(start_s / 100.0)   # a warm room, breathing
        sent = packets.samples(STREAM, self._sample, self._segment.number, rows.tobytes())
        self._sample += count
        return sent

    def _new_segment(self, start: int, sampling_hz: int, decimation: int) -> None:
        unix_s = START_UNIX_S + (start - (self._power_on or 0)) // NS
        number = (self._segment.number + 1) % 256
        self._segment = packets.SegmentState(number, unix_s, sampling_hz, decimation)
        self._segment_start, self._sample = start, 0
        record = packets.segment_record(STREAM, self._segment, self._plate.serial, self._boot_id)
        self._announce.append(packets.metadata(record, UPDATE))

    def _table(self) -> list[calls.Call]:
        plate = self._plate
        text = {
            "dev.name": plate.name, "dev.desc": plate.description, "dev.serial": plate.serial,
            "dev.model": plate.model, "dev.firmware.hash": plate.firmware,
            "dev.firmware.serial": plate.serial,
        }
        return [
            *(calls.reading(name, calls.TEXT_READ, words.encode) for name, words in text.items()),
            calls.reading("dev.revision", calls.U16_READ, lambda: struct.pack("<H", plate.revision)),
            calls.reading("dev.session", calls.U32_READ, lambda: struct.pack("<I", self._boot_id)),
            calls.reading("dev.systime", calls.U64_READ, self._systime),
            calls.Call("dev.metadata", calls.RAW, self._metadata),
            calls.setting_of("dev.port.rate", calls.U32_BOTH, self._read_port_rate, self._write_port_rate),
            calls.Call("dev.port.rate.near", calls.U32_BOTH, self._near_port_rate),
            calls.setting_of("data.rate", calls.F32_BOTH, self._read_rate, self._write_rate),
        ]

    def _systime(self) -> bytes:
        return struct.pack("<Q", (self._now - (self._power_on or 0)) // 1000)

    def _metadata(self, argument: bytes) -> bytes:
        if len(argument) % 3:
            raise calls.CallRefused(calls.WRONG_SIZE)
        wanted = [tuple(argument[i:i + 3]) for i in range(0, len(argument), 3)]
        chosen = [self._record(*what) for what in wanted] if wanted else self._records()
        answer = b""
        for kind, body in chosen:
            entry = bytes((kind, len(body))) + body
            if wanted or len(answer) + len(entry) <= packets.PAYLOAD_ROOM - 2:
                answer += entry
        return answer

    def _record(self, kind: int, stream: int, index: int) -> tuple[int, bytes]:
        device, stream_record, segment, *columns = self._records()
        known = {(1, index): device, (2, index): stream_record, (3, self._segment.number): segment}
        known |= {(4, number): column for number, column in enumerate(columns)}
        if (kind, index) not in known or (kind != 1 and stream != STREAM):
            raise calls.CallRefused(calls.INVALID)
        return known[kind, index]

    def _read_rate(self) -> bytes:
        return struct.pack("<f", self._segment.rate_hz)

    def _write_rate(self, argument: bytes) -> None:
        (rate_hz,) = struct.unpack("<f", argument)
        if not math.isfinite(rate_hz):
            raise calls.CallRefused(calls.INVALID)
        if not RATE_HZ_MIN <= rate_hz <= RATE_HZ_MAX:
            raise calls.CallRefused(calls.OUT_OF_RANGE)
        self._new_segment(self._now, *_fraction(rate_hz))

    def _read_port_rate(self) -> bytes:
        return struct.pack("<I", self._port_rate)

    def _write_port_rate(self, argument: bytes) -> None:
        (rate,) = struct.unpack("<I", argument)
        if rate not in PORT_RATES:
            raise calls.CallRefused(calls.OUT_OF_RANGE)
        self._port_rate = rate

    def _near_port_rate(self, argument: bytes) -> bytes:
        if len(argument) not in {0, 4}:
            raise calls.CallRefused(calls.WRONG_SIZE)
        target = struct.unpack("<I", argument)[0] if argument else self._port_rate
        return struct.pack("<I", min(PORT_RATES, key=lambda rate: abs(rate - target)))


def _fraction(rate_hz: float) -> tuple[int, int]:
    """Return sampling rate and decimation, whole numbers both, that come nearest."""
    return (round(rate_hz), 1) if rate_hz >= 1 else (1, round(1 / rate_hz))

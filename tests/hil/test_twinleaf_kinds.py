"""The unusual Twinleaf emulators do what the documents say, and the driver reads them as it should."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers import slip
from drivers.driver import DriverOptions, Setting
from drivers.sample import Event, Fault, Sample
from drivers.twinleaf import REBOOTED, SEGMENT_CHANGED, TwinleafDriver
from hil.emulated import Wish
from hil.instruments.twinleaf import TwinleafDevice, steady_field
from hil.instruments.twinleaf_hub import Hub
from hil.instruments.twinleaf_legacy import LegacyDevice
from hil.instruments.twinleaf_packets import Nameplate, on_serial_line, packet
from hil.instruments.twinleaf_scenes import ROW, Rebooting
from hil.instruments.twinleaf_text import PrintingDevice
from tests.drivers import legacy_vectors as golden

if TYPE_CHECKING:
    from hil.wire import ByteDevice

SECOND = 1_000_000_000
TURN_NS = SECOND // 40
STEADY = steady_field(np.random.default_rng(3))
NO_WORKER = ThreadPoolExecutor(1)   # a magnetometer computes nothing in the background; no thread is started


def scene(name: str, *, packets: bool = False) -> ByteDevice:
    """Return the emulated instrument in a scene."""
    if ROW.make_bytes is None:
        raise AssertionError("a magnetometer speaks bytes")
    return ROW.make_bytes(Wish(name, 5, 0, NO_WORKER.submit, packets=packets))


def talk(
    device: ByteDevice, seconds: float, settings: dict[str, Setting] | None = None, *, packets: bool = False,
) -> list[Event]:
    """Return what the driver makes of the device in so many seconds, turn by turn, without a real clock."""
    driver = TwinleafDriver(DriverOptions(packets=packets, settings=settings or {}))
    driver.opened(0)
    events: list[Event] = []
    said = device.opened(0)
    for now in range(0, int(seconds * SECOND), TURN_NS):
        events += driver.feed(said, now)
        said = device.feed(driver.ask(now), now) + device.poll(now)
    return events


def faults(events: list[Event]) -> list[str]:
    """Return the kinds of the faults."""
    return [event.kind for event in events if isinstance(event, Fault)]


def samples(events: list[Event], stream: str) -> list[Sample]:
    """Return the samples of one stream."""
    return [event for event in events if isinstance(event, Sample) and event.stream == stream]


def consecutive(packets: list[Sample]) -> bool:
    """Tell whether each sample follows the one before."""
    ends = [one.first_row + len(one.values) for one in packets[:-1]]
    return ends == [one.first_row for one in packets[1:]]


def framed(data: bytes) -> list[bytes]:
    """Return the bare packets of serial bytes."""
    return [one for one in slip.SlipReader().feed(data, 0) if isinstance(one, bytes)]


def call(name: str, argument: bytes = b"", route: bytes = b"") -> bytes:
    """Return a remote call as it goes over the serial line."""
    bare = packet(2, struct.pack("<HH", 7, 0x8000 | len(name)) + name.encode() + argument)
    return on_serial_line(bare[:1] + bytes((len(route),)) + bare[2:] + route)


def legacy(therm_period: int = 10) -> LegacyDevice:
    """Return a device of the first generation in a steady field, on a serial line."""
    return LegacyDevice(steady_field(np.random.default_rng(3), noise_nt=0.0), therm_period=therm_period)


def test_the_legacy_description_is_the_golden_one_byte_for_byte() -> None:
    """Timebase, both sources and the stream, when the temperature stands in every row."""
    to = legacy(1)
    to.opened(0)
    answer, *told = framed(to.feed(call("data.send_all"), 0))
    assert answer == bytes.fromhex("03 00 02 00 07 00")
    assert told == [golden.TIMEBASE_PACKET, golden.VECTOR_PACKET, golden.THERM_PACKET, golden.STREAM_PACKET]


def test_the_legacy_row_is_the_golden_one_byte_for_byte() -> None:
    """The golden floats at sample 7, in a row without temperature."""
    to = legacy()
    to.opened(0)
    rows = [one for one in framed(to.poll(SECOND // 10)) if one[0] == 128]
    assert rows[7] == golden.ROW_PACKET
    assert [len(one) for one in rows] == [24, *[20] * 9]


def test_the_legacy_table_of_calls_says_type_and_flags_of_each() -> None:
    """As the legacy host reads it: u8 type, u8 flags with readable and writable set, then the name."""
    to = legacy()
    to.opened(0)
    (count,) = framed(to.feed(call("rpc.list"), 0))
    entries = {}
    for index in range(int.from_bytes(count[6:], "little")):
        (entry,) = framed(to.feed(call("rpc.listinfo", index.to_bytes(2, "little")), 0))
        entries[entry[8:].decode()] = (entry[6], entry[7])
    assert entries["data.rate"] == (0x42, 0x83)
    assert entries["therm.data.active"] == (0x10, 0x83)
    assert entries["dev.desc"][0] == 0x03
    assert entries["data.send_all"][0] == 0x00


@pytest.mark.parametrize("packets", [False, True])
def test_the_driver_finds_the_first_generation_out_and_reads_it(packets: bool) -> None:  # noqa: FBT001  # a parameter
    """Nothing is set, over serial and TCP; field at 100 Hz, temperature at 10, no fault, no sample lost."""
    events = talk(scene("gen-1", packets=packets), 5, packets=packets)
    assert faults(events) == []
    field, therm = samples(events, "vector"), samples(events, "therm")
    assert (len(field) > 450, field[0].rate_hz, consecutive(field)) == (True, 100.0, True)
    assert (len(therm) > 45, therm[0].rate_hz, consecutive(therm)) == (True, 10.0, True)
    assert field[0].device.serial == "VMR.R4.SIM1"


def test_a_wanted_rate_is_taken_by_both_generations() -> None:
    """The new rate is read with the new description; nothing is read with the old one."""
    for device, stream in ((legacy(), "vector"), (TwinleafDevice(STEADY), "field")):
        events = talk(device, 5, {"rate_hz": 200})
        assert set(faults(events)) <= {"gap"}
        got = samples(events, stream)
        assert got[-1].rate_hz == 200.0
        late = [sample for sample in got if sample.seen_at > 3 * SECOND]
        assert 390 < sum(len(sample.values) for sample in late) < 410
        changed = [sample.rate_hz for sample in got if sample.flags == (SEGMENT_CHANGED,)]
        assert changed in ([200.0], [])     # empty: the rate was set before the first sample could be read


def test_a_rate_beyond_the_device_is_refused_and_said() -> None:
    """Out of range is the device's own word."""
    events = talk(scene("quiet"), 3, {"rate_hz": 5000})
    (fault,) = [event for event in events if isinstance(event, Fault)]
    assert (fault.kind, "out of range" in fault.detail) == ("rate refused", True)


@pytest.mark.parametrize("stream", ["field", "vector"])
def test_a_reboot_is_said_and_flagged_and_confuses_no_number(stream: str) -> None:
    """Of either generation: one fault for each boot, the first sample flagged, numbers from 0 on; no other fault."""
    device = TwinleafDevice(STEADY) if stream == "field" else legacy()
    events = talk(Rebooting(device, 3 * SECOND, 1), 8)
    assert faults(events) == ["rebooted"] * 2
    got = samples(events, stream)
    flagged = [index for index, sample in enumerate(got) if sample.flags]
    assert [got[index].flags for index in flagged] == [(REBOOTED,)] * 2
    assert all(got[index].first_row < 50 for index in flagged)
    first, second = flagged
    assert all(consecutive(part) for part in (got[:first], got[first:second], got[second:]))


@pytest.mark.parametrize("rate_hz", [100.0, 480.0])
def test_the_segment_changes_before_the_24_bit_number_wraps_and_no_sample_is_lost(rate_hz: float) -> None:
    """A device that was on for hours: its last number is below 2^24, the next sample is 0 of the next segment."""
    events = talk(TwinleafDevice(STEADY, rate_hz=rate_hz, first_sample=(1 << 24) - 1003), 14)
    assert faults(events) == []
    got = samples(events, "field")
    (turn,) = [index for index, sample in enumerate(got) if sample.flags]
    assert got[turn].flags == (SEGMENT_CHANGED,)
    assert got[turn].first_row == 0
    end = got[turn - 1].first_row + len(got[turn - 1].values)
    assert (1 << 24) - 5 < end <= 1 << 24
    assert consecutive(got[:turn])
    assert consecutive(got[turn:])


def test_a_hub_strips_and_appends_its_branch() -> None:
    """The golden routed call to /0/2 reaches the far sensor, and its answer comes back from there."""
    far = TwinleafDevice(STEADY, bare=True, plate=Nameplate(name="FAR"))
    to = Hub({0: Hub({2: far}, bare=True)})
    to.opened(0)
    answers = [one for one in framed(to.feed(call("dev.name", route=b"\x02\x00"), 0)) if one[0] == 3]
    assert answers == [bytes.fromhex("03 02 05 00 07 00") + b"FAR" + b"\x02\x00"]
    assert framed(to.feed(call("dev.name"), 0)) == [bytes.fromhex("03 00 05 00 07 00") + b"HUB"]
    assert to.feed(call("dev.name", route=b"\x09"), 0) == b""


@pytest.mark.parametrize("packets", [False, True])
@pytest.mark.parametrize(("route", "serial"), [("/1", "VMR.R8.SIM1"), ("/0/2", "VMR.R8.SIM2")])
def test_the_driver_reads_the_sensor_at_its_route(route: str, serial: str, packets: bool) -> None:  # noqa: FBT001  # as above
    """Each route gives its own sensor, without a fault, though the other one streams on the same line."""
    events = talk(scene("hub", packets=packets), 4, {"route": route}, packets=packets)
    assert faults(events) == []
    got = samples(events, "field")
    assert {sample.device.serial for sample in got} == {serial}
    assert (len(got) > 350, consecutive(got)) == (True, True)


def test_a_hub_that_is_taken_for_a_sensor_is_said_with_a_route_that_has_one() -> None:
    """A technician who forgot the route learns it; once."""
    (fault,) = talk(scene("hub"), 3)
    assert isinstance(fault, Fault)
    assert fault.kind == "no stream"
    assert '"/0/2": set settings.route' in fault.detail


def test_a_device_in_text_mode_is_put_into_binary_mode_by_the_first_heartbeat() -> None:
    """What it printed before is passed over."""
    events = talk(scene("text"), 4)
    assert faults(events) == []
    assert len(samples(events, "field")) > 350
    assert samples(events, "text") == []


def test_a_device_that_shall_print_is_left_to_print() -> None:
    """With the setting nothing is sent, so it goes on; lines are read, none is lost."""
    events = talk(scene("text"), 4, {"generation": "text"})
    assert faults(events) == []
    got = samples(events, "text")
    assert (len(got) > 390, consecutive(got), len(got[0].channels)) == (True, True, 5)


def test_a_device_that_hears_nothing_is_read_by_its_text() -> None:
    """A cable that carries one way only: after two seconds the lines are believed."""
    events = talk(scene("text-one-way"), 10)
    assert faults(events) == []
    got = samples(events, "text")
    assert (len(got) > 750, consecutive(got)) == (True, True)
    assert got[0].seen_at >= 2 * SECOND


@pytest.mark.parametrize(("fields", "line"), [
    (4, b"0 21000.500 -500.250 43210.500\r\n"),
    (10, b"0 21000.500 -500.250 43210.500 0.010 -0.020 0.980 0.100 0.000 -0.100\r\n"),
])
def test_the_printed_line_is_as_the_known_program_reads_it(fields: int, line: bytes) -> None:
    """Single spaces between decimals, CR LF."""
    to = PrintingDevice(steady_field(np.random.default_rng(3), noise_nt=0.0), fields=fields)
    to.poll(0)
    assert to.poll(SECOND // 100) == line


def test_the_scenes_are_the_same_for_the_same_seed() -> None:
    """Every scene, 1 s of it, byte for byte."""
    for name in ROW.scenes:
        first, second = scene(name), scene(name)
        for now in range(0, SECOND, TURN_NS):
            assert first.poll(now) == second.poll(now), name


def test_text_over_tcp_is_refused_with_the_rule() -> None:
    """Over TCP every device speaks packets."""
    with pytest.raises(ValueError, match="serial line"):
        scene("text", packets=True)

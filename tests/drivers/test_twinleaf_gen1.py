"""A device of the first generation is found out, read as its packets describe it, and believed no further."""

from __future__ import annotations

import random
import struct

import pytest

from drivers import slip, tio, tio_legacy
from drivers import tio_payload as payload
from drivers.driver import DriverOptions
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.twinleaf import REBOOTED, SEGMENT_CHANGED, TwinleafDriver
from tests.drivers import legacy_vectors as golden

SECOND = 1_000_000_000
LATE = 3 * SECOND
DESC = "Twinleaf VMR R4 (VMR.R4.17) [2019-06-08/000001]"
DESCRIPTION = golden.TIMEBASE_WIRE + golden.VECTOR_WIRE + golden.THERM_WIRE + golden.STREAM_WIRE


def packet(kind: int, body: bytes) -> bytes:
    """Return the wire bytes of a packet."""
    return slip.frame(tio.pack(tio.Packet(kind, body)))


def reply(number: int, value: bytes) -> bytes:
    """Return the wire bytes of an answer."""
    return slip.frame(tio.pack(payload.encode_reply(payload.Reply(number, value))))


def row(number: int, *values: float) -> bytes:
    """Return the wire bytes of one row of 32-bit floats."""
    return packet(128, struct.pack(f"<I{len(values)}f", number, *values))


def plan(*components: tuple[int, int], period: int = 1) -> bytes:
    """Return the wire bytes that announce a stream of (source, period)."""
    head = struct.pack("<HHIIQHH", 0, 0, period, 0, 0, len(components), 1)
    return packet(8, head + b"".join(struct.pack("<HHII", which, 0, every, 0) for which, every in components))


IDENTIFIED = reply(7856, DESC.encode())
ALONE = plan((1, 1))        # the vector without the temperature, as in the golden row


def described() -> TwinleafDriver:
    """Return a driver that reads the golden row."""
    driver = TwinleafDriver(DriverOptions())
    assert driver.feed(DESCRIPTION + ALONE + IDENTIFIED, LATE) == []
    return driver


def faults(events: list[Event]) -> list[str]:
    """Return the kinds of the faults."""
    return [event.kind for event in events if isinstance(event, Fault)]


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples."""
    return [event for event in events if isinstance(event, Sample)]


def calls(driver: TwinleafDriver, now: int) -> list[str]:
    """Return the names of the calls that the driver makes now."""
    found = [tio.unpack(data) for data in slip.SlipReader().feed(driver.ask(now), now) if isinstance(data, bytes)]
    return [payload.decode_request(p.payload).method for p in found if p.kind == tio.RPC_REQUEST]


def test_the_golden_packets_describe_timebase_sources_and_stream() -> None:
    """Every field that is used is found where the vendor's host finds it."""
    assert tio_legacy.decode_timebase(golden.TIMEBASE_PACKET[4:]) == tio_legacy.Timebase(0, 1, 0, 10_000, 1, 1)
    assert tio_legacy.decode_source(golden.VECTOR_PACKET[4:]) == tio_legacy.Source(
        1, 0, 3, 0x42, "vector", ("x", "y", "z"), "Magnetic field", "nT")
    assert tio_legacy.decode_source(golden.THERM_PACKET[4:]) == tio_legacy.Source(
        2, 0, 1, 0x42, "therm", (), "Temperature", "C")
    assert tio_legacy.decode_row_plan(golden.STREAM_PACKET[4:]) == tio_legacy.RowPlan(
        0, 0, 1, 1, (tio_legacy.Component(1, 1), tio_legacy.Component(2, 1)))


@pytest.mark.parametrize(("wire", "data"), [
    (golden.TIMEBASE_WIRE, golden.TIMEBASE_PACKET), (golden.VECTOR_WIRE, golden.VECTOR_PACKET),
    (golden.THERM_WIRE, golden.THERM_PACKET), (golden.STREAM_WIRE, golden.STREAM_PACKET),
    (golden.ROW_WIRE, golden.ROW_PACKET),
])
def test_the_golden_wires_hold_the_golden_packets(wire: bytes, data: bytes) -> None:
    """Framing and checksum are those of the second generation."""
    assert slip.SlipReader().feed(wire, 0) == [data]


def test_the_golden_row_is_read_with_the_golden_description() -> None:
    """Values, units, rate and number; the identity is the answer to `dev.desc`."""
    (sample,) = samples(described().feed(golden.ROW_WIRE, LATE))
    assert sample.values.tolist() == [[21000.5, -500.25, 43210.5]]
    assert sample.channels[0] == Channel("vector.x", "magnetic flux density", "nT")
    assert sample.device == Identity("Twinleaf", "VMR", "VMR.R4.17", "2019-06-08/000001")
    assert (sample.stream, sample.rate_hz, sample.first_row) == ("vector", 100.0, 7)
    assert (sample.raw, sample.flags) == (golden.ROW_PACKET, ())


def test_a_row_of_both_golden_sources_is_one_sample_of_four_channels() -> None:
    """Components of one period stand side by side."""
    driver = TwinleafDriver(DriverOptions())
    (sample,) = samples(driver.feed(DESCRIPTION + IDENTIFIED + row(0, 1, 2, 3, 30.5), 0))
    assert [channel.name for channel in sample.channels] == ["vector.x", "vector.y", "vector.z", "therm"]
    assert (sample.stream, sample.channels[3].unit, sample.values.tolist()) == ("vector+therm", "C", [[1, 2, 3, 30.5]])


def test_a_slower_component_is_a_stream_of_its_own_and_is_told_by_the_length_of_the_row() -> None:
    """Every fourth row holds the temperature; field rows stay consecutive, and so do the temperatures."""
    driver = TwinleafDriver(DriverOptions())
    wire = DESCRIPTION + plan((1, 1), (2, 4), period=2) + IDENTIFIED
    wire += b"".join(row(n, n, 0, 0, *([30.0 + n] if n % 4 == 0 else [])) for n in range(9))
    events = driver.feed(wire, 0)
    assert faults(events) == []
    field = [sample for sample in samples(events) if sample.stream == "vector"]
    therm = [sample for sample in samples(events) if sample.stream == "therm"]
    assert [(s.first_row, s.rate_hz) for s in field] == [(n, 50.0) for n in range(9)]
    assert [(s.first_row, s.rate_hz, s.values.tolist()) for s in therm] == [
        (0, 12.5, [[30.0]]), (1, 12.5, [[34.0]]), (2, 12.5, [[38.0]])]


def test_the_first_generation_is_found_out_by_its_stream_or_by_what_it_does_not_know() -> None:
    """A row or the refusal "not found" of `dev.metadata` is enough; then the driver asks as a legacy host does."""
    for evidence in (golden.ROW_WIRE, slip.frame(tio.pack(payload.encode_refusal(payload.Refusal(7855, 2, ""))))):
        driver = TwinleafDriver(DriverOptions())
        assert calls(driver, 0) == ["dev.metadata"]
        assert faults(driver.feed(evidence, 0)) == []
        assert calls(driver, SECOND) == ["dev.desc", "data.send_all"]
        assert calls(driver, SECOND + SECOND // 2) == []
        driver.feed(DESCRIPTION + ALONE, 2 * SECOND)
        assert calls(driver, 2 * SECOND) == ["dev.desc"]
        driver.feed(IDENTIFIED, 3 * SECOND)
        assert calls(driver, 9 * SECOND) == []


def test_a_device_that_refuses_to_describe_itself_is_said_once() -> None:
    """Without `data.send_all` there is no number to believe."""
    driver = TwinleafDriver(DriverOptions(settings={"generation": "1"}))
    refused = slip.frame(tio.pack(payload.encode_refusal(payload.Refusal(7857, 2, ""))))
    assert faults(driver.feed(refused * 3, 0)) == ["metadata refused"]


def test_a_device_that_does_not_say_who_it_is_is_read_without_a_name() -> None:
    """A refused `dev.desc` leaves the identity empty; an unusual answer is the model."""
    for answer, model in ((slip.frame(tio.pack(payload.encode_refusal(payload.Refusal(7856, 2, "")))), ""),
                          (reply(7856, b"CSB prototype"), "CSB prototype")):
        driver = TwinleafDriver(DriverOptions())
        (sample,) = samples(driver.feed(DESCRIPTION + ALONE + answer + golden.ROW_WIRE, 0))
        assert sample.device == Identity("Twinleaf", model, "", "")


def test_lost_rows_are_a_gap_with_its_size() -> None:
    """The device's own row numbers say how many are missing."""
    events = described().feed(row(7, 1, 2, 3) + row(10, 1, 2, 3), LATE)
    assert [event.detail for event in events if isinstance(event, Fault)] == ["stream 0: 2 samples lost before 10"]


def test_the_row_number_is_counted_on_beyond_its_32_bits() -> None:
    """After 2^32 rows the device begins again at 0; the numbers here go on, and a loss across is counted."""
    events = described().feed(row(2**32 - 2, 1, 2, 3) + row(2**32 - 1, 1, 2, 3) + row(1, 1, 2, 3), LATE)
    assert [sample.first_row for sample in samples(events)] == [2**32 - 2, 2**32 - 1, 2**32 + 1]
    assert faults(events) == ["gap"]


def test_a_row_number_that_goes_back_voids_the_description() -> None:
    """A boot whose announcement was lost is not read with the old units."""
    driver = described()
    driver.feed(row(100, 1, 2, 3), LATE)
    assert faults(driver.feed(row(3, 1, 2, 3), LATE)) == ["went back", "undescribed"]
    assert samples(driver.feed(row(4, 1, 2, 3), LATE)) == []
    assert "data.send_all" in calls(driver, LATE)
    assert len(samples(driver.feed(DESCRIPTION + ALONE + row(5, 1, 2, 3), LATE))) == 1


def test_a_boot_is_a_fault_and_flags_the_next_row() -> None:
    """Another boot id in a heartbeat; the row number may be anything then."""
    driver = described()
    beat = [slip.frame(tio.pack(payload.heartbeat(boot))) for boot in (5, 6)]
    driver.feed(beat[0] + row(100, 1, 2, 3), LATE)
    assert faults(driver.feed(beat[1], LATE)) == ["rebooted"]
    events = driver.feed(DESCRIPTION + ALONE + row(500, 1, 2, 3) + row(501, 1, 2, 3), LATE)
    assert faults(events) == []
    assert [sample.flags for sample in samples(events)] == [(REBOOTED,), ()]


def test_a_row_that_is_described_anew_is_flagged() -> None:
    """Another rate, or another set of sources, is not the stream it was."""
    driver = described()
    driver.feed(row(1, 1, 2, 3), LATE)
    events = driver.feed(plan((1, 1), period=5) + row(2, 1, 2, 3) + row(3, 1, 2, 3), LATE)
    assert [(sample.rate_hz, sample.flags) for sample in samples(events)] == [(20.0, (SEGMENT_CHANGED,)), (20.0, ())]


@pytest.mark.parametrize("broken", [
    row(8, 1, 2),                                                   # 8 bytes, described are 12
    row(8, 1, 2, 3, 4),
    packet(128, b"\x01"),
    packet(6, bytes(43)),
    packet(7, bytes(20)),
    packet(8, bytes(20)),
    packet(8, struct.pack("<HHIIQHH", 0, 0, 1, 0, 0, 3, 1)),       # three components promised, none there
    plan((1, 0)),                                                   # a rate of infinity
    packet(7, struct.pack("<HHIIiHHB", 1, 0, 1, 0, 0, 0, 3, 0x43) + b"odd"),
    packet(7, struct.pack("<HHIIiHHB", 1, 0, 1, 0, 0, 0, 0xFFFF, 0x42) + b"wide"),
])
def test_a_description_or_a_row_that_contradicts_itself_is_a_fault(broken: bytes) -> None:
    """Nothing is guessed, and nothing raises."""
    driver = described()
    events = driver.feed(broken, LATE)
    assert faults(events) == ["bad packet"]
    assert samples(events) == []
    driver.ask(2 * LATE)


def test_what_the_device_deletes_is_not_believed_any_longer() -> None:
    """A deleted timebase, source or stream leaves the rows unread."""
    gone = [
        packet(6, golden.TIMEBASE_PACKET[4:24] + b"\x02" + golden.TIMEBASE_PACKET[25:]),
        packet(7, golden.VECTOR_PACKET[4:20] + b"\x01" + golden.VECTOR_PACKET[21:]),
        packet(8, golden.STREAM_PACKET[4:26] + b"\x04" + golden.STREAM_PACKET[27:]),
    ]
    for delete in gone:
        driver = described()
        assert len(samples(driver.feed(row(1, 1, 2, 3), LATE))) == 1
        assert samples(driver.feed(delete + row(2, 1, 2, 3), LATE)) == []


@pytest.mark.parametrize("seed", range(2))
def test_senseless_descriptions_never_raise_and_fill_no_memory(seed: int) -> None:
    """Whatever update packets say, the driver answers with faults at most and keeps a bounded number of them."""
    rng = random.Random(seed)
    driver = described()
    for _ in range(8000):
        kind = rng.choice([6, 7, 8, 8, 128])
        body = bytearray(rng.choice([golden.TIMEBASE_PACKET, golden.VECTOR_PACKET, golden.STREAM_PACKET])[4:])
        for _ in range(rng.randrange(4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        driver.feed(packet(kind, bytes(body)), LATE)
        driver.ask(LATE)
    assert len(driver._first._told.sources) <= tio_legacy.ENTRIES_MAX
    assert len(driver._first._told.timebases) <= tio_legacy.ENTRIES_MAX


def test_a_driver_told_to_read_one_generation_does_not_read_the_other() -> None:
    """The setting rules; what speaks otherwise is said once."""
    driver = TwinleafDriver(DriverOptions(settings={"generation": "2"}))
    assert faults(driver.feed((DESCRIPTION + ALONE + golden.ROW_WIRE) * 3, 0)) == ["other generation"]
    driver = TwinleafDriver(DriverOptions(settings={"generation": "1"}))
    second = packet(129, bytes(20))
    assert faults(driver.feed(second * 3, 0)) == ["other generation"]
    assert calls(driver, 0) == ["dev.desc", "data.send_all"]

"""The Twinleaf driver reads what the device described, counts what it could not, believes nothing stale."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from drivers import slip, tio
from drivers import tio_metadata as metadata
from drivers import tio_payload as payload
from drivers.driver import DriverOptions
from drivers.sample import Channel, Event, Fault, Identity, Sample
from drivers.twinleaf import INSTRUMENT, REBOOTED, SEGMENT_CHANGED, TwinleafDriver
from tests.drivers.tio_vectors import COLUMN, DEVICE, RECORDS, SEGMENT, STREAM, STREAM_PACKET

CAPTURES = Path(__file__).parent.parent / "captures"
SECOND = 1_000_000_000
LATE = 3 * SECOND       # when the first seconds after opening are over
PLAIN = DriverOptions()
BARE = DriverOptions(packets=True)


def feed_all(driver: TwinleafDriver, chunks: list[bytes]) -> list[Event]:
    """Return all events of the chunks."""
    return [event for chunk in chunks for event in driver.feed(chunk, 7)]


def summary(events: list[Event]) -> list[object]:
    """Events as values that compare: arrays do not."""
    return [(e.device, e.stream, e.channels, e.values.tobytes(), e.rate_hz, e.first_row, e.raw, e.flags)
            if isinstance(e, Sample) else e for e in events]


def faults(events: list[Event]) -> list[Fault]:
    """Return the faults among the events."""
    return [event for event in events if isinstance(event, Fault)]


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples among the events."""
    return [event for event in events if isinstance(event, Sample)]


def told(*records: metadata.Record) -> bytes:
    """Return the wire bytes that announce the records."""
    return b"".join(slip.frame(tio.pack(metadata.encode_metadata(r, metadata.UPDATE))) for r in records)


def rows(first: int, count: int = 1, segment: int = 0, stream: int = 1) -> bytes:
    """Return the wire bytes of a stream packet of `count` samples."""
    data = np.arange(4 * count, dtype="<f4").tobytes()
    head = first.to_bytes(3, "little") + bytes([segment])
    return slip.frame(tio.pack(tio.Packet(tio.STREAM_0 + stream, head + data)))


COLUMNS = [replace(COLUMN, index=i) for i in range(4)]
ALL = told(DEVICE, STREAM, SEGMENT, *COLUMNS)


def described() -> TwinleafDriver:
    """Return a driver that knows all it needs."""
    driver = TwinleafDriver(PLAIN)
    assert driver.feed(ALL, 0) == []
    return driver


def asked(driver: TwinleafDriver, now: int) -> list[tio.Packet]:
    """Return the packets that the driver sends now."""
    found = slip.SlipReader().feed(driver.ask(now), now)
    return [tio.unpack(data) for data in found if isinstance(data, bytes)]


def test_the_golden_stream_packet_is_read_with_the_golden_metadata() -> None:
    """Values, unit, rate, number and identity are those the device gave."""
    driver = TwinleafDriver(PLAIN)
    three = replace(STREAM, columns=3, sample_bytes=12)
    names = [replace(COLUMN, index=i, name=f"vector.{axis}") for i, axis in enumerate("xyz")]
    golden = b"".join(wire for record, _packet, wire in RECORDS if record in {DEVICE, SEGMENT})
    driver.feed(golden + told(three, *names), 0)
    (sample,) = samples(driver.feed(slip.frame(STREAM_PACKET), 42))
    assert sample.values.tolist() == [[21000.5, -500.25, 43210.5]]
    assert sample.device == Identity("Twinleaf", "VMR", "VMR.R8.SIM", "abc123")
    assert sample.channels[2] == Channel("vector.z", "magnetic flux density", "nT")
    assert (sample.stream, sample.rate_hz, sample.first_row, sample.seen_at) == ("field", 100.0, 192, 42)
    assert (sample.raw, sample.flags) == (STREAM_PACKET, ())


@pytest.mark.parametrize(("name", "options"), [("twinleaf_serial.bin", PLAIN), ("twinleaf_tcp.bin", BARE)])
def test_a_capture_tells_its_whole_story(name: str, options: DriverOptions) -> None:
    """Loss, change of rate and boot in the capture are each said once; every other sample is read."""
    events = feed_all(TwinleafDriver(options), [(CAPTURES / name).read_bytes()])
    assert [fault.kind for fault in faults(events)] == ["gap", "rebooted"]
    assert faults(events)[0].detail == "stream 1: 2 samples lost before 101 of segment 0"
    flagged = [(sample.flags, sample.rate_hz) for sample in samples(events) if sample.flags]
    assert flagged == [((SEGMENT_CHANGED,), 480.0), ((REBOOTED,), 480.0)]
    count = sum(len(sample.values) for sample in samples(events))
    assert count == 148 + 480 + 235
    first = samples(events)[0].values
    assert np.allclose(first[0, :3], [21000.5, -500.25, 43210.5], atol=1.0)


@pytest.mark.parametrize(("name", "options"), [("twinleaf_serial.bin", PLAIN), ("twinleaf_tcp.bin", BARE)])
def test_a_capture_gives_the_same_events_however_it_is_cut(name: str, options: DriverOptions) -> None:
    """Whole, byte by byte, and at every cut of its greeting and its change of rate."""
    data = (CAPTURES / name).read_bytes()
    whole = summary(feed_all(TwinleafDriver(options), [data]))
    assert summary(feed_all(TwinleafDriver(options), [data[i:i + 1] for i in range(len(data))])) == whole
    short = data[:700]
    whole = summary(feed_all(TwinleafDriver(options), [short]))
    for cut in range(len(short) + 1):
        assert summary(feed_all(TwinleafDriver(options), [short[:cut], short[cut:]])) == whole


@pytest.mark.parametrize("options", [PLAIN, BARE])
@pytest.mark.parametrize("seed", range(2))
def test_noise_never_raises_and_gives_the_same_events_however_it_is_cut(
    seed: int, options: DriverOptions,
) -> None:
    """More than 100 kB of noise among good packets: the same events in random pieces as whole."""
    rng = random.Random(seed)
    name = "twinleaf_tcp.bin" if options.packets else "twinleaf_serial.bin"
    good = (CAPTURES / name).read_bytes()[:3000]
    data = b"".join(good + rng.randbytes(rng.randrange(3000)) for _ in range(13)) + rng.randbytes(100_000)
    whole = summary(feed_all(TwinleafDriver(options), [data]))
    pieces, rest = [], data
    while rest:
        size = rng.randrange(1, 200)
        pieces.append(rest[:size])
        rest = rest[size:]
    assert summary(feed_all(TwinleafDriver(options), pieces)) == whole


@pytest.mark.parametrize("seed", range(2))
def test_packets_with_a_good_checksum_and_senseless_content_never_raise(seed: int) -> None:
    """The CRC proves the line, not the device: random payloads of every kind are faults at most."""
    rng = random.Random(seed)
    driver = described()
    for _ in range(20_000):
        kind = rng.choice([*tio.KINDS])
        body = rng.randbytes(rng.randrange(40))
        if kind == tio.METADATA and len(body) > 3:
            body = bytes([rng.randrange(6), 0, rng.choice([9, 9, 27, 7])]) + body[3:]
        driver.feed(slip.frame(tio.pack(tio.Packet(kind, body))), 0)
        driver.ask(0)


def test_a_heartbeat_is_sent_at_once_and_then_every_tenth_of_a_second() -> None:
    """The device stays in binary mode: at no turn of 25 ms does more than 100 ms pass between heartbeats."""
    driver = TwinleafDriver(PLAIN)
    beats = [now for now in range(0, SECOND, SECOND // 40)
             if tio.Packet(tio.HEARTBEAT, b"") in asked(driver, now)]
    assert beats[0] == 0
    assert max(later - sooner for sooner, later in pairwise(beats)) <= SECOND // 10


def test_metadata_is_asked_for_until_all_of_it_is_known() -> None:
    """First as much as fits, then by record what is still missing, then nothing more."""
    driver = TwinleafDriver(PLAIN)

    def calls(now: int) -> list[payload.Request]:
        return [payload.decode_request(p.payload) for p in asked(driver, now) if p.kind == tio.RPC_REQUEST]

    assert calls(0) == [payload.Request(7855, "dev.metadata")]
    assert calls(SECOND // 10) == []
    driver.feed(told(DEVICE, STREAM, COLUMNS[0], COLUMNS[2]), SECOND // 5)
    wanted = bytes((3, 1, 0, 4, 1, 1, 4, 1, 3))
    assert calls(SECOND) == [payload.Request(7855, "dev.metadata", wanted)]
    driver.feed(told(SEGMENT, COLUMNS[1], COLUMNS[3]), SECOND)
    assert calls(2 * SECOND) == []
    assert len(samples(driver.feed(rows(0), 2 * SECOND))) == 1


def test_packets_before_the_description_are_counted_and_said() -> None:
    """Once the first seconds are over, no packet is read by a guess and none is lost in silence."""
    driver = TwinleafDriver(PLAIN)
    early = rows(0) + rows(1) + told(DEVICE, STREAM, SEGMENT) + rows(2) + told(*COLUMNS)
    assert [fault.detail for fault in faults(driver.feed(early, LATE))] == [
        "stream 1: packets come without their description and are not read"]
    fault, sample = driver.feed(rows(3), LATE)
    assert isinstance(fault, Fault)
    assert fault.kind == "undescribed"
    assert "3 packets" in fault.detail
    assert isinstance(sample, Sample)


def test_a_stream_that_is_described_within_two_seconds_of_opening_begins_without_a_fault() -> None:
    """A device streams before anybody asks what it is; the beginning of a stream is no loss."""
    for opened in (0, 100 * SECOND):
        driver = TwinleafDriver(PLAIN)
        driver.opened(opened)
        events = driver.feed(rows(0) + rows(1), opened)
        events += driver.feed(ALL + rows(2), opened + 2 * SECOND)
        assert faults(events) == []
        assert [sample.first_row for sample in samples(events)] == [2]


def test_a_stream_that_is_never_described_is_said_once() -> None:
    """A device that streams but does not tell what is a fault, though no sample ever comes."""
    driver = TwinleafDriver(PLAIN)
    events = feed_all(driver, [rows(0)]) + [e for n in range(1, 90) for e in driver.feed(rows(n), n * SECOND)]
    assert [fault.kind for fault in faults(events)] == ["undescribed"]


def test_lost_packets_are_a_gap_with_its_size() -> None:
    """The device's own sample numbers say how many samples are missing."""
    events = feed_all(described(), [rows(0, 5) + rows(5, 5) + rows(20, 5)])
    assert [fault.detail for fault in faults(events)] == ["stream 1: 10 samples lost before 20 of segment 0"]
    assert [len(sample.values) for sample in samples(events)] == [5, 5, 5]


def test_a_new_segment_waits_for_its_own_description() -> None:
    """A packet of an unknown segment is not read with the old rate; the announced one is, and is flagged."""
    driver = described()
    assert len(samples(driver.feed(rows(0), LATE))) == 1
    assert samples(driver.feed(rows(0, segment=1), LATE)) == []
    request = payload.decode_request(asked(driver, LATE)[-1].payload)
    assert request.argument == bytes((3, 1, 1))
    driver.feed(told(replace(SEGMENT, segment_id=1, sampling_hz=480, decimation=2)), LATE)
    events = driver.feed(rows(1, segment=1), LATE)
    assert [fault.kind for fault in faults(events)] == ["undescribed", "gap"]
    assert [(sample.rate_hz, sample.flags) for sample in samples(events)] == [(240.0, (SEGMENT_CHANGED,))]


def test_a_reboot_clears_what_was_told() -> None:
    """A heartbeat with another boot id voids the description, and the next sample says so."""
    driver = described()
    driver.feed(rows(100), 0)
    heartbeat = slip.frame(tio.pack(payload.heartbeat(99)))
    assert [fault.kind for fault in faults(driver.feed(heartbeat, LATE))] == ["rebooted"]
    assert samples(driver.feed(rows(0), LATE)) == []
    events = driver.feed(told(replace(DEVICE, session_id=99), STREAM, SEGMENT, *COLUMNS) + rows(1), LATE)
    assert [fault.kind for fault in faults(events)] == ["undescribed"]
    assert samples(events)[0].flags == (REBOOTED,)


def test_a_sample_number_that_goes_back_voids_the_description() -> None:
    """A boot whose announcement was lost is not read with the old units."""
    driver = described()
    driver.feed(rows(100), 0)
    assert [fault.kind for fault in faults(driver.feed(rows(3), 0))] == ["went back"]
    assert samples(driver.feed(rows(4), 0)) == []
    assert len(samples(driver.feed(ALL + rows(5), 0))) == 1


def test_after_a_reopened_line_the_same_session_counts_what_was_missed() -> None:
    """Half a packet is void, the description is asked for anew, and what was missed meanwhile is a gap."""
    driver = described()
    driver.feed(rows(0) + rows(1)[:9], 0)
    driver.opened(SECOND)
    assert [packet.kind for packet in asked(driver, SECOND)] == [tio.HEARTBEAT, tio.RPC_REQUEST]
    events = driver.feed(ALL + rows(301), SECOND)
    details = [fault.detail for fault in faults(events)]
    assert details == ["stream 1: 300 samples lost before 301 of segment 0"]


def test_every_data_type_is_read_with_its_sign() -> None:
    """All twelve types of the protocol, 24-bit integers with both signs among them."""
    kinds = [0x10, 0x11, 0x20, 0x21, 0x30, 0x31, 0x40, 0x41, 0x80, 0x81, 0x42, 0x82]
    driver = TwinleafDriver(PLAIN)
    columns = [replace(COLUMN, index=i, data_type=kind) for i, kind in enumerate(kinds)]
    size = sum(kind >> 4 for kind in kinds)
    driver.feed(told(DEVICE, replace(STREAM, columns=12, sample_bytes=size), SEGMENT, *columns), 0)
    whole = b"".join(b"\xfe" + b"\xff" * ((kind >> 4) - 1) for kind in kinds[:10])
    body = whole + np.float32(-1.5).tobytes() + np.float64(2.25).tobytes()
    packet = tio.Packet(tio.STREAM_0 + 1, bytes(4) + body)
    (sample,) = samples(driver.feed(slip.frame(tio.pack(packet)), 0))
    expected = [254, -2, 65534, -2, 0xFFFFFE, -2, 0xFFFFFFFE, -2, float(2**64 - 2), -2, -1.5, 2.25]
    assert sample.values.tolist() == [expected]


def test_a_value_that_is_no_number_is_passed_on_as_such_without_a_warning() -> None:
    """A device may say NaN, even the signalling one, whose conversion numpy would complain of."""
    driver = described()
    head = bytes(4) + np.arange(3, dtype="<f4").tobytes()
    (sample,) = samples(driver.feed(slip.frame(tio.pack(tio.Packet(129, head + b"\x01\x00\x80\x7f"))), 0))
    assert np.isnan(sample.values).tolist() == [[False, False, False, True]]


def test_a_column_without_a_name_is_called_by_its_number() -> None:
    """Every channel has a name, so that its values can be told apart."""
    driver = TwinleafDriver(PLAIN)
    driver.feed(told(DEVICE, STREAM, SEGMENT, *[replace(one, name="") for one in COLUMNS]), 0)
    (sample,) = samples(driver.feed(rows(0), 0))
    assert [channel.name for channel in sample.channels] == ["column 0", "column 1", "column 2", "column 3"]


def test_announced_settings_and_answers_to_other_hosts_are_neither_samples_nor_faults() -> None:
    """Another host on the same hub or proxy may call and set what it likes."""
    driver = described()
    words = [payload.encode_setting(payload.Setting(0, "rpc.hash", bytes(4))),
             payload.encode_reply(payload.Reply(0x1234, b"VMR")),
             payload.encode_refusal(payload.Refusal(0x1234, 2, "no such thing")),
             payload.encode_reply(payload.Reply(7858, bytes(4))), payload.heartbeat(), tio.Packet(64, b"\x00")]
    assert driver.feed(b"".join(slip.frame(tio.pack(word)) for word in words), 0) == []


@pytest.mark.parametrize("broken", [
    told(replace(STREAM, sample_bytes=12)) + rows(0),       # columns hold 16
    told(replace(STREAM, columns=0)),
    told(replace(STREAM, sample_bytes=600)),
    told(replace(COLUMNS[0], data_type=0x43)) + rows(0),    # no such type
    slip.frame(tio.pack(tio.Packet(tio.STREAM_0 + 1, bytes(4)))),           # no sample
    slip.frame(tio.pack(tio.Packet(tio.STREAM_0 + 1, bytes(4 + 17)))),      # a sample and a byte
    slip.frame(tio.pack(tio.Packet(tio.METADATA, b"\x01\x00\x20"))),
    slip.frame(b"\x05\x00\x04\x00\x00"),
    slip.frame(tio.pack(tio.Packet(tio.RPC_REPLY, b"\x01"))),
    slip.frame(tio.pack(tio.Packet(tio.RPC_ERROR, b"\xaf\x1e\x02"))),
    slip.frame(tio.pack(tio.Packet(tio.LOG, b"\x00\x00\x00\x00"))),
    slip.frame(tio.pack(tio.Packet(tio.HEARTBEAT, b"\x01"))),
    slip.frame(tio.pack(payload.encode_reply(payload.Reply(7855, b"\x01\xff\x09")))),
])
def test_a_device_that_contradicts_itself_is_a_fault(broken: bytes) -> None:
    """Descriptions and packets that do not fit each other give no sample."""
    events = described().feed(broken, 0)
    assert [fault.kind for fault in faults(events)] == ["bad packet"]
    assert samples(events) == []


def test_the_device_s_own_complaints_are_faults_and_its_chatter_is_not() -> None:
    """Log lines of level warning and worse are passed on."""
    driver = described()
    for level in range(5):
        line = payload.encode_log(payload.LogLine(0, level, "hot"))
        kinds = [fault.kind for fault in faults(driver.feed(slip.frame(tio.pack(line)), 0))]
        assert kinds == (["device log"] if level <= 2 else [])


def test_lasting_faults_are_said_once_for_each_opening() -> None:
    """A device of the other generation, or one that refuses its metadata, does not fill the journal."""
    driver = TwinleafDriver(DriverOptions(settings={"generation": "2"}))
    legacy = slip.frame(tio.pack(tio.Packet(tio.STREAM_0, bytes(16))))
    refused = slip.frame(tio.pack(payload.encode_refusal(payload.Refusal(7855, 2, ""))))
    assert [fault.kind for fault in faults(driver.feed((legacy + refused) * 3, 0))] == [
        "other generation", "metadata refused"]
    driver.opened(0)
    assert len(driver.feed(legacy, 0)) == 1


def test_packets_from_behind_a_hub_are_not_taken_for_the_device_s_own() -> None:
    """A route says that another device speaks."""
    head = tio.unpack(STREAM_PACKET)
    routed = slip.frame(tio.pack(replace(head, route=b"\x02")))
    assert described().feed(routed, 0) == []


def test_the_instrument_says_what_a_technician_needs() -> None:
    """The line of the table makes this driver."""
    assert isinstance(INSTRUMENT.make(PLAIN), TwinleafDriver)
    assert (INSTRUMENT.unit, INSTRUMENT.line.baud, INSTRUMENT.kind) == ("nT", 115_200, "stream")

"""Packets, payloads and records read and write as the vendor's golden frames do."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING, Any

import pytest

from drivers import tio
from drivers import tio_metadata as metadata
from drivers import tio_payload as payload
from drivers.sample import Fault
from drivers.slip import SlipReader
from drivers.tio import Malformed, Packet
from tests.drivers.tio_vectors import COLUMN, DEVICE, PAYLOADS, RECORDS, SEGMENT, STREAM, WIRES

if TYPE_CHECKING:
    from collections.abc import Callable

CODECS: dict[str, tuple[Callable[[Any], Packet], Callable[[bytes], Any]]] = {
    "request": (payload.encode_request, payload.decode_request),
    "reply": (payload.encode_reply, payload.decode_reply),
    "error": (payload.encode_refusal, payload.decode_refusal),
    "metadata request": (payload.encode_request, payload.decode_request),
    "columns request": (payload.encode_request, payload.decode_request),
    "setting": (payload.encode_setting, payload.decode_setting),
    "log": (payload.encode_log, payload.decode_log),
}


def unframed(wire: bytes) -> Packet:
    """Return the one packet of a wire."""
    (data,) = SlipReader().feed(wire, 0)
    assert isinstance(data, bytes)
    return tio.unpack(data)


@pytest.mark.parametrize("name", WIRES)
def test_a_golden_packet_unpacks_and_packs_to_itself(name: str) -> None:
    """Header, payload and route are found where the protocol says."""
    (data,) = SlipReader().feed(WIRES[name], 0)
    assert isinstance(data, bytes)
    assert tio.pack(tio.unpack(data)) == data


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_golden_payload_reads_and_writes(name: str) -> None:
    """Each payload has the meaning its golden frame was made for, both ways."""
    encode, decode = CODECS[name]
    packet = unframed(WIRES[name])
    assert decode(packet.payload) == PAYLOADS[name]
    assert encode(PAYLOADS[name]) == packet


def test_a_routed_call_carries_its_path_behind_the_payload() -> None:
    """`data.rate = 50.0` to /0/2/ ends in the path, reversed."""
    packet = unframed(WIRES["routed"])
    call = payload.Request(0x1234, "data.rate", struct.pack("<f", 50.0))
    assert packet.route == b"\x02\x00"
    assert payload.decode_request(packet.payload) == call
    assert payload.encode_request(call, b"\x02\x00") == packet


def test_heartbeats_are_empty_or_carry_the_boot_id() -> None:
    """Both golden heartbeats read and write."""
    assert payload.boot_id(unframed(WIRES["heartbeat"]).payload) is None
    assert payload.boot_id(unframed(WIRES["boot"]).payload) == 0x1234ABCD
    assert payload.heartbeat() == unframed(WIRES["heartbeat"])
    assert payload.heartbeat(0x1234ABCD) == unframed(WIRES["boot"])


@pytest.mark.parametrize(("record", "data", "_wire"), RECORDS)
def test_a_golden_record_reads_and_writes(record: metadata.Record, data: bytes, _wire: bytes) -> None:
    """The four kinds of metadata are understood field by field."""
    assert metadata.decode_metadata(tio.unpack(data).payload) == (metadata.PERIODIC, record)
    assert tio.pack(metadata.encode_metadata(record, metadata.PERIODIC)) == data


def test_the_golden_metadata_reply_holds_device_and_stream() -> None:
    """Records in a reply carry their own length instead of flags."""
    reply = payload.decode_reply(unframed(WIRES["metadata reply"]).payload)
    assert metadata.decode_records(reply.value) == [DEVICE, STREAM]


@pytest.mark.parametrize("record", [DEVICE, STREAM, SEGMENT, COLUMN])
def test_a_longer_record_of_a_later_firmware_still_reads(record: metadata.Record) -> None:
    """Two more fixed bytes move the strings, and the record's own length says so."""
    kind, data = metadata.encode_record(record)
    longer = bytes([data[0] + 2]) + data[1:data[0]] + b"\xaa\xbb" + data[data[0]:]
    assert metadata.decode_record(kind, longer) == record


@pytest.mark.parametrize("record", [DEVICE, STREAM, SEGMENT, COLUMN])
def test_a_record_cut_short_is_refused(record: metadata.Record) -> None:
    """No field of a cut record is guessed."""
    kind, data = metadata.encode_record(record)
    for size in range(len(data)):
        with pytest.raises(Malformed):
            metadata.decode_record(kind, data[:size])


def test_a_segment_that_is_not_valid_is_ignored_and_one_without_a_rate_refused() -> None:
    """The valid flag rules the rest of the record; a rate of x/0 would divide by zero later."""
    kind, data = metadata.encode_record(SEGMENT)
    assert metadata.decode_record(kind, data[:3] + b"\x02" + data[4:]) is None
    with pytest.raises(Malformed, match="rate 100/0"):
        metadata.decode_record(kind, data[:18] + bytes(4) + data[22:])


def test_what_a_device_calls_itself_is_safe_to_print() -> None:
    """Control characters and broken UTF-8 in names reach no terminal."""
    assert tio.text(b"VMR\x1b[2J\n\xff") == "VMR?[2J?\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("data", [
    b"", b"\x05\x00\x00", b"\x00\x00\x00\x00", b"\x09\x00\x00\x00", b"\x0d\x00\x00\x00",
    b"\x05\x09\x00\x00" + bytes(9), b"\x05\x00\xf5\x01" + bytes(501), b"\x05\x00\x00\x00\x00",
])
def test_an_impossible_packet_is_refused(data: bytes) -> None:
    """Reserved kinds, routes above 8, payloads above 500 and wrong sizes are no packets."""
    with pytest.raises(Malformed):
        tio.unpack(data)


def test_a_packet_too_big_to_send_is_our_mistake() -> None:
    """Packing more than the protocol carries raises, for no device is to blame."""
    with pytest.raises(ValueError, match="501"):
        tio.pack(Packet(tio.RPC_REQUEST, bytes(501)))


def feed_all(chunks: list[bytes]) -> list[bytes | Fault]:
    """Return what a fresh reader finds."""
    reader = tio.PacketReader()
    return [found for chunk in chunks for found in reader.feed(chunk, 7)]


BARE = [tio.pack(unframed(wire)) for wire in WIRES.values()]


def test_bare_packets_are_split_by_their_headers() -> None:
    """Over TCP the packets come out one by one, however they were cut."""
    data = b"".join(BARE)
    assert feed_all([data]) == BARE
    assert feed_all([data[i:i + 1] for i in range(len(data))]) == BARE


@pytest.mark.parametrize("seed", range(2))
def test_noise_among_bare_packets_gives_the_same_events_at_every_cut(seed: int) -> None:
    """Losing and finding the step does not depend on how the bytes arrived."""
    rng = random.Random(seed)
    data = BARE[0] + rng.randbytes(500) + b"".join(BARE) * 2 + rng.randbytes(400) + b"".join(BARE) * 2
    whole = feed_all([data])
    assert feed_all([data[i:i + 1] for i in range(len(data))]) == whole
    for cut in range(len(data) + 1):
        assert feed_all([data[:cut], data[cut:]]) == whole


@pytest.mark.parametrize("seed", range(3))
def test_a_lost_step_is_one_fault_and_is_found_within_a_packet_or_two(seed: int) -> None:
    """100 kB of noise are bounded in memory, and 1 kB of good packets are enough to be in step again."""
    rng = random.Random(seed)
    reader = tio.PacketReader()
    found: list[bytes | Fault] = []
    for _ in range(100):
        found += reader.feed(rng.randbytes(1000), 0)
        assert len(reader._part) <= tio.PACKET_BYTES_MAX + tio.HEADER_BYTES
    falsely = [item for item in found if isinstance(item, bytes)]
    assert len(falsely) < 20
    assert {item.kind for item in found if isinstance(item, Fault)} == {"lost step"}
    for _ in range(8):
        reader.feed(b"".join(BARE), 0)
    assert reader.feed(b"".join(BARE), 0) == BARE

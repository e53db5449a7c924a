"""The serial framing finds every whole frame, says what was lost, and does not care how bytes were cut."""

from __future__ import annotations

import random
import zlib

import pytest

from drivers import slip
from drivers.sample import Fault
from tests.drivers.tio_vectors import NAME_REQUEST_PACKET, RECORDS, STREAM_PACKET, WIRES

GOOD = slip.frame(b"\x05\x00\x00\x00")


def feed_all(chunks: list[bytes]) -> list[bytes | Fault]:
    """Return what a fresh reader finds."""
    reader = slip.SlipReader()
    return [found for chunk in chunks for found in reader.feed(chunk, 7)]


def kinds(data: bytes) -> list[str]:
    """Return the kind of each fault, and "packet" for each packet."""
    return [found.kind if isinstance(found, Fault) else "packet" for found in feed_all([data])]


def noise(seed: int, size: int) -> bytes:
    """Random bytes, rich in what the framing takes for special."""
    rng = random.Random(seed)
    special = b"\xc0\xdb\xdc\xdd\x00\r\n\t A"
    return bytes(rng.choice(special) if rng.random() < 0.2 else rng.randrange(256) for _ in range(size))


@pytest.mark.parametrize("name", WIRES)
def test_a_golden_wire_holds_one_packet_and_is_made_of_it_again(name: str) -> None:
    """Reading and framing are each other's inverse on the vendor's frames."""
    (packet,) = feed_all([WIRES[name]])
    assert isinstance(packet, bytes)
    assert slip.frame(packet) == WIRES[name]


def test_the_golden_packets_are_what_their_wires_hold() -> None:
    """The checksum and the escapes are removed, nothing else."""
    assert feed_all([WIRES["request"], WIRES["stream"]]) == [NAME_REQUEST_PACKET, STREAM_PACKET]
    for _record, packet, wire in RECORDS:
        assert feed_all([wire]) == [packet]
        assert slip.frame(packet) == wire


def test_a_leading_end_is_optional_and_empty_frames_mean_nothing() -> None:
    """One END between two frames is enough, several are no frames."""
    assert kinds(GOOD[1:] + GOOD[1:] + b"\xc0\xc0" + GOOD) == ["packet", "packet", "packet"]


def test_the_tail_of_a_frame_begun_before_we_listened_is_no_fault() -> None:
    """A line opened in the middle of a frame starts with whatever is left of it."""
    wire = slip.frame(STREAM_PACKET)
    for start in range(1, len(wire) - 1):
        assert set(kinds(wire[start:] + GOOD)) == {"packet"}


@pytest.mark.parametrize(("wire", "kind"), [
    (WIRES["boot"].replace(b"\xcd", b"\xce"), "bad checksum"),
    (b"\xc0\x05\x00\x00\x00\x2e\x2f\x9a\xdb\xc0", "dangling escape"),
    (b"\xc0\x05\x00\x00\xdb\x00\x2e\x2f\x9a\x16\xc0", "unknown escape"),
    (b"\xc0\x05\x00\x00\xdb\xdb\xdc\x2f\x9a\x16\xc0", "unknown escape"),
    (b"\xc0\x05\x00\x00\x00\x2e\x2f\x9a\xc0", "short frame"),
    (b"\xc0\x05" + b"\x01" * 516 + b"\xc0", "overlong frame"),
    (b"\xc0\x05" + b"\x01" * 5000 + b"\xc0", "overlong frame"),
])
def test_a_broken_frame_is_one_fault_and_the_next_frame_is_read(wire: bytes, kind: str) -> None:
    """Each way to break a frame has its own word, and costs that frame alone."""
    assert kinds(wire + GOOD) == [kind, "packet"]


def test_the_longest_frame_is_read_even_with_every_byte_escaped() -> None:
    """512 bytes of packet are allowed, whatever they are."""
    packet = b"\xdb" * 512
    assert feed_all([slip.frame(packet)]) == [packet]


def test_text_lines_and_zeros_before_a_frame_are_passed_over() -> None:
    """A device in text mode, and an FTDI driver that adds zeros, cause no fault."""
    text = b"Twinleaf VMR\r\n\tready\n21000.5 -500.25 43210.5\r\n"
    assert kinds(b"\x00\x00\x00" + GOOD + text + GOOD + text + GOOD[1:]) == ["packet"] * 3


def test_text_lines_are_given_in_their_place_where_they_are_wanted() -> None:
    """A line before, between and after frames, without its end; what is within a frame is none."""
    inside = slip.frame(b"\x81 1 2\r\n")
    data = b"\r\none 1\r\n" + GOOD + b"two\n\x00\x00three\r" + GOOD + inside + b"four\nfi"
    for pieces in ([data], [data[i:i + 1] for i in range(len(data))]):
        reader = slip.SlipReader(lines=True)
        found = [one for piece in pieces for one in reader.feed(piece, 0) if not isinstance(one, Fault)]
        assert [bytes(one) for one in found if isinstance(one, slip.TextLine)] == [b"one 1", b"two", b"three", b"four"]
        assert [isinstance(one, slip.TextLine) for one in found] == [
            True, False, True, True, False, False, True]


def test_text_that_never_ends_is_overlong() -> None:
    """A line of printable noise does not fill the memory."""
    assert kinds(b"A" * 5000 + b"\r\n" + GOOD) == ["overlong frame", "packet"]


@pytest.mark.parametrize("seed", range(4))
def test_noise_gives_the_same_events_at_every_cut(seed: int) -> None:
    """Whole, byte by byte and cut anywhere, the same events come out."""
    data = noise(seed, 700) + b"".join(WIRES.values()) + b"hello\r\n" + noise(seed + 100, 1500)
    whole = feed_all([data])
    assert feed_all([data[i:i + 1] for i in range(len(data))]) == whole
    for cut in range(len(data) + 1):
        assert feed_all([data[:cut], data[cut:]]) == whole


@pytest.mark.parametrize("seed", range(3))
def test_long_noise_never_raises_and_never_grows(seed: int) -> None:
    """At no time in 120 kB of noise is more than one wire frame held, and the next good frame is read."""
    rng = random.Random(seed)
    reader = slip.SlipReader()
    data = noise(seed, 60_000) + rng.randbytes(60_000)
    while data:
        size = rng.randrange(1, 3000)
        reader.feed(data[:size], 0)
        data = data[size:]
        assert len(reader._part) <= slip.WIRE_BYTES_MAX
    assert reader.feed(GOOD, 0)[-1] == GOOD[1:5]


def test_a_frame_with_one_bit_flipped_is_never_taken_for_a_packet() -> None:
    """CRC-32 finds every single flipped bit; a flip may split the frame, but gives no packet."""
    wire = WIRES["stream"]
    for bit in range(8, 8 * (len(wire) - 1)):
        flipped = bytearray(wire)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not any(isinstance(found, bytes) for found in feed_all([bytes(flipped)]))


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """CRC-32/ISO-HDLC has the check value cbf43926."""
    assert zlib.crc32(b"123456789") == 0xCBF43926

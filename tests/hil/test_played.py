"""A recording as a device: a talker keeps its times, one that is asked answers what was recorded and nothing else."""

from __future__ import annotations

from drivers.capture import Chunk, parse_capture
from hil.captures import shipped_captures
from hil.played import Answerer, RtuAnswerer, Talker, framed
from hil.rtu import crc16

OVEN = parse_capture(next(one for one in shipped_captures() if one.name == "eurotherm-3200.capture").read_text())
ASKED = bytes.fromhex("010300010005d409")                       # the reference's frames, with their checksums
GOOD = bytes.fromhex("01030a03ed03e8000000ea03e84cbc")
REFUSED = bytes.fromhex("018302c0f1")
MS = 1_000_000


def chunk(at_ms: int, way: str, data: bytes) -> Chunk:
    """Return a chunk."""
    return Chunk(at_ms * MS, way == "<", data)


def test_a_talker_says_each_chunk_at_its_time_again_and_again() -> None:
    """From the moment somebody connects, where the recorded host said nothing; and anew a second after the end."""
    talker = Talker([chunk(0, "<", b"a"), chunk(10, "<", b"b"), chunk(30, "<", b"c")])
    for begin in (0, 500 * MS):
        assert talker.opened(begin) == b"a"
        assert talker.poll(begin + 9 * MS) == b""
        assert talker.feed(b"x", begin + 31 * MS) == b"bc"
        assert talker.poll(begin + 1030 * MS) == b""
        assert talker.poll(begin + 1031 * MS) == b"a"


def test_a_talker_waits_for_the_first_word_where_the_recorded_host_spoke_first() -> None:
    """And begins anew for a host that speaks after a longer silence than any in the recording."""
    talker = Talker([chunk(0, ">", b"x"), chunk(1, "<", b"a"), chunk(500, ">", b"x"), chunk(510, "<", b"b")])
    assert talker.opened(0) + talker.poll(9000 * MS) == b""
    for begin in (10_000 * MS, 20_000 * MS):
        assert talker.feed(b"y", begin) + talker.poll(begin + MS) == b"a"
        assert talker.feed(b"y", begin + 600 * MS) == b"b"


def test_an_answerer_gives_the_answers_of_a_question_as_late_as_they_came() -> None:
    """In the order of the recording where a question comes twice, and from the beginning again after the last."""
    answerer = Answerer([chunk(0, ">", b"t?"), chunk(20, "<", b"1"), chunk(40, "<", b"2"),
                         chunk(90, ">", b"t?"), chunk(91, "<", b"3"), chunk(95, ">", b"v?"), chunk(95, "<", b"v")])
    answerer.opened(0)
    assert answerer.feed(b"t", 0) == b""
    assert answerer.feed(b"?", MS) == b""
    assert answerer.poll(22 * MS) == b"1"
    assert answerer.poll(42 * MS) == b"2"
    assert answerer.feed(b"t?", 50 * MS) + answerer.poll(52 * MS) == b"3"
    assert answerer.feed(b"t?", 60 * MS) + answerer.poll(100 * MS) == b"12"
    assert answerer.feed(b"v?", 200 * MS) == b"v"
    assert answerer.feed(b"who?", 300 * MS) + answerer.poll(900 * MS) == b""


def test_recorded_pdus_become_frames_with_checksums() -> None:
    """The reference's frames come out of the capture, and a question that was not recorded is refused."""
    assert [one.data for one in framed(OVEN.chunks)] == [ASKED, GOOD, ASKED, REFUSED, ASKED, GOOD]
    bus = RtuAnswerer(OVEN.chunks)
    bus.opened(0)
    assert bus.feed(ASKED, 0) + bus.poll(34 * MS) == GOOD
    assert bus.feed(ASKED, 1000 * MS) + bus.poll(1020 * MS) == REFUSED
    other = bytes.fromhex("010300630001")
    answer = bus.feed(other + crc16(other), 2000 * MS)
    assert answer[:3] == b"\x01\x83\x02"
    assert crc16(answer[:-2]) == answer[-2:]


def test_a_recording_without_questions_answers_nothing() -> None:
    """An empty recording is a silent device."""
    silent = Answerer([chunk(0, "<", b"hello")])
    assert silent.opened(0) + silent.feed(b"x", 1) + silent.poll(2) == b""

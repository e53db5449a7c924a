"""The gamma head's driver believes a frame by its checksum, and tells the head's own doubts in words."""

from __future__ import annotations

import random

import pytest

from drivers.bdbg import BdbgDriver, checksum, query
from drivers.driver import DriverOptions, SettingRefused
from drivers.sample import Identity, Sample
from tests.drivers.conversation import faults, samples

MS = 1_000_000
SECOND = 1000 * MS

# Computed by the manual's rules (page 29): query to address 1; 0.12 uSv/h, error 10 %, no flags.
QUERY = bytes.fromhex("55 aa 01 01")
REPLY = bytes.fromhex("55 aa 11 0c 00 00 00 0a 00 27")


def reply(body: str, address: int = 1) -> bytes:
    """Return a reply with a body of six bytes and its checksum, added up byte by byte with the carry put back in."""
    text = bytes((0x55, 0xAA, 0x10 | address)) + bytes.fromhex(body)
    total = 0
    for byte in text:
        total += byte
        total = (total & 0xFF) + (total >> 8)
    return text + bytes((total,))


def asking(address: int = 1) -> BdbgDriver:
    """Return a driver that has asked its question and waits for the answer."""
    made = BdbgDriver(DriverOptions(settings={"address": address}))
    made.opened(-SECOND)
    assert made.ask(0) == query(address)
    return made


def read(data: bytes) -> Sample:
    """Return the sample that an answer makes."""
    (sample,) = samples(asking().feed(data, 15 * MS))
    return sample


def test_the_golden_frames_are_ours() -> None:
    """Query and reply, and the checksum with and without the two start bytes."""
    assert query(1) == QUERY
    assert checksum(REPLY[:-1]) == checksum(REPLY[2:-1]) == REPLY[-1] == reply("0c 00 00 00 0a 00")[-1]
    sample = read(REPLY)
    assert sample.values.tolist() == [[0.12, 10.0]]
    assert [(c.name, c.unit) for c in sample.channels] == [("dose_rate", "uSv/h"), ("statistical_error", "%")]
    assert (sample.device, sample.raw) == (Identity("Ecotest", "BDBG-09", "", ""), REPLY)
    assert (sample.flags, sample.rate_hz, sample.seen_at) == ((), None, 15 * MS)


@pytest.mark.parametrize(("flags", "rate", "words"), [
    ("01", 2.58, ("high-sensitivity detector failure",)), ("02", 2.58, ("low-sensitivity detector failure",)),
    ("04", 2.58, ("unreliable",)), ("80", 25.8, ("coarse resolution",)), ("48", 2.58, ("flag bit 3", "flag bit 6")),
])
def test_the_head_s_flags_are_told_in_words_and_the_coarse_step_is_taken(
    flags: str, rate: float, words: tuple[str, ...],
) -> None:
    """Bit 7 makes one count ten times as much; a bit that the manual does not list keeps its number."""
    sample = read(reply(f"02 01 00 00 05 {flags}"))
    assert sample.values[0, 0] == pytest.approx(rate)
    assert sample.flags == words


def test_a_checksum_of_zero_may_stand_as_00_or_ff() -> None:
    """Both are the same with end-around carry; any other byte is refused and said."""
    text = reply("ee 00 00 00 00 00")
    assert text[-1] == 0xFF
    for last in (b"\xff", b"\x00"):
        assert read(text[:-1] + last).values[0, 0] == pytest.approx(2.38)
    events = asking().feed(text[:-1] + b"\x01", 0)
    assert (samples(events), faults(events)) == ([], ["bad checksum"])


def test_an_echo_and_another_head_s_answer_are_passed_over() -> None:
    """What we sent comes back, then a neighbour speaks, then our head."""
    events = asking().feed(QUERY + reply("ff 00 00 00 00 00", address=2) + REPLY, 0)
    assert ([sample.raw for sample in samples(events)], faults(events)) == ([REPLY], [])


def test_an_answer_that_nobody_asked_for_is_none() -> None:
    """The second reply to one question, and one after the question was given up; that is said."""
    made = asking()
    assert len(samples(made.feed(REPLY + REPLY, 0))) == 1
    assert samples(made.feed(REPLY, MS)) == []
    late = asking()
    assert late.ask(401 * MS) == b""
    events = late.feed(REPLY, 402 * MS)
    assert (samples(events), faults(events)) == ([], ["no answer"])


def test_half_a_frame_is_forgotten_when_the_line_is_opened_anew() -> None:
    """Its rest makes no sample; the question is asked again after a quiet time."""
    made = asking()
    made.feed(REPLY[:6], 0)
    made.opened(MS)
    assert made.feed(REPLY[6:], 2 * MS) == []
    assert [made.ask(at * MS) for at in (3, 21, 22)] == [b"", b"", QUERY]


def test_the_address_is_a_setting_from_0_to_14() -> None:
    """It stands in the question; 15 would be everybody."""
    assert asking(14).ask(SECOND * 2) == b""
    assert query(14) == bytes.fromhex("55 aa 0e 0e")
    with pytest.raises(SettingRefused, match=r"settings\.address = 15"):
        BdbgDriver(DriverOptions(settings={"address": 15}))


def test_every_cut_gives_the_same_sample_with_noise_around_it() -> None:
    """False starts, halves of starts, a damaged frame before the whole one."""
    data = b"\x55\x55\xaa\x55\xaa\x11\x0c" + REPLY + b"\x55"
    whole = samples(asking().feed(data, 0))
    assert [sample.raw for sample in whole] == [REPLY]
    for cut in range(len(data) + 1):
        made = asking()
        assert [s.raw for s in samples([*made.feed(data[:cut], 0), *made.feed(data[cut:], 0)])] == [REPLY]
    made = asking()
    assert [s.raw for i in range(len(data)) for s in samples(made.feed(data[i:i + 1], 0))] == [REPLY]


def test_noise_gives_no_sample_and_fills_no_memory_and_the_next_reply_is_read() -> None:
    """A megabyte of seeded noise into an open question; a false frame has one chance in 2^28 at each byte."""
    made, noise = asking(), random.Random(8)
    for _ in range(1000):
        assert samples(made.feed(noise.randbytes(1000), 0)) == []
        assert len(made._part) < 10
    assert [sample.raw for sample in samples(made.feed(bytes(9) + REPLY, 0))] == [REPLY]

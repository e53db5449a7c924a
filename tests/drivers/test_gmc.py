"""The Geiger counter's driver believes a poll only when the version text closes it in its place."""

from __future__ import annotations

import random

import pytest

from drivers.driver import DriverOptions, SettingRefused
from drivers.gmc import GmcDriver
from drivers.sample import Event, Identity
from tests.drivers.conversation import faults, samples

MS = 1_000_000
SECOND = 1000 * MS

# GQ-RFC1801: "00 00 00 1c" is 28 counts a minute; the version as an independent client accepts it.
CPM_28 = bytes.fromhex("00 00 00 1c")
VERSION = b"GMC-500+Re 2.42"
SERIAL = bytes.fromhex("f488007e051234")

REPLIES = {
    b"<HEARTBEAT0>><GETVER>>": VERSION, b"<GETSERIAL>>": SERIAL, b"<GETCPM>>": CPM_28,
    b"<GETCPS>>": b"\0\0\0\x02", b"<GETVER>>": VERSION,
}


def poll(made: GmcDriver, now: int, replies: dict[bytes, bytes] = REPLIES) -> tuple[list[bytes], list[Event], int]:
    """Run the driver for 0.9 s in turns of 25 ms; a question is answered in the turn after it."""
    asked, events = [], []
    end = now + 900 * MS
    while now < end:
        text = made.ask(now)
        now += 25 * MS
        if text:
            asked.append(text)
            events += made.feed(replies[text], now)
    return asked, events, now


def driver(**settings: str) -> GmcDriver:
    """Return a driver on a line that was opened half a second ago and is quiet."""
    made = GmcDriver(DriverOptions(settings=settings))
    made.opened(-SECOND // 2)
    return made


def known(**settings: str) -> GmcDriver:
    """Return a driver that knows its counter and has read once; its next poll is due at one second."""
    made = driver(**settings)
    assert len(samples(poll(made, 0)[1])) == 1
    return made


def poll_until(made: GmcDriver, question: bytes) -> list[Event]:
    """Answer what is asked until this question is open; return the events."""
    events: list[Event] = []
    for turn in range(40):
        text = made.ask(turn * 25 * MS)
        if text == question:
            return events
        events += made.feed(REPLIES[text], turn * 25 * MS + 1) if text else []
    raise AssertionError(f"{question!r} was not asked")


def test_the_first_poll_learns_who_speaks_and_the_next_ask_for_the_rates_and_the_version() -> None:
    """28 counts a minute, 2 a second, identity, and the bytes as they came."""
    made = driver()
    asked, events, now = poll(made, 0)
    assert asked == [b"<HEARTBEAT0>><GETVER>>", b"<GETSERIAL>>", b"<GETCPM>>", b"<GETCPS>>", b"<GETVER>>"]
    (sample,) = samples(events)
    assert sample.device == Identity("GQ Electronics", "GMC-500+", "f488007e051234", "Re 2.42")
    assert {c.name: (v, c.unit) for c, v in zip(sample.channels, sample.values[0].tolist(), strict=True)} == {
        "cpm": (28, "1/min"), "cps": (2, "1/s")}
    assert (sample.raw, sample.rate_hz, faults(events)) == (CPM_28 + b"\0\0\0\x02" + VERSION, None, [])
    assert poll(made, max(now, SECOND))[0] == [b"<GETCPM>>", b"<GETCPS>>", b"<GETVER>>"]


@pytest.mark.parametrize(("version", "settings"), [
    (b"GMC-300Re 2.10", {}), (b"GMC-320Re 4.27", {}), (VERSION, {"count_bits": "16"}),
])
def test_counters_of_rfc1201_answer_with_16_bits(version: bytes, settings: dict[str, str]) -> None:
    """By the model or by the setting; the two highest bits of the counts per second are none."""
    replies = REPLIES | {
        b"<HEARTBEAT0>><GETVER>>": version, b"<GETVER>>": version, b"<GETCPM>>": b"\x01\x1c", b"<GETCPS>>": b"\xc0\x05"}
    (sample,) = samples(poll(driver(**settings), 0, replies)[1])
    assert sample.values.tolist() == [[284.0, 5.0]]


def test_the_width_of_a_count_can_be_fixed_and_nothing_else() -> None:
    """Against the model; another word is refused."""
    replies = REPLIES | {b"<HEARTBEAT0>><GETVER>>": b"GMC-300Re 2.10", b"<GETVER>>": b"GMC-300Re 2.10"}
    (sample,) = samples(poll(driver(count_bits="32"), 0, replies)[1])
    assert sample.values.tolist() == [[28.0, 2.0]]
    with pytest.raises(SettingRefused, match=r"settings\.count_bits = '8'"):
        driver(count_bits="8")


def test_a_counter_that_tells_no_serial_number_is_read_without_one() -> None:
    """Half a second is given to it once."""
    made = driver()
    replies = REPLIES | {b"<GETSERIAL>>": b""}
    asked, events, now = poll(made, 0, replies)
    more = poll(made, now, replies)
    assert (asked + more[0])[-3:] == [b"<GETCPM>>", b"<GETCPS>>", b"<GETVER>>"]
    assert samples(events + more[1])[0].device.serial == ""
    assert faults(events + more[1]) == []


@pytest.mark.parametrize("wrong", [
    {b"<GETCPM>>": CPM_28 + b"\0\0\0\x02"},     # a heartbeat before the answer
    {b"<GETCPS>>": b"\0\0"},                    # two bytes lost
    {b"<GETVER>>": b"\0\0\0\x02" + VERSION},    # the answers came one question late
    {b"<GETVER>>": b"GMC-320+Re 2.42"},         # another counter
    {b"<GETVER>>": b"GMC-500+Re 2.4"},          # a byte lost
])
def test_bytes_that_are_lost_or_too_many_void_the_poll(wrong: dict[bytes, bytes]) -> None:
    """No sample, a fault, and once the line has been quiet all is learnt and read anew."""
    made = known()
    now = SECOND
    _, events, now = poll(made, now, REPLIES | wrong)
    assert samples(events) == []
    _, more, now = poll(made, now)
    _, again, now = poll(made, now)
    assert set(faults(events + more)) <= {"bad packet", "no answer"}
    assert faults(events + more)
    assert samples(more + again)[0].values.tolist() == [[28.0, 2.0]]


def test_bytes_between_two_questions_void_the_poll() -> None:
    """A heartbeat was taken for the counts per minute; their own answer comes before the next question."""
    made = known()
    assert made.ask(SECOND) == b"<GETCPM>>"
    assert made.feed(b"\0\0\0\x01", SECOND) == []
    assert faults(made.feed(CPM_28, SECOND + 5 * MS)) == ["bad packet"]
    assert made.ask(SECOND + 30 * MS) == b""
    assert samples(poll(made, 2 * SECOND)[1])[0].values.tolist() == [[28.0, 2.0]]


def test_noise_as_long_as_a_serial_number_does_not_become_one() -> None:
    """Who the counter is stands only when a whole poll has stood."""
    made = driver()
    assert poll_until(made, b"<GETSERIAL>>") == []
    made.feed(b"noise77", SECOND)
    assert faults(made.feed(SERIAL, SECOND)) == ["bad packet"]
    _, events, now = poll(made, 2 * SECOND)
    (sample,) = samples(events + poll(made, now)[1])[:1]
    assert sample.device.serial == SERIAL.hex()


def test_an_answer_that_comes_after_its_time_is_never_another_question_s() -> None:
    """It falls into the quiet time, which begins anew with it; only then the next question goes out."""
    made = known()
    now = SECOND
    assert made.ask(now) == b"<GETCPM>>"
    late = range(now, now + 900 * MS, 25 * MS)
    assert [made.ask(turn) for turn in late[1:]] == [b""] * (len(late) - 1)
    events = made.feed(CPM_28, now + 900 * MS)
    assert faults(events) == ["no answer", "bad packet"]
    assert [made.ask(now + at * MS) for at in (1000, 1200, 1399, 1400)] == [
        b"", b"", b"", b"<HEARTBEAT0>><GETVER>>"]


def test_a_constant_delay_of_one_question_gives_no_sample_at_all() -> None:
    """Every answer is the one before: the version text never stands in its place."""
    made = known()
    queue = [b"\0\0\0\x07"]
    now, events = SECOND, []
    while now < 20 * SECOND:
        text = made.ask(now)
        now += 25 * MS
        if text:
            queue.append(REPLIES[text])
            events += made.feed(queue.pop(0), now)
    assert samples(events) == []


def test_every_cut_gives_the_same_sample() -> None:
    """Each answer in two pieces, cut anywhere."""
    for cut in range(1, len(VERSION)):
        made, now, events = known(), SECOND, []
        while text := made.ask(now):
            reply = REPLIES[text]
            for piece in (reply[:cut], reply[cut:]):
                events += made.feed(piece, now)
        assert samples(events)[0].raw == CPM_28 + b"\0\0\0\x02" + VERSION


def test_noise_gives_no_sample_and_fills_no_memory() -> None:
    """200 kB of seeded noise; when it has ended, the counter is read again."""
    made, noise, now = known(), random.Random(8), SECOND
    for _ in range(200):
        made.ask(now)
        now += 25 * MS
        assert samples(made.feed(noise.randbytes(1000), now)) == []
        assert len(made._part) <= 33
    _, events, now = poll(made, now)
    assert samples(events + poll(made, now)[1])[0].values.tolist() == [[28.0, 2.0]]

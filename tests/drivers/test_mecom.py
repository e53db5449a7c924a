"""The TEC controller's driver believes a reply by its checksum and by the number of the question it answers."""

from __future__ import annotations

import random
import struct

import pytest

from drivers import mecom_frame as frame
from drivers.driver import DriverOptions, SettingRefused
from drivers.mecom import POLLED, MecomDriver
from drivers.sample import Event, Fault, Identity
from tests.drivers.conversation import faults, samples, value

MS = 1_000_000
SECOND = 1000 * MS

REALS = {1000: 25.004, 1001: 30.0, 1010: 25.0, 1020: -1.5, 1021: 3.25}
WHOLES = {102: 4711, 103: 510, 1200: 2, 104: 2, 105: 0}


def replied(asked: bytes, data: bytes) -> bytes:
    """Return the reply with `data` to a question, from address 2."""
    text = b"!02" + asked[3:7] + data
    return text + frame.checksum(text) + b"\r"


def answer(asked: bytes, **changed: int) -> bytes:
    """Return a controller's answer to a question; `changed` gives whole numbers by "p<number>"."""
    if asked[7:10] == b"?IF":
        return replied(asked, b"8065-TEC-1091 v5.10 ")
    number = int(asked[10:14], 16)
    if number in REALS:
        return replied(asked, struct.pack(">f", REALS[number]).hex().upper().encode())
    whole = changed.get(f"p{number}", WHOLES[number])
    return replied(asked, struct.pack(">i", whole).hex().upper().encode())


def poll(made: MecomDriver, now: int, **changed: int) -> tuple[list[bytes], list[Event]]:
    """Run one poll in which everything is answered at once; return the questions and the events."""
    asked, events = [], []
    while text := made.ask(now):
        asked.append(text)
        events += made.feed(answer(text, **changed), now)
    return asked, events


def driver(**settings: int) -> MecomDriver:
    """Return a driver on a line that has just been opened."""
    made = MecomDriver(DriverOptions(settings=settings))
    made.opened(0)
    return made


def known(**settings: int) -> MecomDriver:
    """Return a driver that has read once; its next poll is due at one second."""
    made = driver(**settings)
    poll(made, 0)
    return made


def test_the_checksum_has_its_check_value() -> None:
    """CRC-16/XMODEM of "123456789"."""
    assert frame.checksum(b"123456789") == b"31C3"


@pytest.mark.parametrize(("address", "sequence", "payload", "wire"), [
    (2, 0xC47E, frame.read_parameter(1000, 1), b"#02C47E?VR03E8018AFB\r"),
    (2, 0xC481, b"VS0BB80141F00000", b"#02C481VS0BB80141F00000D14F\r"),
    (0, 0xC47D, frame.IDENTIFY, b"#00C47D?IFAFCA\r"),
])
def test_the_golden_queries_are_ours(address: int, sequence: int, payload: bytes, wire: bytes) -> None:
    """Read, write and identification, character by character."""
    assert frame.query(address, sequence, payload) == wire


def test_the_golden_replies_are_read() -> None:
    """25.004 degrees, and error 5 in words."""
    told = frame.reply(b"!02C47E41C808310256\r")
    assert (told.address, told.sequence, told.refusal) == (2, 0xC47E, None)
    assert frame.real_number(told.data) == pytest.approx(25.004, abs=5e-7)
    refused = frame.reply(b"!02C47E+05EBC4\r")
    assert refused.refusal == 5
    assert frame.refusal_words(5) == "parameter not available"


@pytest.mark.parametrize(("line", "wrong"), [
    (b"!02C47E41C808310257\r", frame.BadChecksum), (b"!02C47E41C808300256\r", frame.BadChecksum),
    (b"#02C47E41C808310256\r", frame.Malformed), (b"!02c47e41C808310256\r", frame.Malformed), (b"!\r", frame.Malformed),
    (b"", frame.Malformed),
])
def test_a_damaged_reply_is_refused(line: bytes, wrong: type[ValueError]) -> None:
    """A wrong checksum, a wrong character, another start, too short."""
    with pytest.raises(wrong):
        frame.reply(line)


def test_a_value_is_eight_hex_digits() -> None:
    """Anything else is no number."""
    for data in (b"", b"41C8083", b"41C808311", b"41c80831", b"+05"):
        with pytest.raises(frame.Malformed):
            frame.whole_number(data)
    assert frame.whole_number(b"FFFFFFFE") == -2


def test_a_poll_asks_who_it_is_once_and_then_for_every_value() -> None:
    """One sample, its numbers in their units, identity, and every reply as it came."""
    made = driver()
    asked, events = poll(made, 0)
    assert [text[7:-5] for text in asked] == [
        b"?IF", b"?VR006601", b"?VR006701", b"?VR03E801", b"?VR03E901", b"?VR03F201", b"?VR03FC01", b"?VR03FD01",
        b"?VR04B001", b"?VR006801", b"?VR006901"]
    assert len({text[3:7] for text in asked}) == len(asked)
    (sample,) = samples(events)
    assert sample.device == Identity("Meerstetter Engineering", "8065-TEC-1091 v5.10", "4711", "510")
    told = {c.name: (v, c.unit) for c, v in zip(sample.channels, sample.values[0].tolist(), strict=True)}
    assert told.pop("object_temperature")[0] == pytest.approx(25.004, abs=1e-6)
    assert told == {
        "sink_temperature": (30.0, "degC"), "target_temperature": (25.0, "degC"), "output_current": (-1.5, "A"),
        "output_voltage": (3.25, "V"), "stable": (2, "1"), "status": (2, "1"), "error_number": (0, "1")}
    assert sample.raw == b"".join(map(answer, asked))
    assert (sample.rate_hz, sample.flags, faults(events)) == (None, (), [])
    asked, events = poll(made, SECOND)
    assert (len(asked), len(samples(events))) == (len(POLLED), 1)


@pytest.mark.parametrize(("changed", "flags"), [
    ({"p104": 3, "p105": 36}, ("status: error", "error number 36")), ({"p104": 1, "p1200": 0},
    ("status: ready", "regulation off")), ({"p1200": 1}, ("temperature not stable",)), ({"p104": 9}, ("status: 9",)),
])
def test_the_state_of_the_controller_is_told_in_words(changed: dict[str, int], flags: tuple[str, ...]) -> None:
    """Status, error number, stability."""
    (sample,) = samples(poll(known(), SECOND, **changed)[1])
    assert sample.flags == flags


def test_a_reply_to_another_question_or_of_another_controller_is_never_taken() -> None:
    """A late one has another number; one from address 3 is not ours; what we sent may come back as an echo."""
    made = known(address=2)
    asked = made.ask(SECOND)
    late = replied(b"#02" + b"%04X" % (int(asked[3:7], 16) - 1), b"42C80000")
    other = b"!03" + asked[3:7] + b"42C80000"
    events = made.feed(asked + late + other + frame.checksum(other) + b"\r", SECOND)
    assert (events, made.ask(SECOND)) == ([], b"")
    made.feed(answer(asked), SECOND)
    (sample,) = samples(poll(made, SECOND)[1])
    assert value(sample, "object_temperature") == pytest.approx(25.004, abs=1e-6)


def test_a_lost_answer_is_asked_for_again_under_its_number_and_then_given_up() -> None:
    """Three times the same bytes; the answer to the first of them is good for the second; then a complaint."""
    made = known()
    first = made.ask(SECOND)
    assert made.ask(SECOND + 301 * MS) == first
    made.feed(answer(first), SECOND + 310 * MS)
    second = made.ask(SECOND + 320 * MS)
    assert [made.ask(SECOND + at * MS) for at in (621, 922)] == [second, second]
    anew = made.ask(SECOND + 1223 * MS)     # the next poll, due meanwhile
    assert anew[7:] != second[7:]
    events = made.feed(answer(second) + answer(anew), SECOND + 1230 * MS)
    assert faults(events) == ["no answer"]
    assert len(samples(poll(made, SECOND + 1240 * MS)[1])) == 1


def test_a_parameter_that_the_controller_does_not_have_costs_only_itself() -> None:
    """It is said, left out, and not asked for again; busy is only for once."""
    made = driver()
    events: list[Event] = []
    while text := made.ask(0):
        refusals = {b"?VR03E9": b"+05", b"?VR03FC": b"+02"}
        data = refusals.get(text[7:14])
        events += made.feed(replied(text, data) if data else answer(text), 0)
    assert faults(events) == ["refused"]
    (sample,) = samples(events)
    assert {"sink_temperature", "output_current"} & {channel.name for channel in sample.channels} == set()
    asked, events = poll(made, SECOND)
    assert len(asked) == len(POLLED) - 1
    assert value(samples(events)[0], "output_current") == -1.5


def refusing(made: MecomDriver, seconds: int) -> list[Event]:
    """Poll once a second a controller that answers everything but the sink temperature, which fails for ever."""
    events: list[Event] = []
    for second in range(1, seconds + 1):
        while text := made.ask(second * SECOND):
            wrong = text[10:14] == b"03E9"
            events += made.feed(replied(text, b"+09") if wrong else answer(text), second * SECOND)
    return events


def test_a_parameter_that_fails_for_ever_is_told_once_a_minute() -> None:
    """The values beside it come with every poll; what is said of it would fill the journal otherwise."""
    events = refusing(known(), 120)
    assert len(samples(events)) == 120
    assert [one.seen_at // SECOND for one in events if isinstance(one, Fault)] == [1, 61]


def test_a_silence_is_told_at_once_though_a_refusal_was_told_just_before() -> None:
    """A controller too busy for any value, and then gone: one complaint must not hold back the other."""
    made, told = known(), list[Event]()
    while text := made.ask(SECOND):
        told += made.feed(replied(text, b"+02"), SECOND)
    for now in range(2 * SECOND, 6 * SECOND, 100 * MS):
        made.ask(now)
        told += made.feed(b"", now)
    assert [one.kind for one in told if isinstance(one, Fault)] == ["refused", "no answer"]


def test_a_state_that_was_refused_this_once_is_not_taken_for_a_good_one() -> None:
    """A busy controller that does not say whether it is stable leaves readings of which nobody knows it."""
    made, told = known(), list[Event]()
    while text := made.ask(SECOND):
        told += made.feed(replied(text, b"+02") if text[10:14] in {b"04B0", b"0068"} else answer(text), SECOND)
    assert samples(told)[0].flags == ("status not told", "stable not told")


def test_the_address_and_the_channel_are_settings() -> None:
    """They stand in every question; what cannot be is refused."""
    asked = known(address=7, instance=2).ask(0) or driver(address=7, instance=2).ask(0)
    assert asked[:3] == b"#07"
    made = driver(address=2, instance=2)
    made.feed(answer(made.ask(0)), 0)
    assert made.ask(0)[7:-5] == b"?VR006602"
    for settings in ({"address": 255}, {"instance": 0}):
        with pytest.raises(SettingRefused):
            driver(**settings)


def test_a_line_opened_anew_asks_again_who_is_there_under_other_numbers() -> None:
    """Another controller may sit on it; an answer to an old question fits no new one."""
    made = known()
    before = made.ask(SECOND)
    made.opened(1500 * MS)
    asked = made.ask(1500 * MS)
    assert asked[7:10] == b"?IF"
    assert asked[3:7] != before[3:7]
    assert made.feed(answer(before), 1501 * MS) == []


def test_a_question_that_was_open_when_the_line_was_lost_costs_none_of_the_next_ones_tries() -> None:
    """Three tries again after each opening."""
    made = known()
    for at in (0, 301, 602):
        assert made.ask(SECOND + at * MS) != b""
    made.opened(2 * SECOND)
    asked = made.ask(2 * SECOND)
    assert [made.ask(2 * SECOND + at * MS) for at in (301, 602, 903)] == [asked, asked, b""]


def test_every_cut_gives_the_same_sample() -> None:
    """The first reply of a poll in two pieces, cut anywhere, with noise before it."""
    whole: list[bytes] = []
    for cut in range(30):
        made = known()
        data = b"\x00!!noise" + answer(made.ask(SECOND))
        made.feed(data[:cut], SECOND)
        made.feed(data[cut:], SECOND)
        (sample,) = samples(poll(made, SECOND)[1])
        whole.append(sample.values.tobytes())
    assert len(set(whole)) == 1


def test_noise_gives_no_sample_and_fills_no_memory_and_the_next_reply_is_read() -> None:
    """200 kB of seeded noise into an open question; its own reply after that is taken."""
    made, noise = known(), random.Random(8)
    asked = made.ask(SECOND)
    for _ in range(200):
        assert samples(made.feed(noise.randbytes(1000), SECOND)) == []
        assert len(made._lines._part) <= frame.REPLY_BYTES_MAX
    made.feed(answer(asked), SECOND)
    assert made.ask(SECOND) not in {b"", asked}

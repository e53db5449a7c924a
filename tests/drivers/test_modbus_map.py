"""The generic Modbus driver: golden frames of the specification, every type and order, refusals, silence, rhythm."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import ODD, ReadRegisters, exception_words
from drivers.map_text import read_map
from drivers.modbus_map import ModbusMap
from drivers.sample import Event, Fault, Identity, Sample

SECOND = 1_000_000_000
HEAD = 'format = 1\ntitle = "thing"\nsource = "its manual"\nidentity = { make = "Example", model = "Thing" }\n'
SERIAL = 'name = "s"; address = 10; type = "text"; registers = 1; fills = "serial"'


def group(*registers: str, name: str = "all", more: str = "") -> str:
    """Return a group; a register without a quantity is a count."""
    lines = [line if "quantity" in line or "fills" in line else f'{line}\nquantity = "count"\nunit = "1"'
             for line in (register.replace("; ", "\n") for register in registers)]
    return f'[[group]]\nname = "{name}"\n{more}\n' + "".join(f"[[group.register]]\n{line}\n" for line in lines)


def driver(*parts: str, poll_s: float = 1.0) -> ModbusMap:
    """Return the driver of a map."""
    return ModbusMap(read_map(HEAD + "".join(parts)), poll_s)


def samples(events: list[Event]) -> list[Sample]:
    """Return the samples among events."""
    return [event for event in events if isinstance(event, Sample)]


def faults(events: list[Event]) -> list[Fault]:
    """Return the faults among events."""
    return [event for event in events if isinstance(event, Fault)]


def poll(of: ModbusMap, table: dict[int, int], now: int, bad: frozenset[int] = frozenset()) -> tuple[
        list[ReadRegisters], list[Event]]:
    """Answer all that is due from a table; a read that touches what is bad or absent gets exception 2."""
    asked, events = [], []
    while (request := of.ask(now)) is not None:
        asked.append(request)
        wanted = range(request.address, request.address + request.count)
        if any(place in bad or place not in table for place in wanted):
            events += of.refuse(exception_words(2, "illegal data address"), now)
        else:
            events += of.answer([table[place] for place in wanted], now)
    return asked, events


# MODBUS Application Protocol V1.1b3: the examples of sections 6.1 to 6.4, request and answer.
GOLDEN = [
    (1, "01 00 13 00 13", "01 03 cd 6b 05", [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]),
    (2, "02 00 c4 00 16", "02 03 ac db 35",
     [0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1]),
    (3, "03 00 6b 00 03", "03 06 02 2b 00 00 00 64", [555, 0, 100]),
    (4, "04 00 08 00 01", "04 02 00 0a", [10]),
]


@pytest.mark.parametrize(("function", "request_pdu", "answer_pdu", "values"), GOLDEN)
def test_the_examples_of_the_specification_are_asked_for_and_understood(
    function: int, request_pdu: str, answer_pdu: str, values: list[int],
) -> None:
    """What the specification asks is what the map asks, and its answers are its values; raw data hold its octets."""
    code, address, count = struct.unpack(">BHH", bytes.fromhex(request_pdu))
    kind = 'type = "bool"; ' if function in {1, 2} else ""
    of = driver(group(f'name = "v"; address = {address}; count = {count}; function = {function}; {kind}scale = 1.0'))
    assert of.ask(0) == ReadRegisters(address, count, code)
    data = bytes.fromhex(answer_pdu)[2:]
    bits = [data[place // 8] >> place % 8 & 1 for place in range(count)]
    (sample,) = samples(of.answer(bits if function in {1, 2} else struct.unpack(f">{count}H", data), 7))
    assert sample.values.tolist() == [values]
    assert sample.raw == bytes.fromhex(request_pdu) + data
    assert (sample.stream, sample.seen_at, sample.rate_hz) == ("all", 7, None)


WIDTHS = {"u16": "H", "i16": "h", "u32": "I", "i32": "i", "f32": "f", "u64": "Q", "i64": "q", "f64": "d"}


def laid_out(kind: str, value: float, word_order: str, byte_order: str) -> list[int]:
    """Return a value's registers, written from the words "word order" and "byte order"."""
    octets = struct.pack(">" + WIDTHS[kind], value)
    words = [octets[place:place + 2] for place in range(0, len(octets), 2)]
    words = words[::-1] if word_order == "little" else words
    return [int.from_bytes(word, "little" if byte_order == "little" else "big") for word in words]


@pytest.mark.parametrize("word_order", ["big", "little"])
@pytest.mark.parametrize("byte_order", ["big", "little"])
@pytest.mark.parametrize(("kind", "value"), [
    ("u16", 0xFEDC), ("i16", -2), ("u32", 0x12345678), ("i32", -123456789), ("f32", -12.5),
    ("u64", 0x1A2B3C4D5E6F70), ("i64", -0x1A2B3C4D5E6F70), ("f64", math.pi * 1e-9),
])
def test_every_type_reads_right_in_every_order(kind: str, value: float, word_order: str, byte_order: str) -> None:
    """Sixteen-bit words and their bytes may each come either way round."""
    of = driver(group(f'name = "v"; address = 4; type = "{kind}"; word_order = "{word_order}"; '
                      f'byte_order = "{byte_order}"'))
    of.ask(0)
    (sample,) = samples(of.answer(laid_out(kind, value, word_order, byte_order), 0))
    assert sample.values.tolist() == [[value]]
    assert sample.flags == ()


def test_the_devices_order_holds_where_a_register_says_nothing() -> None:
    """One key turns all registers, and a register may differ."""
    of = driver('[device]\nword_order = "little"\nbyte_order = "little"\n',
                group('name = "a"; address = 0; type = "u32"',
                      'name = "b"; address = 2; type = "u32"; word_order = "big"; byte_order = "big"'))
    of.ask(0)
    (sample,) = samples(of.answer([0x4433, 0x2211, 0x1122, 0x3344], 0))
    assert [hex(int(value)) for value in sample.values[0]] == ["0x11223344", "0x11223344"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 63), st.integers(1, 53), st.integers(0, 2**64 - 1))
def test_a_bit_field_is_the_bits_it_names(bit: int, bits: int, number: int) -> None:
    """Bit 0 is the least significant; neighbours do not show."""
    bit = min(bit, 64 - bits)
    of = driver(group(f'name = "f"; address = 0; type = "u64"; bit = {bit}; bits = {bits}'))
    of.ask(0)
    (sample,) = samples(of.answer(struct.unpack(">4H", number.to_bytes(8, "big")), 0))
    assert int(sample.values[0, 0]) == int(f"{number:064b}"[64 - bit - bits:64 - bit], 2)


def test_scale_offset_unit_and_uncertainty_are_the_maps() -> None:
    """Value = number x scale + offset; the two parts of u add as squares; a register without one has none."""
    of = driver(group(
        'name = "t"; address = 0; type = "i16"; scale = 0.1; offset = -40.0; quantity = "temperature"; '
        'unit = "degC"; u = 0.3; u_relative = 0.01',
        'name = "p"; address = 1; quantity = "pressure"; unit = "hPa"; u_relative = 0.002', 'name = "n"; address = 2'))
    of.ask(0)
    (sample,) = samples(of.answer([0x10000 - 100, 1000, 5], 0))
    assert [(one.name, one.quantity, one.unit) for one in sample.channels] == [
        ("t", "temperature", "degC"), ("p", "pressure", "hPa"), ("n", "count", "1")]
    assert np.allclose(sample.values, [[-50.0, 1000.0, 5.0]])
    assert sample.u is not None
    assert np.allclose(sample.u[:2], [math.hypot(0.3, 0.5), 2.0])
    assert math.isnan(sample.u[2])


def test_an_integer_that_a_double_cannot_hold_is_flagged() -> None:
    """Its last bits are in the raw data alone."""
    of = driver(group('name = "n"; address = 0; type = "u64"'), poll_s=0)
    flag = ("an integer of 2^53 or more may be rounded",)
    for number, flags in ((2**53 - 1, ()), (2**53 + 1, flag), (2**64 - 1, flag)):
        of.ask(0)
        (sample,) = samples(of.answer(struct.unpack(">4H", number.to_bytes(8, "big")), 0))
        assert sample.flags == flags
        assert sample.raw[5:] == number.to_bytes(8, "big")


def test_one_poll_of_a_group_is_one_sample_however_many_reads_it_takes() -> None:
    """Reads of one poll go on until it is complete."""
    of = driver(group('name = "a"; address = 0', 'name = "b"; address = 500', 'name = "c"; address = 0; function = 4'))
    asked, events = poll(of, {0: 1, 500: 2}, 0)
    assert asked == [ReadRegisters(0, 1), ReadRegisters(500, 1), ReadRegisters(0, 1, 4)]
    (sample,) = samples(events)
    assert sample.values.tolist() == [[1.0, 2.0, 1.0]]


def test_a_hundred_registers_in_one_line_are_one_read_and_a_hundred_channels() -> None:
    """A table of values needs one line of the map."""
    of = driver(group('name = "r"; address = 10; count = 100'))
    asked, events = poll(of, {place: place for place in range(200)}, 0)
    assert asked == [ReadRegisters(10, 100)]
    (sample,) = samples(events)
    assert [one.name for one in sample.channels] == [f"r{number}" for number in range(100)]
    assert sample.values[0].tolist() == list(range(10, 110))


def test_a_refused_register_costs_its_own_value_and_is_tried_again() -> None:
    """Seven of eight values come in the very poll in which the eighth is refused, and all when it is there again."""
    of = driver(group('name = "r"; address = 0; count = 8'))
    table = {place: place for place in range(8)}
    asked, events = poll(of, table, 0, bad=frozenset({5}))
    (sample,) = samples(events)
    assert np.isnan(sample.values[0]).tolist() == [place == 5 for place in range(8)]
    assert sample.flags == ("r5 not read: exception 2 (illegal data address)",)
    assert [(fault.kind, fault.detail) for fault in faults(events)] == [
        ("read refused", "all: r5 not read: exception 2 (illegal data address)")]
    assert len(asked) <= 1 + 2 * 3
    for second in range(1, 10):
        asked, events = poll(of, table, second * SECOND, bad=frozenset({5}))
        assert asked == [ReadRegisters(0, 4), ReadRegisters(4, 1), ReadRegisters(6, 2)]
        assert np.isnan(samples(events)[0].values).sum() == 1
        assert samples(events)[0].flags
        assert not faults(events)
    asked, events = poll(of, table, 10 * SECOND)
    assert asked == [ReadRegisters(0, 8)]
    assert np.isfinite(samples(events)[0].values).all()


def test_a_gap_that_the_device_refuses_is_left_out_first() -> None:
    """A register nobody wants, read along, costs no value."""
    of = driver("[device]\ngap_max = 5\n",
                group('name = "a"; address = 0; count = 3', 'name = "b"; address = 8; count = 3'))
    table = {place: place for place in (0, 1, 2, 8, 9, 10)}
    asked, events = poll(of, table, 0)
    assert asked == [ReadRegisters(0, 11), ReadRegisters(0, 3), ReadRegisters(8, 3)]
    assert samples(events)[0].flags == ()
    assert not faults(events)
    assert samples(events)[0].values.tolist() == [[0, 1, 2, 8, 9, 10]]


def test_a_refused_group_leaves_the_others_alone() -> None:
    """A whole group that the device refuses gives a fault, the other its samples; it is not hammered."""
    of = driver(group('name = "a"; address = 0; count = 50'),
                group('name = "b"; address = 100; count = 50', name="other"))
    table = {place: place for place in range(100, 150)}
    asked, events = poll(of, table, 0)
    assert [sample.stream for sample in samples(events)] == ["other"]
    assert [fault.kind for fault in faults(events)] == ["read refused"]
    asked, events = poll(of, table, SECOND)
    assert asked == [ReadRegisters(0, 50), ReadRegisters(100, 50)]
    assert [sample.stream for sample in samples(events)] == ["other"]
    table.update({place: place for place in range(50)})
    _, events = poll(of, table, 2 * SECOND)
    assert [sample.stream for sample in samples(events)] == ["all", "other"]


def test_a_busy_device_is_not_divided() -> None:
    """An exception that is about the device and not about an address costs that read in that poll."""
    of = driver(group('name = "r"; address = 0; count = 8'))
    of.ask(0)
    events = of.refuse(exception_words(6, "device busy"), 0)
    assert of.ask(0) is None
    assert [fault.detail for fault in faults(events)] == ["all: r0 to r7 not read: exception 6 (device busy)"]
    asked, _ = poll(of, {place: place for place in range(8)}, SECOND)
    assert asked == [ReadRegisters(0, 8)]


def test_silence_ends_the_poll_and_is_told_once_a_minute() -> None:
    """What was read before the silence is delivered; the rest of the poll is not waited for."""
    of = driver(group('name = "a"; address = 0', 'name = "b"; address = 100', 'name = "c"; address = 200'))
    of.ask(0)
    assert of.answer([5], 0) == []
    of.ask(0)
    events = of.refuse("no answer within 0.50 s", 0)
    (sample,) = samples(events)
    assert sample.values[0, 0] == 5.0
    assert sample.flags == ("b not read: no answer within 0.50 s", "c not read: no answer within 0.50 s")
    assert [fault.kind for fault in faults(events)] == ["no answer"]
    later: list[Event] = []
    for second in range(1, 121):
        assert of.ask(second * SECOND) == ReadRegisters(0, 1)
        later += of.refuse("no answer within 0.50 s", second * SECOND)
    assert len(later) == 2
    assert not samples(later)


@pytest.mark.parametrize("why", ["no answer within 0.50 s", f"{ODD}1 registers instead of 2"])
def test_a_read_that_the_device_does_not_answer_is_left_out_for_a_while(why: str) -> None:
    """Two time-outs in a row, then the other values come without one; ten seconds later it is tried again."""
    of = driver(group('name = "a"; address = 0', 'name = "b"; address = 100', 'name = "c"; address = 200'))
    asked_at: list[int] = []
    last: list[Sample] = []
    for second in range(13):
        while (request := of.ask(second * SECOND)) is not None:
            if request.address == 100:
                asked_at.append(second)
                events = of.refuse(why, second * SECOND)
            else:
                events = of.answer([1], second * SECOND)
            last = samples(events) or last
        assert np.isnan(last[0].values[0, 1])
        assert last[0].flags[0] == f"b not read: {why}"
        assert last[0].values[0, 2] == 1.0 or (second in asked_at and why.startswith("no answer"))
    assert asked_at == [0, 1, 11, 12]


@pytest.mark.parametrize("why", [f"{ODD}1 registers instead of 2", "short"])
def test_an_answer_of_another_length_costs_its_own_values(why: str) -> None:
    """Whether the port or the driver sees it, it is never decoded, and the next read goes on."""
    of = driver(group('name = "a"; address = 0; count = 2', 'name = "b"; address = 100'))
    of.ask(0)
    events = of.answer([1], 0) if why == "short" else of.refuse(why, 0)
    of.ask(0)
    events += of.answer([9], 0)
    (sample,) = samples(events)
    assert np.isnan(sample.values[0, :2]).all()
    assert sample.values[0, 2] == 9.0
    assert [fault.kind for fault in faults(events)] == ["read refused"]


def test_each_group_keeps_its_own_rhythm() -> None:
    """Ten seconds bring a hundred samples of the fast group and ten of the one that follows the instrument's time."""
    of = driver(group('name = "a"; address = 0', name="fast", more="poll_ms = 100"),
                group('name = "b"; address = 1', name="slow"))
    events: list[Event] = []
    for now in range(0, 10 * SECOND, SECOND // 100):
        events += poll(of, {0: 1, 1: 2}, now)[1]
        assert 0 < of.idle_s_max <= 0.25
    streams = [sample.stream for sample in samples(events)]
    assert (streams.count("fast"), streams.count("slow")) == (100, 10)
    assert [sample.first_row for sample in samples(events) if sample.stream == "slow"] == list(range(10))


def test_a_poll_time_of_0_is_always_due_and_starves_nobody() -> None:
    """As fast as it answers, and a group with a time of its own still gets its turn."""
    of = driver(group('name = "a"; address = 0'), group('name = "b"; address = 1', name="slow", more="poll_ms = 100"),
                poll_s=0.0)
    streams = []
    for now in range(0, SECOND, SECOND // 1000):
        request = of.ask(now)
        assert request is not None
        streams += [sample.stream for sample in samples(of.answer([1], now))]
    assert len(streams) == 1000
    assert streams.count("slow") == 10


def test_texts_fill_the_identity_before_the_first_sample() -> None:
    """Serial number and firmware are read first, merged into one read, and every sample carries them."""
    of = driver(group('name = "a"; address = 0', SERIAL.replace("registers = 1", "registers = 4"),
                      'name = "f"; address = 14; type = "text"; registers = 2; fills = "firmware"; '
                      'byte_order = "little"'))
    table = dict(enumerate(struct.unpack(">6H", b"SN 42\0xx" b".1\0b"), start=10)) | {0: 7}
    asked, events = poll(of, table, 0)
    assert asked == [ReadRegisters(10, 6), ReadRegisters(0, 1)]
    assert samples(events)[0].device == Identity("Example", "Thing", "SN 42", "1.b")


def test_after_a_silence_nobody_is_taken_for_the_device_before_it() -> None:
    """The identity is read again before the next sample, and another serial number is told."""
    of = driver(group('name = "a"; address = 0', SERIAL))
    _, first = poll(of, {0: 1, 10: 0x4131}, 0)
    of.ask(SECOND)
    of.refuse("no answer within 0.50 s", SECOND)
    asked, second = poll(of, {0: 1, 10: 0x4132}, 2 * SECOND)
    assert asked == [ReadRegisters(10, 1), ReadRegisters(0, 1)]
    assert [sample.device.serial for sample in samples(first + second)] == ["A1", "A2"]
    assert [(fault.kind, fault.detail) for fault in faults(second)] == [
        ("device changed",
         "Example Thing serial A1 firmware unknown was replaced by Example Thing serial A2 firmware unknown")]


@pytest.mark.parametrize("why", ["no answer within 0.50 s", exception_words(2, "illegal data address")])
def test_a_text_that_never_comes_costs_the_values_little(why: str) -> None:
    """A device without, or silent for, a serial number is polled all the same, and asked for it once a minute."""
    of = driver(group('name = "a"; address = 0', SERIAL))
    texts, found = 0, 0
    for second in range(120):
        while (request := of.ask(second * SECOND)) is not None:
            if request.address == 10:
                texts += 1
                of.refuse(why, second * SECOND)
            else:
                found += len(samples(of.answer([1], second * SECOND)))
    assert found >= 119
    assert texts <= 4


@settings(max_examples=60, deadline=None)
@given(said=st.lists(st.sampled_from(["good", "short", "long", "exception 2 (x)", "exception 11 (x)", "no answer",
                                      "odd answer: x", "exception x", "unasked", ""]), max_size=120),
       wait=st.booleans())
def test_whatever_a_bus_says_the_driver_only_reads_and_never_raises(said: list[str], *, wait: bool) -> None:
    """Bounded flags, no write, and a good answer is decoded after any history."""
    of = driver(group('name = "r"; address = 0; count = 40',
                      'name = "s"; address = 90; type = "text"; registers = 2; fills = "serial"'),
                group('name = "b"; address = 0; count = 9; function = 1; type = "bool"', name="bits"), poll_s=0.0)
    now = 0
    for words in said:
        now += SECOND if wait else 1
        request = of.ask(now)
        assert isinstance(request, ReadRegisters)
        good = [1] * request.count
        answers = {"good": good, "short": good[1:], "long": [*good, 1], "unasked": good}
        for _ in range(1 + (words == "unasked")):
            events = of.answer(answers[words], now) if words in answers else of.refuse(words, now)
            assert all(len(sample.flags) <= 16 for sample in samples(events))
    found: list[Event] = []
    for step in range(200):
        request = of.ask(now + (step + 1) * SECOND)
        assert isinstance(request, ReadRegisters)
        found += of.answer([1] * request.count, now + (step + 1) * SECOND)
    last = samples(found)[-2:]
    assert {sample.stream for sample in last} == {"all", "bits"}
    assert all(np.isfinite(sample.values).all() and sample.flags == () for sample in last)

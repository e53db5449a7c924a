"""Spectrometer files: both layouts and scans are read, everything else is refused, however the bytes are cut."""

from __future__ import annotations

import hashlib
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.driver import DriverOptions
from drivers.json_objects import AGAIN_BYTES_MAX, Damage, ObjectCutter
from drivers.nqrduck import INSTRUMENT, PIECE_ROWS
from drivers.nqrduck_file import FILE_BYTES_MAX, MeasurementRefused, read_measurements
from drivers.sample import Event, Fault, Sample
from gateway.block import BLOCK_VALUES_MAX
from hil.instruments.nqrduck import CARRIER_HZ, OFFSET_HZ, Spectrometer, echo_points, measurement_text

CAPTURES = Path(__file__).parent.parent / "captures"
SECOND = 1_000_000_000
OLD = {"tdx": [0.0, 0.5, 1.0], "tdy": [[1, 2], [3, 4], [5, 6]], "target_frequency": 1e6, "IF_frequency": 0}
NEW = {"name": "fid", "tdx": [13.008, 13.508, 14.008], "tdy": [[1.0, 3, 5], [2, 4, 6]], "target_frequency": 1e6,
       "IF_frequency": 2e5, "fits": [{"name": "a", "class": "T2StarFit"}]}
PHASED = NEW | {"tdy": [[[1, 10], [3, 30], [5, 50]], [[2, 20], [4, 40], [6, 60]]]}
POINTS = [1 + 2j, 3 + 4j, 5 + 6j]


def feed_all(pieces: list[bytes]) -> list[Event]:
    """Return what a fresh driver makes of these pieces."""
    driver = INSTRUMENT.make(DriverOptions())
    driver.opened(0)  # type: ignore[union-attr]  # a stream driver
    return [event for piece in pieces for event in driver.feed(piece, 7)]  # type: ignore[union-attr]  # a stream driver


def told(events: list[Event]) -> list[tuple[object, ...]]:
    """Return what can be compared of events."""
    return [(one.kind, one.detail) if isinstance(one, Fault)
            else (one.stream, one.first_row, one.values.tobytes(), one.raw) if isinstance(one, Sample) else ()
            for one in events]


@pytest.mark.parametrize(("name", "digest"), [
    ("nqr_Bi_sample_SE.meas", "7acac7f4717e1b94045be12c98d264da20b10ebd39ad9be37ab5847aa73f9ebf"),
    ("nqr_Bi_no_sample_SE.meas", "9480c632f8e1e7754dddf9727850aadb30b674cf1a2fd077d401c8d873b3c3ea"),
])
def test_a_published_record_is_read_as_it_is_described(name: str, digest: str) -> None:
    """4608 points at 30.72 MS/s, line at +5 MHz of a carrier of 83.56 MHz; the file is the one that was published."""
    data = (CAPTURES / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == digest
    (record,) = read_measurements(data)
    plain = json.loads(data)
    assert record.points.shape == (4608, 1)
    assert record.points[:, 0].tolist() == [complex(*pair) for pair in plain["tdy"]]
    assert record.rate_hz == pytest.approx(30.72e6, rel=1e-6)
    assert (record.carrier_hz, record.line_offset_hz, record.start_us) == (83.56e6, 5e6, 0.0)


def test_both_layouts_say_the_same_points() -> None:
    """Pairs, arrays, and one array for each phase: the layout is told by its shape."""
    for fields, offset, start in ((OLD, 0.0, 0.0), (NEW, 2e5, 13.008)):
        (record,) = read_measurements(json.dumps(fields).encode())
        assert record.points[:, 0].tolist() == POINTS
        assert (record.line_offset_hz, record.start_us) == (offset, start)
        assert record.rate_hz == pytest.approx(2e6)
    (phased,) = read_measurements(json.dumps(PHASED).encode())
    assert phased.points[:, 1].tolist() == [10 * point for point in POINTS]


def test_a_scan_is_one_record_for_each_frequency() -> None:
    """Its reflections may be fewer than its records, and are left alone."""
    stepped = [OLD | {"target_frequency": hz} for hz in (1e6, 2e6, 3e6)]
    broad = {"single_frequency_measurements": stepped, "reflection": {"1000000.0": -12.5}}
    assert [one.carrier_hz for one in read_measurements(json.dumps(broad).encode())] == [1e6, 2e6, 3e6]


@pytest.mark.parametrize(("fields", "words"), [
    ({}, "missing required field `tdx`"),
    (OLD | {"tdx": [0, 1]}, "tdy: 3 x 2 numbers: must be 2 pairs"),
    (OLD | {"tdx": [0]}, "tdx: 1 times"),
    (OLD | {"tdx": [0, 1, 3]}, "equal steps"),
    (OLD | {"tdx": [0, 0, 0]}, "equal steps"),
    (OLD | {"tdx": [2, 1, 0]}, "equal steps"),
    (OLD | {"tdy": [[1, 2], [3, 4], [5]]}, "equal lengths"),
    (OLD | {"tdy": [["1", 2], [3, 4], [5, 6]]}, "numbers alone"),
    (OLD | {"tdy": [[True, False]] * 3}, "numbers alone"),
    (OLD | {"tdy": [[1e400, 0]] * 3}, "no measurement"),
    (OLD | {"tdy": [[10**30, 0]] * 3}, "numbers alone"),
    (OLD | {"target_frequency": "83"}, "target_frequency"),
    (OLD | {"IF_frequency": 1e300}, "IF_frequency = 1e+300: must be at most"),
    ({"single_frequency_measurements": []}, "0 records"),
    ({"single_frequency_measurements": [{}]}, "tdx"),
])
def test_what_is_no_measurement_is_refused_with_key_and_rule(fields: dict[str, object], words: str) -> None:
    """A missing key, ragged lists, a text for a number: each is named."""
    with pytest.raises(MeasurementRefused) as refused:
        read_measurements(json.dumps(fields).encode())
    assert words in str(refused.value)


def test_a_file_becomes_readings_that_fit_a_record_and_name_the_whole_file() -> None:
    """4608 points are two pieces, in order, each with the file's own bytes."""
    data = (CAPTURES / "nqr_Bi_sample_SE.meas").read_bytes()
    samples = [one for one in feed_all([data]) if isinstance(one, Sample)]
    assert [(one.first_row, len(one.values)) for one in samples] == [(0, PIECE_ROWS), (PIECE_ROWS, 4608 - PIECE_ROWS)]
    assert all(one.values.size <= BLOCK_VALUES_MAX and one.raw == data for one in samples)
    values = np.concatenate([one.values for one in samples])
    assert values.tolist() == json.loads(data)["tdy"]


def test_the_same_files_come_out_at_every_cut() -> None:
    """Whole, byte by byte, and cut anywhere, with noise between two files."""
    data = b"noise } { 1 " + json.dumps(OLD).encode() + b'\n{"tdx"' + json.dumps(NEW).encode() + b"\n"
    whole = told(feed_all([data]))
    assert sum(len(one) == 4 for one in whole) == 2
    assert told(feed_all([bytes((byte,)) for byte in data])) == whole
    for cut in range(len(data) + 1):
        assert told(feed_all([data[:cut], data[cut:]])) == whole


@pytest.mark.parametrize("seed", range(30))
def test_after_noise_the_next_file_is_read(seed: int) -> None:
    """Whatever came before, at the latest the second file is whole, and nothing raises."""
    chance = random.Random(seed)
    letters = b'{}[]:," 0e\\tx' if seed % 2 else bytes(range(256))
    noise = bytes(chance.choices(letters, k=2000))
    frame = json.dumps(NEW).encode() + b"\n"
    events = feed_all([noise, frame, frame])
    assert any(isinstance(one, Sample) for one in events)
    assert any(isinstance(one, Fault) for one in events)


def test_an_object_without_an_end_is_given_up_at_the_limit() -> None:
    """Memory is bounded, and what follows is found again."""
    cutter = ObjectCutter(1000)
    found = [one for _ in range(500) for one in cutter.feed(b'{"a":[' + b"1," * 3)]
    assert len(cutter._kept) <= 2000
    assert all(isinstance(one, Damage) for one in found)
    assert [one for one in cutter.feed(b'} {"b":1}') if isinstance(one, bytes)] == [b'{"b":1}']


def cut_out(data: bytes) -> list[bytes | Damage]:
    """Return what comes of bytes that come as from a port."""
    cutter = ObjectCutter(FILE_BYTES_MAX)
    return [one for at in range(0, len(data), 4096) for one in cutter.feed(data[at:at + 4096])]


def test_a_long_object_that_is_damaged_is_one_damage() -> None:
    """Ten thousand objects inside of it are not searched all over again, and are not ten thousand faults at once."""
    found = cut_out(b'{"a":[' + b"{}," * 10_000 + b"\x00")
    assert found == [Damage(30_004, "a byte that stands in no JSON"), b"{}"]


def test_spaces_within_an_object_are_looked_at_once() -> None:
    """Two megabytes of them take a moment; looked at anew with every piece they took half a minute."""
    began = time.process_time()
    assert cut_out(b"{" + b" " * 2_000_000) == []
    assert time.process_time() - began < 2.0


def test_a_file_behind_one_that_was_cut_off_is_read() -> None:
    """The first ends where another object may begin, so that the second lies inside it: it is given all the same."""
    first = json.dumps(OLD | {"note": [0.125] * 4000}).encode()
    first = first[:first.rindex(b",") + 1]
    second, third = json.dumps(NEW).encode(), json.dumps(OLD).encode()
    assert len(first) > AGAIN_BYTES_MAX
    found = cut_out(first + second + b"\n" + third)
    assert [one for one in found if isinstance(one, bytes)] == [second, third]
    assert [one.size for one in found if isinstance(one, Damage)] == [len(first)]


def test_the_emulated_spectrometer_sends_files_that_say_so() -> None:
    """Over any line, however its polls fall, and the older and newer layouts carry the same points."""
    device = Spectrometer(0.0, 3)
    sent = device.opened(0) + b"".join(device.poll(now) for now in range(0, 12 * SECOND, 5_000_000))
    samples = [one for one in feed_all([sent]) if isinstance(one, Sample)]
    assert len(samples) >= 2
    assert b'"emulated"' in samples[0].raw
    points = echo_points(np.random.default_rng(5), 2.0)
    old, new = (read_measurements(measurement_text(points, newer=newer).encode())[0] for newer in (False, True))
    assert np.array_equal(old.points, new.points)
    assert (new.carrier_hz, new.line_offset_hz) == (CARRIER_HZ, OFFSET_HZ)

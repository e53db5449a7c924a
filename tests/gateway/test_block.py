"""Readings are made of packets without mixing what does not belong together."""

from __future__ import annotations

import numpy as np

from drivers.sample import Channel, Identity, Sample
from gateway.block import BLOCK_VALUES_MAX, STREAMS_MAX, Block

DEVICE = Identity("Twinleaf", "VMR", "1", "a")


def packet(row: int, rows: int = 10, **change: object) -> Sample:
    """Return a packet of two channels at 100 Hz that begins with `row`."""
    fields: dict[str, object] = {
        "device": DEVICE,
        "stream": "field",
        "channels": (Channel("x", "B", "nT"), Channel("y", "B", "nT")),
        "values": np.arange(row * 2, (row + rows) * 2, dtype=float).reshape(rows, 2),
        "rate_hz": 100.0,
        "first_row": row,
        "seen_at": row,
        "raw": bytes([row % 256]) * rows,
    }
    return Sample(**(fields | change))  # type: ignore[arg-type]  # a test builds it by name


def test_a_block_holds_one_second_of_rows_and_of_raw_bytes() -> None:
    """Ten packets of ten rows at 100 Hz are one reading, seen when its last byte came."""
    block = Block(1.0)
    done = [made for first in range(0, 200, 10) for made in block.add(packet(first))]
    assert [(one.first_row, one.values.shape, one.seen_at, len(one.raw)) for one in done] == [
        (0, (100, 2), 90, 100),
        (100, (100, 2), 190, 100),
    ]
    assert np.array_equal(np.concatenate([one.values for one in done]).ravel(), np.arange(400.0))


def test_a_gap_or_a_change_of_device_starts_a_new_block() -> None:
    """No reading spans lost samples, another segment's rate, other flags or another device."""
    other = Identity("Twinleaf", "VMR", "2", "a")
    for change in ({"first_row": 50}, {"rate_hz": 50.0}, {"flags": ("saturated",)}, {"device": other}):
        block = Block(1.0)
        assert block.add(packet(0)) == []
        (done,) = block.add(packet(10, **change))
        assert len(done.values) == 10
        assert len(block.flush()[0].values) == 10


def test_a_poll_is_a_reading_of_its_own() -> None:
    """A sample without a rate passes through at once, after what was waiting."""
    block = Block(1.0)
    block.add(packet(0))
    assert [len(one.values) for one in block.add(packet(0, rows=1, rate_hz=None))] == [10, 1]


def test_a_fast_stream_is_cut_before_its_record_grows_too_large() -> None:
    """However fast the stream, a block stays within what one signed record may hold."""
    block = Block(60.0)
    for first in range(0, 20_000, 100):
        for done in block.add(packet(first, rows=100, rate_hz=10_000.0)):
            assert done.values.size <= BLOCK_VALUES_MAX


def test_streams_that_come_interleaved_are_blocks_of_a_second_each() -> None:
    """A thermometer between two packets of the field cuts no reading of it, and none is lost at the end."""
    block = Block(1.0)
    done = []
    for first in range(0, 100, 10):
        done += block.add(packet(first))
        done += block.add(packet(first // 10, rows=1, rate_hz=10.0, stream="therm"))
    assert [(one.stream, len(one.values)) for one in done] == [("field", 100), ("therm", 10)]
    block.add(packet(100))
    block.add(packet(10, rows=1, rate_hz=10.0, stream="therm"))
    assert [(one.stream, len(one.values)) for one in block.flush()] == [("field", 10), ("therm", 1)]


def test_a_device_that_goes_on_inventing_streams_holds_no_more_than_sixteen_of_them() -> None:
    """Memory is bounded, and nothing is lost for it."""
    block = Block(1.0)
    done = [made for number in range(100) for made in block.add(packet(0, stream=f"stream {number}"))]
    assert len(done) + len(waiting := block.flush()) == 100
    assert len(waiting) <= STREAMS_MAX

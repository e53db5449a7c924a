"""Lines of text are found whole, however the bytes are cut, and never more than one is held."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from drivers.text_line import LineReader

if TYPE_CHECKING:
    from drivers.sample import Fault

DATA = b"tail\xff\r\nfirst\r\n\r\nbad\x00line\r\n" + b"x" * 60 + b"\r\nlast,1\r\n"


def feed_all(chunks: list[bytes]) -> list[bytes | Fault]:
    """Return all that the chunks give."""
    reader = LineReader(b"\n", 40)
    return [found for chunk in chunks for found in reader.feed(chunk, 3)]


def test_lines_come_out_whole_and_what_is_none_is_said() -> None:
    """The tail of a line begun before is passed over, a strange byte and an endless line are faults."""
    found = feed_all([DATA])
    assert [one if isinstance(one, bytes) else one.kind for one in found] == [
        b"first\r\n", b"\r\n", "bad packet", "overlong frame", b"last,1\r\n"]


def test_a_cut_anywhere_changes_nothing() -> None:
    """Whole, byte by byte, and in two at every place."""
    whole = feed_all([DATA])
    assert feed_all([DATA[i:i + 1] for i in range(len(DATA))]) == whole
    for cut in range(len(DATA) + 1):
        assert feed_all([DATA[:cut], DATA[cut:]]) == whole


def test_noise_fills_no_memory_and_the_line_after_it_is_found() -> None:
    """A hundred thousand bytes, one line held at most, and one end later all is well."""
    reader, noise = LineReader(b"\n", 40), random.Random(5)
    for _ in range(100):
        reader.feed(noise.randbytes(1000), 0)
        assert len(reader._part) <= 40
    assert reader.feed(b"\nwell\r\n", 0)[-1] == b"well\r\n"

"""Captures: written as they are read, refused with line and rule, and every shipped one is good."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from drivers.capture import Capture, CaptureHeader, CaptureReader, CaptureRefused, Chunk, parse_capture, write_capture
from drivers.driver import LineSettings
from drivers.table import DRIVERS
from hil.captures import shipped_captures

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from drivers.driver import Setting

TEXT = """# spingate capture 1
# instrument = "twinleaf"
# line = "115200 8N1"
# source = "golden frames of the protocol overview"
# settings.axes = 3
# a remark, ignored
0 > c0050000
0.000001 < c002
0.5 < 00

1.250000000 < ff
"""
WHOLE = Capture(
    CaptureHeader("twinleaf", LineSettings(115_200), "golden frames of the protocol overview", settings={"axes": 3}),
    (Chunk(0, False, b"\xc0\x05\0\0"), Chunk(1000, True, b"\xc0\x02"), Chunk(500_000_000, True, b"\0"),
     Chunk(1_250_000_000, True, b"\xff")))


def test_a_capture_reads_as_the_format_says() -> None:
    """Seconds, direction and bytes are those of the lines; remarks and blank lines say nothing."""
    assert parse_capture(TEXT) == WHOLE


def test_a_capture_line_by_line_is_the_same_capture() -> None:
    """A long recording can be read without holding it."""
    reader = CaptureReader()
    assert tuple(chunk for chunk in map(reader.take, TEXT.splitlines()) if chunk) == WHOLE.chunks
    assert reader.header() == WHOLE.header


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_reads_back_the_same(seed: int) -> None:
    """No text, setting, time or byte is lost on the way through a file."""
    chance = random.Random(seed)
    odd = "".join(chr(chance.choice([34, 92, 10, 0, 127, 228, 0x2028, 65])) for _ in range(12))
    line = chance.choice([None, LineSettings(9600, 7, "E", 1)])
    settings: dict[str, Setting] = {"name": odd, "on": True, "gain": 1.5, "count": 7}
    header = CaptureHeader("x", line, odd, "2026-11-23T00:00:00Z", odd, odd, odd, 0.25, settings)
    times = sorted(chance.randrange(10**12) for _ in range(50))
    chunks = tuple(Chunk(at, chance.random() < 0.5, chance.randbytes(chance.randrange(1, 40))) for at in times)
    whole = Capture(header, chunks)
    assert parse_capture(write_capture(whole)) == whole


@pytest.mark.parametrize(("old", "new", "message"), [
    ("capture 1", "capture 2", "line 1: '# spingate capture 2': a capture begins with"),
    ('# instrument = "twinleaf"\n', "", "the header lacks 'instrument'"),
    ('"115200 8N1"', '"fast"', "line = 'fast': must be like"),
    ('"115200 8N1"', "115200", "line = 115200: must be a text in quotes"),
    ("axes = 3", "axes = [3]", "must be a text, a number, true or false"),
    ("axes = 3", "axes = 3 3", "not a TOML value"),
    ("# settings.axes", "# colour", "colour is no key of a header"),
    ("0.5 < 00", "0.5 < 0", "line 9: '0.5 < 0': must be seconds, < or >, and pairs of hex digits"),
    ("0.5 < 00", "-0.5 < 00", "must be seconds"),
    ("1.25", "0.25", "times may not go back"),
    ("1.250000000", "86401", "must be at most 86400"),
    ("0.5 < 00", '# made = "late"', "before the first chunk"),
    ("0.5 < 00", "0.5 < " + "00" * 70_000, "characters: at most"),
])
def test_a_broken_capture_is_refused_with_its_line_and_the_rule(old: str, new: str, message: str) -> None:
    """Whoever wrote it finds the mistake without reading our code."""
    assert old in TEXT
    with pytest.raises(CaptureRefused) as refused:
        parse_capture(TEXT.replace(old, new, 1))
    assert message in str(refused.value)
    assert str(refused.value).startswith("line ")


@pytest.mark.parametrize("text", ["", "\n", "# spingate capture 1\n"])
def test_a_file_without_a_header_is_refused(text: str) -> None:
    """An empty file is no capture of nothing."""
    with pytest.raises(CaptureRefused):
        parse_capture(text)


def test_noise_never_raises_anything_but_a_refusal() -> None:
    """Any text is either a capture or refused."""
    chance = random.Random(4)
    for _ in range(500):
        letters = list(TEXT)
        for _ in range(chance.randrange(1, 5)):
            letters[chance.randrange(len(letters))] = chr(chance.choice([35, 10, 61, 34, 92, 0, 48, 0x2028, 0x1F600]))
        try:
            parse_capture("".join(letters))
        except CaptureRefused as refused:
            assert "line " in str(refused)  # noqa: PT017  most mutations stay captures; only the form of a refusal counts


@pytest.mark.parametrize("entry", shipped_captures(), ids=lambda entry: entry.name)
def test_every_shipped_capture_reads_and_is_named_after_its_driver(entry: Traversable) -> None:
    """The folder holds good captures of instruments that there are drivers for."""
    capture = parse_capture(entry.read_text())
    assert capture.header.instrument in DRIVERS
    assert entry.name.removesuffix(".capture").startswith(capture.header.instrument)
    assert any(chunk.from_device for chunk in capture.chunks)

"""Pictures made without a library: what is drawn is where it should be, and the file is a PNG that others read."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from gateway.picture.axes import Axes, ticks
from gateway.picture.lettering import GLYPHS, GLYPHS_BOX, laid, strokes_of, width_of
from gateway.picture.raster import PIXELS_MAX, SIGNATURE, Raster

BLACK = (0, 0, 0)


def decoded(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The points of a PNG, read by its specification: chunks with their checksums, then rows of filter 0."""
    assert png.startswith(SIGNATURE)
    at, chunks = len(SIGNATURE), {}
    while at < len(png):
        size, kind = struct.unpack_from(">I4s", png, at)
        data = png[at + 8:at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + size
    wide, high, *form = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert form == [8, 2, 0, 0, 0]
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(high, 1 + 3 * wide)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(high, wide, 3)


def test_a_line_covers_its_points_and_no_others() -> None:
    """A pen of 3 points leaves three rows black, half a point of grey at most beside them, and white elsewhere."""
    raster = Raster(40, 20)
    raster.line([(5.0, 10.0), (34.0, 10.0)], BLACK, 3.0)
    points = decoded(raster.png())
    assert (points[9:12, 6:34] == 0).all()
    assert (points[:8] == 255).all()
    assert (points[13:] == 255).all()
    assert (points[:, :2] == 255).all()


def test_lines_that_cross_are_drawn_as_one() -> None:
    """Where a half-covered point lies under two strokes it is not darker than under one."""
    once, twice = Raster(20, 20), Raster(20, 20)
    once.lines([[(2.0, 5.5), (18.0, 5.5)]], BLACK, 1.0)
    twice.lines([[(2.0, 5.5), (18.0, 5.5)]] * 2, BLACK, 1.0)
    assert (once.points == twice.points).all()


def test_what_is_not_finite_is_a_gap_and_what_is_outside_is_cut_off() -> None:
    """No exception, and the finite pieces are there."""
    raster = Raster(40, 20)
    raster.line([(2.0, 5.0), (10.0, 5.0), (20.0, float("nan")), (30.0, 5.0), (38.0, 5.0)], BLACK)
    raster.line([(-500.0, -500.0), (-400.0, -400.0)], BLACK)
    raster.line([(-10.0, 15.0), (500.0, 15.0)], BLACK)
    points = decoded(raster.png())
    assert (points[5, 3:10] == 0).all()
    assert (points[5, 12:29] == 255).all()
    assert (points[15] == 0).all()


def test_every_printable_word_of_an_explanation_has_letters() -> None:
    """Letters, digits and the marks in use are drawn; what is not known is a box, and nothing is left out."""
    import string

    for character in string.ascii_letters + string.digits + " .,:;-+=()/%'<>±_|!?[]*":
        assert character in GLYPHS, character
    assert laid("\u2603") == laid("\u2604") != ()
    assert len(strokes_of("\u2603")[0]) == len(GLYPHS_BOX.split())
    assert width_of("ammonium") > width_of("ill") > width_of("") == 0.0


def test_all_strokes_of_a_letter_lie_on_its_grid() -> None:
    """4 wide, 8 high with descents; each point has two digits."""
    for character, words in GLYPHS.items():
        for word in words.split():
            assert len(word) % 2 == 0, character
            assert all(int(x) <= 4 and int(y) <= 8 for x, y in zip(word[::2], word[1::2], strict=True)), character


def test_a_picture_too_large_is_refused() -> None:
    """Memory is bounded."""
    with pytest.raises(ValueError, match="must have"):
        Raster(PIXELS_MAX, 2)


def test_a_place_in_a_diagram_is_where_its_axes_say() -> None:
    """Corners of the data are corners of the frame, up is up, and a curve stays inside."""
    raster = Raster(120, 100)
    axes = Axes(raster, 10, 20, 110, 90, (420.0, 430.0), (0.0, 5.0))
    assert axes.place(420.0, 0.0) == (10.0, 90.0)
    assert axes.place(430.0, 5.0) == (110.0, 20.0)
    axes.curve(np.array([400.0, 420.0, 425.0, 430.0]), np.array([2.0, 2.0, 900.0, np.nan]), BLACK)
    points = decoded(raster.png())
    assert (points[:18] == 255).all()
    assert (points[20:25, 55:62] < 128).any()


def test_ticks_are_round_and_few() -> None:
    """1, 2 or 5 times a power of ten, whatever the span."""
    assert ticks((417.0, 429.0)) == (418.0, 420.0, 422.0, 424.0, 426.0, 428.0)
    assert ticks((0.0, 0.004)) == (0.0, 0.001, 0.002, 0.003, 0.004)
    for span in ((0.0, 1e-9), (-3.0, 1e6), (5192.0, 5192.5)):
        assert 3 <= len(ticks(span)) <= 10

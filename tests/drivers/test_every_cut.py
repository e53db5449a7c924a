"""One walk over `DRIVERS`: a stream driver gives the same samples wherever its bytes are cut."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from drivers.sample import Sample
from tests.drivers import walk

if TYPE_CHECKING:
    from drivers.capture import Chunk
    from tests.drivers.walk import Case

CASES = walk.cases("stream")

# Every place in the first bytes of a capture, whole chunks of them: the work grows with the square.
CUT_BYTES_MAX = 600
PIECES_MAX = 90


def told(case: Case, cut: walk.Cut, bytes_max: int | None = None) -> list[object]:
    """Return what the driver makes of a capture, as values that compare; arrays do not."""
    events = walk.play(case, beginning(case, bytes_max), cut)
    return [(walk.content(event), event.first_row, event.flags) if isinstance(event, Sample) else
            (event.kind, event.detail) for event in events]  # type: ignore[union-attr]  # a fault


def beginning(case: Case, bytes_max: int | None) -> list[Chunk]:
    """Return the chunks with the first bytes of the device; all of them where there is no limit."""
    kept: list[Chunk] = []
    total = 0
    for chunk in case.capture.chunks:
        total += len(chunk.data) if chunk.from_device else 0
        if bytes_max is not None and total > bytes_max and kept:
            break
        kept.append(chunk)
    return kept


@pytest.mark.parametrize("name", CASES)
def test_every_cut_gives_the_same_events(name: str) -> None:
    """Two pieces, split at every place of the beginning."""
    case = CASES[name]
    whole = told(case, walk.uncut, CUT_BYTES_MAX)
    size = sum(len(chunk.data) for chunk in beginning(case, CUT_BYTES_MAX) if chunk.from_device)
    for place in range(min(size, 2 * CUT_BYTES_MAX)):
        assert told(case, walk.cut_at(place), CUT_BYTES_MAX) == whole, f"cut at byte {place}"


@pytest.mark.parametrize("name", CASES)
def test_byte_by_byte_gives_the_same_events(name: str) -> None:
    """The whole capture, one byte at a time."""
    assert told(CASES[name], walk.by_byte) == told(CASES[name], walk.uncut)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CASES)
def test_pieces_of_any_size_give_the_same_events(name: str, seed: int) -> None:
    """The whole capture in seeded pieces."""
    rng = random.Random(seed)

    def cut(_before: int, data: bytes) -> list[bytes]:
        pieces = []
        while data:
            size = rng.randrange(1, PIECES_MAX)
            pieces.append(data[:size])
            data = data[size:]
        return pieces
    assert told(CASES[name], cut) == told(CASES[name], walk.uncut)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.listens])
def test_chunks_that_come_together_give_the_same_samples(name: str) -> None:
    """An adapter may hold bytes back and deliver all of them at once."""
    case = CASES[name]
    whole = b"".join(chunk.data for chunk in case.capture.chunks if chunk.from_device)
    first = case.capture.chunks[0]
    together = walk.play(case, [replace(first, from_device=True, data=whole)], walk.uncut)
    assert walk.counted(together) == walk.counted(walk.play(case, case.capture.chunks, walk.uncut))

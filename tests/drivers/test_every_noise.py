"""One walk over `DRIVERS`: noise costs no driver its life, its memory, or more than one frame after it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import pytest

from drivers.driver import ODD, DriverOptions, ReadRegisters
from drivers.sample import Sample
from drivers.table import DRIVERS
from tests.drivers import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drivers.driver import RegisterDriver, StreamDriver
    from drivers.sample import Event

STREAMS = walk.cases("stream")
REGISTERS = [name for name, row in DRIVERS.items() if row.kind == "registers" and not row.needs_map]
MAPPED = [name for name, case in walk.cases("registers").items() if case.row.needs_map]

NOISE_BYTES = 1_000_000
PIECE_BYTES_MAX = 1024          # a port reads up to 4096 at once
LOOKS = 8                       # at the memory, on the way

# The longest frames are some 2 kB; a description of a device and a sweep of 1000 points are within this, too.
STATE_BYTES_MAX = 1_000_000
GROWTH_BYTES_MAX = 100_000      # from the first look to the last

QUESTIONS = 20_000
REFUSALS = ("exception 2 (illegal data address)", f"{ODD}4 registers instead of 5", "no answer within 0.3 s", "")


def noise(rng: random.Random, size: int) -> Iterator[bytes]:
    """Give pieces of noise: of all bytes, of few of them, of text."""
    while size > 0:
        length = min(rng.randrange(1, PIECE_BYTES_MAX), size)
        size -= length
        letters = rng.choice((None, None, b"\xc0\xdb\xdc\xdd\x00\x01", b"$!#*>,;:+-.0123456789ABCDEF\r\n \x00"))
        yield rng.randbytes(length) if letters is None else bytes(rng.choices(letters, k=length))


@pytest.mark.parametrize("packets", [False, True], ids=["serial", "tcp"])
@pytest.mark.parametrize("name", [name for name, row in DRIVERS.items() if row.kind == "stream"])
def test_a_million_bytes_of_noise_are_borne(name: str, packets: bool) -> None:  # noqa: FBT001  # how pytest calls it
    """Nothing is raised, every event is well-formed, and what is held stays bounded and does not grow."""
    rng = random.Random(f"{name} {packets}")
    driver = cast("StreamDriver", DRIVERS[name].make(DriverOptions(packets=packets)))
    driver.opened(0)
    now, held = 0, []
    for look in range(LOOKS):
        for piece in noise(rng, NOISE_BYTES // LOOKS):
            now += walk.TURN_NS
            walk.well_asked(driver.ask(now))
            walk.checked(driver.feed(piece, now))
        held.append(walk.state_bytes(driver))
        assert held[-1] <= STATE_BYTES_MAX, f"after {look + 1} parts"
    assert held[-1] - held[0] <= GROWTH_BYTES_MAX, held


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", STREAMS)
def test_after_noise_no_more_than_one_frame_is_lost(name: str, seed: int) -> None:
    """Noise between any two chunks of a capture costs at most one sample of those that the capture gives.

    Over TCP nothing marks a frame: there a new connection after the noise costs nothing.
    """
    case = STREAMS[name]
    clean = walk.play(case, case.capture.chunks, walk.uncut)
    rng = random.Random(seed)
    places = range(1) if case.bare else range(1, len(case.capture.chunks))
    for place in rng.sample(places, min(12, len(places))):
        dirt = list(noise(rng, rng.choice((1, 7, 80, 3000))))
        events = walk.play(case, case.capture.chunks, walk.uncut, {place: dirt})
        missing = walk.counted(clean) - walk.counted(events)
        assert missing.total() <= 1, f"noise of {sum(map(len, dirt))} bytes before chunk {place}"


@pytest.mark.parametrize("name", [*REGISTERS, *MAPPED])
def test_any_answer_of_a_register_device_is_borne(name: str) -> None:
    """Seeded registers of the right and of wrong counts, and refusals: nothing raised, nothing piled up."""
    rng = random.Random(name)
    case = walk.cases("registers").get(name)
    driver = cast("RegisterDriver", case.driver() if case else DRIVERS[name].make(DriverOptions()))
    now, held = 0, []
    for turn in range(QUESTIONS):
        request = driver.ask(now)
        now += max(round(driver.idle_s_max * 1e9), 1_000_000)
        if request is not None:
            wanted = request.count if isinstance(request, ReadRegisters) else 0
            bits = isinstance(request, ReadRegisters) and request.function < 3
            walk.checked(answer(driver, wanted, rng, now, 1 if bits else 0xFFFF))
        if turn % (QUESTIONS // LOOKS) == 0:
            held.append(walk.state_bytes(driver))
    assert max(held) <= STATE_BYTES_MAX
    assert held[-1] - held[0] <= GROWTH_BYTES_MAX, held


def answer(driver: RegisterDriver, wanted: int, rng: random.Random, now: int, most: int) -> list[Event]:
    """Answer a request in one of the ways that a broken device could; `most` is the largest a register can be."""
    how = rng.randrange(10)
    if how == 0:
        return driver.refuse(rng.choice(REFUSALS), now)
    count = wanted if how > 2 else rng.choice((0, 1, wanted + 1, max(wanted - 1, 0), 125))
    largest = min(rng.choice((1, 0x7F, 0xFFFF)), most)
    return driver.answer([rng.randint(0, largest) for _ in range(count)], now)


@pytest.mark.parametrize("name", walk.cases("registers"))
def test_after_wrong_answers_a_register_device_is_read_again(name: str) -> None:
    """Its capture gives the samples it gives to a fresh driver, but for one round at most."""
    case = walk.cases("registers")[name]
    clean = walk.converse(cast("RegisterDriver", case.driver()), case.capture.chunks)
    driver = cast("RegisterDriver", case.driver())
    rng = random.Random(name)
    for turn in range(200):
        request = driver.ask(turn)
        if request is not None:
            answer(driver, 200, rng, turn, 1)
    missing = walk.counted(clean) - walk.counted(walk.converse(driver, case.capture.chunks))
    assert missing.total() <= 1
    assert any(isinstance(event, Sample) for event in clean)

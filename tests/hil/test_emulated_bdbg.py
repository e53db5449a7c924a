"""The emulated gamma head answers as the manual says, and the driver reads it through its scenes."""

from __future__ import annotations

import pytest

from drivers.bdbg import BdbgDriver
from drivers.driver import DriverOptions
from hil.instruments.bdbg import SCENES, GammaHead
from tests.drivers.conversation import SECOND, Conversation, faults, samples, value

MS = 1_000_000
QUERY = bytes.fromhex("55 aa 01 01")


def test_a_query_is_answered_after_5_to_15_ms_with_ten_bytes_of_a_right_checksum() -> None:
    """Start, kind and address, little-endian dose rate near 0.12 uSv/h; the sum of all is 255 times something."""
    head = GammaHead(0)
    assert (head.feed(QUERY, SECOND), head.poll(SECOND + 4 * MS)) == (b"", b"")
    told = head.poll(SECOND + 15 * MS)
    assert (told[:3], len(told)) == (b"\x55\xaa\x11", 10)
    assert 0 < int.from_bytes(told[3:7], "little") < 100
    assert (sum(told[:-1]) - told[-1]) % 255 == 0


@pytest.mark.parametrize("text", ["55 aa 02 02", "55 aa 01 02", "55 aa 11 11", "00 55 aa"])
def test_what_is_damaged_or_for_another_head_is_not_answered(text: str) -> None:
    """Another address, a wrong checksum, not a query, half of one."""
    head = GammaHead(0)
    head.feed(bytes.fromhex(text), 0)
    assert head.poll(SECOND) == b""


def test_half_a_query_is_forgotten_after_a_pause() -> None:
    """Its rest does not complete it, and the next one is heard."""
    head = GammaHead(0)
    head.feed(QUERY[:2], 0)
    head.feed(QUERY[2:], 30 * MS)
    assert head.poll(SECOND) == b""
    head.feed(QUERY, SECOND)
    assert len(head.poll(2 * SECOND)) == 10


@pytest.mark.parametrize(("scene", "flags"), [
    ("background", ()), ("source", ()), ("strong", ("coarse resolution",)), ("echo", ()),
    ("detector-failure", ("high-sensitivity detector failure", "unreliable")),
])
def test_the_driver_reads_every_scene_once_a_second(scene: str, flags: tuple[str, ...]) -> None:
    """One sample a poll and no fault; the dose rate lies within what the head says of its error."""
    events = Conversation(BdbgDriver(DriverOptions()), GammaHead(-200 * SECOND, scene=scene)).run(30)
    found = samples(events)
    assert (faults(events), len(found)) == ([], 30)
    assert {sample.flags for sample in found} == {flags}
    true = SCENES[scene].usv_h
    error = value(found[-1], "statistical_error") / 100
    near = [abs(value(sample, "dose_rate") - true) <= true * error + 0.01 for sample in found]
    assert sum(near) >= 25      # two standard deviations hold 95 % of them


def test_a_bus_on_which_bytes_are_damaged_gives_true_readings_or_none() -> None:
    """One of seven answers loses a byte: said, and its poll gives nothing."""
    answers = 0

    def hurt(said: bytes) -> bytes:
        nonlocal answers
        answers += bool(said)
        return said[:4] + said[5:] if said and answers % 7 == 0 else said

    events = Conversation(BdbgDriver(DriverOptions()), GammaHead(-200 * SECOND), wire=hurt).run(70)
    assert len(samples(events)) in {59, 60, 61}
    assert set(faults(events)) == {"no answer"}
    assert all(value(sample, "dose_rate") < 1.0 for sample in samples(events))

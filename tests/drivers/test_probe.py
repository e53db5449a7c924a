"""Who may listen, who may ask and in which order: the rules of a search, without a port."""

from __future__ import annotations

from drivers import slip
from drivers.driver import LineSettings
from drivers.map_shipped import shipped_names, shipped_text
from drivers.probe import (
    KEPT_BYTES_MAX,
    SPEAKS_BYTES_MIN,
    Audience,
    candidates_of,
    letters,
    listening_lines,
    questioners,
    registers,
    speakers,
)
from drivers.table import DRIVERS
from drivers.tio_payload import heartbeat

MAPS = {name: shipped_text(name) or "" for name in shipped_names()}
ALL = candidates_of(DRIVERS.values(), MAPS)


def test_every_driver_is_a_candidate_and_a_map_reader_is_one_for_each_shipped_map() -> None:
    """Nothing in the table is left out of a search."""
    assert {one.row.name for one in ALL} == set(DRIVERS)
    assert [one.map_name for one in ALL if one.row.needs_map] == list(MAPS)


def test_they_listen_at_the_settings_of_devices_that_speak_and_at_each_once() -> None:
    """Nobody listens where nobody speaks."""
    lines = listening_lines(ALL)
    assert len(set(lines)) == len(lines)
    assert set(lines) == {one.row.line for one in ALL if one.row.speaks}
    assert lines[0] == LineSettings(115_200)


def test_a_device_that_speaks_without_being_understood_is_asked_nothing() -> None:
    """A letter that one device ignores reboots another (QZFM: e; CSAC: F sets its steering)."""
    assert questioners(ALL, b"WIND 3.2 m/s 181 deg\r\n" * 5, speaks=True) == []


def test_a_twinleaf_device_whose_frames_hold_may_be_asked_to_describe_itself() -> None:
    """Two frames with a good checksum are its own; one is not enough, and a broken one is none."""
    from drivers.tio import pack

    frame = slip.frame(pack(heartbeat()))
    assert [one.row.name for one in questioners(ALL, frame * 3, speaks=True)] == ["twinleaf"]
    assert questioners(ALL, frame, speaks=True) == []
    assert questioners(ALL, (frame[:5] + b"\x00" + frame[6:]) * 3, speaks=True) == []


def test_on_a_silent_line_only_drivers_of_polled_devices_ask_the_fewest_letters_first() -> None:
    """Devices that speak would have; of the others, command interpreters see the shortest question first."""
    asking = questioners(ALL, b"", speaks=False)
    assert not any(one.row.speaks for one in asking)
    assert [letters(one) for one in asking] == sorted(letters(one) for one in asking)
    names = [one.row.name for one in asking]
    assert names.index("csac") < names.index("mecom")   # a letter of MeCom's question would change a clock's steering


def test_modbus_devices_that_tell_who_they_are_come_before_maps_that_may_fit_anything() -> None:
    """A map describes registers, and many devices have some at the same places."""
    order = [one.row.needs_map for one in registers(ALL)]
    assert order == sorted(order)


def test_an_audience_keeps_a_bounded_beginning_and_calls_a_disturbance_no_speech() -> None:
    """Seven bytes may be a floating pair of wires; a babbling line fills no memory."""
    audience = Audience(speakers(ALL), packets=False)
    audience.open(0)
    assert audience.feed(b"\x00" * (SPEAKS_BYTES_MIN - 1), 0) is None
    assert not audience.speaks
    for now in range(20):
        audience.feed(b"\xa5" * 1000, now)
    assert audience.speaks
    assert (audience.count, len(audience.start)) == (20_000 + SPEAKS_BYTES_MIN - 1, KEPT_BYTES_MAX)

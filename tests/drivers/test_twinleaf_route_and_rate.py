"""A sensor behind a hub is read by its route alone, and a wanted rate is set once, read back and believed."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from drivers import slip, tio
from drivers import tio_metadata as metadata
from drivers import tio_payload as payload
from drivers.driver import DriverOptions, Setting, SettingRefused
from drivers.sample import Event, Fault, Sample
from drivers.twinleaf import TwinleafDriver, route_bytes
from tests.drivers.tio_vectors import COLUMN, DEVICE, SEGMENT, STREAM, WIRES

SECOND = 1_000_000_000
COLUMNS = [replace(COLUMN, index=i) for i in range(4)]


def routed(packet: tio.Packet, route: bytes) -> bytes:
    """Return the wire bytes of a packet with a route."""
    return slip.frame(tio.pack(replace(packet, route=route)))


def told(route: bytes) -> bytes:
    """Return the wire bytes that describe the device at a route."""
    records: list[metadata.Record] = [DEVICE, STREAM, SEGMENT, *COLUMNS]
    return b"".join(routed(metadata.encode_metadata(record, metadata.UPDATE), route) for record in records)


def row(first: int, route: bytes = b"") -> bytes:
    """Return the wire bytes of one sample of four floats."""
    data = first.to_bytes(3, "little") + b"\x00" + np.arange(4, dtype="<f4").tobytes()
    return routed(tio.Packet(tio.STREAM_0 + 1, data), route)


def driver_of(**settings: Setting) -> TwinleafDriver:
    """Return a driver with these settings."""
    return TwinleafDriver(DriverOptions(settings=settings))


def sent(driver: TwinleafDriver, now: int) -> list[tio.Packet]:
    """Return the packets that the driver sends now."""
    return [tio.unpack(data) for data in slip.SlipReader().feed(driver.ask(now), now) if isinstance(data, bytes)]


def rate_calls(driver: TwinleafDriver, now: int) -> list[payload.Request]:
    """Return the calls of `data.rate` that the driver makes now."""
    requests = [payload.decode_request(p.payload) for p in sent(driver, now) if p.kind == tio.RPC_REQUEST]
    return [request for request in requests if request.method == "data.rate"]


def faults(events: list[Event]) -> list[str]:
    """Return the kinds of the faults."""
    return [event.kind for event in events if isinstance(event, Fault)]


def answered(driver: TwinleafDriver, number: int, value: bytes) -> list[Event]:
    """Return what the driver makes of an answer."""
    return driver.feed(slip.frame(tio.pack(payload.encode_reply(payload.Reply(number, value)))), 0)


@pytest.mark.parametrize(("route", "carried"), [
    ("", b""), ("/", b""), ("/0/2", b"\x02\x00"), ("/0/2/", b"\x02\x00"), ("255", b"\xff"), ("/1/2/3", b"\x03\x02\x01"),
])
def test_a_route_is_carried_in_reverse(route: str, carried: bytes) -> None:
    """The golden routed call goes to /0/2 and ends in 02 00."""
    assert route_bytes(route) == carried
    assert WIRES["routed"][-7:-5] == route_bytes("/0/2")


@pytest.mark.parametrize("settings", [
    {"route": "/256"}, {"route": "/-1"}, {"route": "/a"}, {"route": "/²"}, {"route": "/1" * 9}, {"route": 3},
    {"rate_hz": -1}, {"rate_hz": float("nan")}, {"rate_hz": "fast"}, {"generation": "3"},
    {"generation": "text", "route": "/0"}, {"generation": "text", "rate_hz": 400},
])
def test_a_setting_that_cannot_be_is_refused_by_name(settings: dict[str, Setting]) -> None:
    """Key, value and rule are said before a port is opened."""
    with pytest.raises(SettingRefused, match=r"settings\.(route|rate_hz|generation) = .*must be"):
        driver_of(**settings)


def test_text_over_tcp_is_refused() -> None:
    """Over TCP a device speaks packets only."""
    with pytest.raises(SettingRefused, match="serial line"):
        TwinleafDriver(DriverOptions(packets=True, settings={"generation": "text"}))


def test_calls_carry_the_route_and_heartbeats_do_not() -> None:
    """The heartbeat keeps the line itself in binary mode; the call is for the sensor."""
    beat, call = sent(driver_of(route="/0/2"), 0)
    assert (beat.kind, beat.route) == (tio.HEARTBEAT, b"")
    assert (call.kind, call.route) == (tio.RPC_REQUEST, b"\x02\x00")


def test_of_all_routes_only_the_own_one_is_read_and_the_others_are_no_fault() -> None:
    """Hub, neighbours and what is behind the sensor may say what they like, a boot or nonsense."""
    driver = driver_of(route="/0/2")
    others = [b"", b"\x00", b"\x02", b"\x00\x02", b"\x02\x02\x00"]
    wire = told(b"\x02\x00")
    for number, route in enumerate(others):
        wire += told(route) + row(50 * number, route) + routed(payload.heartbeat(number), route)
        wire += routed(tio.Packet(tio.METADATA, b"\x01"), route) + routed(tio.Packet(tio.STREAM_0, b"\x07"), route)
    events = driver.feed(wire + row(7, b"\x02\x00") + wire + row(8, b"\x02\x00"), 3 * SECOND)
    assert faults(events) == []
    assert [event.first_row for event in events if isinstance(event, Sample)] == [7, 8]


def test_the_sensor_behind_a_hub_reboots_for_itself() -> None:
    """Its own heartbeat counts; the hub's, with an id of its own, does not."""
    driver = driver_of(route="/1")
    driver.feed(told(b"\x01") + row(3, b"\x01"), 0)
    assert driver.feed(routed(payload.heartbeat(9), b""), 0) == []
    assert faults(driver.feed(routed(payload.heartbeat(9), b"\x01"), 0)) == ["rebooted"]


def test_a_proxy_s_word_about_a_sensor_is_passed_on_over_tcp_alone() -> None:
    """Kind 64 is the Rust proxy's status over TCP; on a serial line it means nothing known."""
    status = tio.Packet(64, b"\x00")
    driver = TwinleafDriver(DriverOptions(packets=True))
    (fault,) = driver.feed(tio.pack(status), 0)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.detail) == ("proxy status", "sensor disconnected")
    assert driver.feed(tio.pack(replace(status, payload=b"\x09")), 0) == []
    assert driver_of().feed(slip.frame(tio.pack(status)), 0) == []


def test_no_rate_is_touched_where_none_is_wanted() -> None:
    """0, the default, leaves the device as it is."""
    driver = driver_of()
    driver.feed(told(b""), 0)
    assert [rate_calls(driver, n * SECOND) for n in range(5)] == [[]] * 5


def test_a_wanted_rate_is_read_then_written_and_repeated_until_answered() -> None:
    """As in the golden call: a 32-bit float; not before the generation is known, and every 3 s."""
    driver = driver_of(rate_hz=50)
    assert rate_calls(driver, 0) == []
    driver.feed(told(b""), 0)
    read, write = payload.Request(7858, "data.rate"), payload.Request(7859, "data.rate", struct.pack("<f", 50.0))
    assert rate_calls(driver, SECOND) == [read]
    assert rate_calls(driver, 3 * SECOND) == []
    assert rate_calls(driver, 4 * SECOND) == [read]
    assert answered(driver, 7858, struct.pack("<f", 100.0)) == []
    assert rate_calls(driver, 5 * SECOND) == [write]
    assert payload.decode_request(slip_golden()).argument == write.argument
    assert answered(driver, 7859, struct.pack("<f", 50.0)) == []
    assert rate_calls(driver, 60 * SECOND) == []


def slip_golden() -> bytes:
    """Return the payload of the golden routed call, `data.rate` = 50."""
    (data,) = slip.SlipReader().feed(WIRES["routed"], 0)
    assert isinstance(data, bytes)
    return tio.unpack(data).payload


def test_a_device_that_has_the_rate_is_left_alone_and_one_that_booted_is_asked_again() -> None:
    """Every write begins a segment, so none is made without need; a boot brings the device's own rate back."""
    driver = driver_of(rate_hz=100)
    driver.feed(told(b""), 0)
    assert len(rate_calls(driver, SECOND)) == 1
    answered(driver, 7858, struct.pack("<f", 100.0))
    assert rate_calls(driver, 20 * SECOND) == []
    driver.feed(slip.frame(tio.pack(payload.heartbeat(77))), 20 * SECOND)
    assert [request.number for request in rate_calls(driver, 20 * SECOND)] == [7858]


@pytest.mark.parametrize(("number", "answer", "kind"), [
    (7858, payload.Refusal(7858, 2, ""), "rate refused"),
    (7859, payload.Refusal(7859, 17, "too fast"), "rate refused"),
    (7859, payload.Reply(7859, struct.pack("<f", 380.0)), "rate differs"),
    (7859, payload.Reply(7859, b"\x00"), "rate differs"),
])
def test_a_rate_that_the_device_does_not_take_is_a_fault_once(
    number: int, answer: payload.Refusal | payload.Reply, kind: str,
) -> None:
    """The words of the device are passed on, and it is not asked again and again."""
    driver = driver_of(rate_hz=480)
    driver.feed(told(b""), 0)
    rate_calls(driver, 0)
    if number == 7859:
        answered(driver, 7858, struct.pack("<f", 100.0))
        rate_calls(driver, 0)
    packet = payload.encode_refusal(answer) if isinstance(answer, payload.Refusal) else payload.encode_reply(answer)
    assert faults(driver.feed(slip.frame(tio.pack(packet)) * 3, 0)) == [kind]
    assert rate_calls(driver, 60 * SECOND) == []


def test_the_new_segment_is_read_with_its_rate() -> None:
    """What the write brings about is announced by the device, and flagged here."""
    driver = driver_of(rate_hz=50)
    driver.feed(told(b"") + row(9), 0)
    slower = replace(SEGMENT, segment_id=1, sampling_hz=50)
    wire = slip.frame(tio.pack(metadata.encode_metadata(slower, metadata.UPDATE)))
    data = b"\x00\x00\x00\x01" + np.arange(4, dtype="<f4").tobytes()
    (sample,) = driver.feed(wire + slip.frame(tio.pack(tio.Packet(tio.STREAM_0 + 1, data))), 0)
    assert isinstance(sample, Sample)
    assert (sample.rate_hz, sample.first_row, sample.flags) == (50.0, 0, ("segment changed",))

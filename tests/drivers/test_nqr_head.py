"""The NQR head's driver against the profile's emulator, in made-up time: whole scans and everything that breaks one.

The wire has its own tests; here a request goes straight into the register map.
"""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from drivers import nqr_profile as profile
from drivers.driver import ReadRegisters, Request, WriteRegisters
from drivers.nqr_head import SCAN_ENDS, NqrHead, ScanInProgress
from drivers.sample import BandPlan, Event, Fault, Sample, ScanCapture
from hil.instruments import nqr_head as emulated
from hil.registers import Refusal
from tests.modbus_bench import Heard, plans, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from hil.instruments.felt import FeltScan

SECOND = 1_000_000_000

# A request and its answer on a fast line.
EXCHANGE_NS = 1_000_000


def at_once(work: Callable[[], FeltScan]) -> Future[FeltScan]:
    """Compute the scene where it is asked for."""
    done: Future[FeltScan] = Future()
    done.set_result(work())
    return done


class Bay:
    """A head and its driver in made-up time; `spoil` may change or refuse any answer."""

    def __init__(self, *, ahead: bool = True, poll_s: float = 1.0) -> None:
        self.head = emulated.NqrHead(scene, at_once, seed=3, ahead=ahead)
        self.driver = NqrHead(poll_s)
        self.heard = Heard()
        self.now = 0
        self.requests: list[Request] = []
        self.spoil: Callable[[Request, tuple[int, ...] | str], tuple[int, ...] | str] = lambda _, answer: answer

    def run(self, seconds: float, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, as a port would, until something is done."""
        end = self.now + round(seconds * SECOND)
        while self.now < end and not done():
            request = self.driver.ask(self.now)
            if request is None:
                self.now += round(self.driver.idle_s_max * SECOND)
                continue
            self.now += EXCHANGE_NS
            self.heard.events += self._carry(request)

    def _carry(self, request: Request) -> list[Event]:
        self.requests.append(request)
        answer = self.spoil(request, self._ask_head(request))
        if isinstance(answer, str):
            return self.driver.refuse(answer, self.now)
        return self.driver.answer(answer, self.now)

    def _ask_head(self, request: Request) -> tuple[int, ...] | str:
        if isinstance(request, WriteRegisters):
            refused = self.head.write(request.address, request.values, self.now)
            return () if refused is None else f"exception {refused}"
        got = self.head.read(request.address, request.count, self.now)
        return f"exception {got}" if isinstance(got, Refusal) else struct.unpack(f">{request.count}H", got)

    def ended(self) -> bool:
        """Whether the scan ended one way or the other."""
        return bool(self.heard.scans) or any(fault.kind in SCAN_ENDS for fault in self.heard.faults)

    def scan(self, bands: int = 2, dwell_s: float = 300.0) -> int:
        """Begin a scan on a head that is known."""
        self.run(0.1)
        return self.driver.begin(plans(bands), dwell_s)


def test_an_idle_head_is_polled_once_a_poll_with_its_own_words() -> None:
    """Bay temperature, electronics, standoff and state, each second, and the fault bits as flags."""
    bay = Bay()
    bay.head.plate.standoff_m = float("nan")
    bay.head.fault_bits = 0b1001
    bay.run(10.0)
    assert len(bay.heard.samples) in {10, 11}
    assert not bay.heard.faults
    sample = bay.heard.samples[-1]
    assert sample.values[0, :2] == pytest.approx([293.15, 304.65])
    assert np.isnan(sample.values[0, 2])
    assert sample.flags == ("transmitter too hot", "interlock open", "no standoff")
    assert (sample.device.model, sample.device.serial) == ("NQR-8 emulated", "NQR8-0001")
    assert bay.driver.capabilities is not None
    assert bay.driver.capabilities.rates_hz == (20_000, 32_000)


def test_a_scan_delivers_every_band_as_counts() -> None:
    """What the scene put in comes out, times the head's gain, in the order of the plans."""
    bay = Bay()
    scan_id = bay.scan(3)
    bay.run(30.0, bay.ended)
    (scan,) = bay.heard.scans
    assert (scan.scan_id, scan.dwell_s, len(scan.raw), scan.flags) == (scan_id, 300.0, 3 * (72 + 65536), ())
    assert (scan.bay_temperature_c, scan.standoff_m) == pytest.approx((21.5, 0.25))
    wanted = scene(plans(3), scan_id)
    for capture, plan, band in zip(scan.bands, plans(3), wanted.bands, strict=True):
        assert (capture.plan, capture.counts.shape) == (plan, (8, 8, 256))
        assert capture.counts.dtype == np.complex64
        assert np.allclose(capture.counts[1:], (band.field_ft * bay.head.gains[:, None, None])[1:], atol=1.0)
        assert (capture.pilot_offset_hz, capture.pilot_ft) == (-3000.0, 100.0)
        assert (capture.forward_w, capture.reflected_w) == (50.0, 1.5)
    assert bay.driver.progress is None
    assert not bay.heard.faults


def test_raw_data_alone_give_the_scan_again() -> None:
    """Years later, with nothing but the journal: the same counts, and a changed byte is noticed."""
    bay = Bay()
    bay.scan(2)
    bay.run(30.0, bay.ended)
    (scan,) = bay.heard.scans
    again = profile.captures_of(scan.raw)
    for band, told in zip(scan.bands, again, strict=True):
        assert np.array_equal(band.counts, told.counts)
        assert (band.plan, band.pilot_ft, band.forward_w) == (told.plan, told.pilot_ft, told.forward_w)
    spoiled = bytearray(scan.raw)
    spoiled[70_000] ^= 1
    for wrong in (bytes(spoiled), scan.raw[:-2], b""):
        with pytest.raises(profile.PageUnsound):
            profile.captures_of(wrong)


def test_only_blocks_of_125_registers_and_no_more_than_the_profile_says_are_asked_for() -> None:
    """266 requests a band (section 5.1), none longer than a frame holds."""
    bay = Bay(poll_s=1000.0)
    bay.scan(1)
    before = len(bay.requests)
    bay.run(30.0, bay.ended)
    about_band = [request for request in bay.requests[before:] if request.address >= 0x0300
                  or request.address == 0x00A4]
    assert len(about_band) == 266
    assert all(request.count <= 125 for request in bay.requests if isinstance(request, ReadRegisters))


def test_samples_go_on_while_a_scan_runs_and_the_progress_only_grows() -> None:
    """Half of the progress is measuring, half is reading; the officer sees it move."""
    bay = Bay(ahead=False)
    bay.scan(4, dwell_s=60.0)
    seen: list[float] = []
    bay.run(70.0, lambda: seen.append(bay.driver.progress or 0.0) or bay.ended())  # type: ignore[func-returns-value]  # append, then ask
    assert len(bay.heard.scans) == 1
    running = seen[:-1]
    assert running == sorted(running)
    assert running[-1] > 0.95
    assert len(bay.heard.samples) >= 55


def test_a_page_with_a_wrong_checksum_is_read_again_and_told() -> None:
    """One flipped bit on its way costs one more page, a fault and a flag, not the scan."""
    bay = Bay()
    flips = [0x9000]

    def flip(request: Request, answer: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if isinstance(request, ReadRegisters) and isinstance(answer, tuple) and flips and (
                request.address <= flips[0] < request.address + request.count):
            flips.pop()
            return (answer[0] ^ 0x0400, *answer[1:])
        return answer

    bay.spoil = flip
    bay.scan(2)
    bay.run(30.0, bay.ended)
    (scan,) = bay.heard.scans
    assert scan.flags == ("band 0 read again",)
    assert bay.heard.told("bad page") == ["scan 1, band 0: checksum wrong, attempt 1"]


def test_a_page_that_stays_wrong_fails_the_scan_after_three_attempts() -> None:
    """Attempts are bounded, and the transmitter is told to stop."""
    bay = Bay()
    bay.spoil = lambda request, answer: (
        (0, *answer[1:]) if isinstance(request, ReadRegisters) and request.address == 0x8000 else answer)
    bay.scan(2)
    bay.run(60.0, bay.ended)
    assert not bay.heard.scans
    assert bay.heard.told("scan failed") == ["scan 1: band 0: no sound page in 3 attempts"]
    assert len(bay.heard.told("bad page")) == 3
    bay.run(0.1)
    assert WriteRegisters(0x00A0, (0, 1, 2)) in bay.requests


@pytest.mark.parametrize("at_request", [3, 6, 40, 300])
def test_a_head_that_restarts_in_the_middle_fails_the_scan_and_is_greeted_anew(at_request: int) -> None:
    """Never half a scan: the restart is told, the scan is reported failed, polling goes on."""
    bay = Bay()
    bay.scan(2)
    first = len(bay.requests)

    def reboot(request: Request, answer: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if len(bay.requests) == first + at_request:
            bay.head.reboot()
        return answer

    bay.spoil = reboot
    bay.run(60.0, bay.ended)
    bay.run(3.0)
    assert not bay.heard.scans
    assert len(bay.heard.told("scan failed")) == 1
    assert bay.heard.told("device restarted") == ["open profile NQR-8 emulated serial NQR8-0001 restarted"]
    assert bay.heard.samples[-1].seen_at > bay.heard.faults[-1].seen_at
    bay.driver.begin(plans(1), 300.0)
    bay.run(30.0, lambda: bool(bay.heard.scans))
    assert len(bay.heard.scans) == 1


def test_another_head_in_the_same_place_is_told_by_name() -> None:
    """A swap during a scan fails it, and the new serial number is on every later sample."""
    bay = Bay(ahead=False)
    bay.scan(2)
    bay.run(5.0)
    bay.head = emulated.NqrHead(scene, at_once, seed=4, plate=emulated.Plate(serial="NQR8-0002"))
    bay.run(5.0)
    assert bay.heard.told("scan failed") == ["scan 1: the head restarted or was exchanged during the scan"]
    assert bay.heard.told("device changed") == [
        "open profile NQR-8 emulated serial NQR8-0001 was replaced by open profile NQR-8 emulated serial NQR8-0002"]
    assert bay.heard.samples[-1].device.serial == "NQR8-0002"


def test_a_schedule_that_the_head_refuses_is_told_with_band_and_field() -> None:
    """The head's reason reaches the journal in words."""
    bay = Bay()
    bay.run(0.1)
    first, second = plans(2)
    bay.driver.begin((first, replace(second, rate_hz=25_000.0)), 300.0)
    bay.run(5.0, bay.ended)
    assert bay.heard.told("schedule refused") == [
        "scan 1: the head refused the schedule: value not supported, band 1, rate"]
    assert bay.driver.progress is None


def test_a_transmitter_that_fails_during_the_scan_is_told() -> None:
    """An error of the head ends the scan with the head's own words."""
    bay = Bay(ahead=False)
    bay.scan(2)
    bay.run(5.0)
    bay.head.fail(6, band=0)
    bay.run(5.0, bay.ended)
    assert bay.heard.told("scan failed") == ["scan 1: the head stopped: transmitter failed, band 0"]


def test_an_abort_stops_the_head_and_is_told() -> None:
    """An operator's abort ends in a fault, and the head is idle afterwards."""
    bay = Bay(ahead=False)
    bay.scan(2)
    bay.run(5.0)
    bay.driver.abort()
    bay.run(2.0)
    assert bay.heard.told("scan aborted") == ["scan 1: aborted on request"]
    assert bay.heard.samples[-1].values[0, 3] == profile.IDLE


def test_a_lost_answer_to_the_start_does_not_lose_the_scan() -> None:
    """The head obeyed, the answer was lost: the status says so."""
    bay = Bay()
    lost = [WriteRegisters(0x00A0, (0, 1, 1))]

    def lose(request: Request, answer: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if request in lost:
            lost.clear()
            return "no answer within 0.30 s"
        return answer

    bay.spoil = lose
    bay.scan(1)
    bay.run(30.0, bay.ended)
    assert len(bay.heard.scans) == 1


def forged(answer: tuple[int, ...], register: int, value: int) -> tuple[int, ...]:
    """Return a header with another value in it and the checksum that a head would have sent with it.

    CRC-32 is affine: a change of the message changes the checksum by that of the change alone.
    """
    changed = [0] * 32
    changed[register] = answer[register] ^ value
    rest = bytes(2 * profile.DATA_REGISTERS)
    change = zlib.crc32(struct.pack(">32H", *changed) + rest) ^ zlib.crc32(bytes(64) + rest)
    told = list(answer)
    told[register] = value
    told[32] ^= change >> 16
    told[33] ^= change & 0xFFFF
    return tuple(told)


@pytest.mark.parametrize(("register", "value", "words"), [
    (7, 1, "rate 1 instead of 20000"), (7, 0, "rate 0 instead of 20000"), (9, 1, "echo spacing"),
    (10, 0, "echoes per group 0"), (11, 0, "no train was done"),
])
def test_a_page_measured_with_other_settings_than_ordered_is_no_scan(register: int, value: int, words: str) -> None:
    """A sound checksum does not make points of an unknown spacing, or of no train at all, into a measurement."""
    bay = Bay()
    bay.spoil = lambda request, answer: (
        forged(answer, register, value) if request == profile.HEADER and not isinstance(answer, str) else answer)
    bay.scan()
    bay.run(60.0, bay.ended)
    assert not bay.heard.scans
    assert any(words in fault for fault in bay.heard.told("scan failed"))
    assert not bay.heard.told("bad page")


@pytest.mark.parametrize(("away_s", "survives"), [(5.0, True), (20.0, False)])
def test_a_scan_outlives_a_short_silence_and_fails_in_a_long_one(away_s: float, survives: bool) -> None:  # noqa: FBT001  a table of cases
    """Ten seconds without an answer end a scan, in a fault; five do not."""
    bay = Bay(ahead=False)
    bay.scan(2, dwell_s=30.0)
    bay.run(8.0)
    bay.spoil = lambda _request, _answer: "no answer within 0.30 s"
    bay.run(away_s)
    bay.spoil = lambda _request, answer: answer
    bay.run(60.0, bay.ended)
    assert bool(bay.heard.scans) is survives
    assert len(bay.heard.told("scan failed")) == (0 if survives else 1)
    assert len(bay.heard.told("no answer")) == 1


def test_a_scan_that_waits_for_a_head_that_is_not_there_fails_after_ten_seconds() -> None:
    """An order is never forgotten, whoever is at the other end."""
    bay = Bay()
    bay.spoil = lambda _request, _answer: "no connection: port missing"
    bay.driver.begin(plans(1), 300.0)
    bay.run(15.0, bay.ended)
    assert bay.heard.told("scan failed") == ["scan 1: no head answered for 10 s"]


def test_a_device_that_is_no_head_is_told_and_not_driven() -> None:
    """Another Modbus device at this address is never written to."""
    bay = Bay()
    bay.spoil = lambda request, answer: (
        (0,) * request.count if isinstance(request, ReadRegisters) else answer)
    bay.run(30.0)
    assert bay.heard.told("foreign device") == ["not an NQR head of register profile 1.x"]
    assert not any(isinstance(request, WriteRegisters) for request in bay.requests)


def test_a_scan_that_never_ends_is_given_up() -> None:
    """A head stuck in "scanning" cannot hold a scan open for ever."""
    bay = Bay(ahead=False)
    bay.scan(1, dwell_s=30.0)

    def stuck(request: Request, answer: tuple[int, ...] | str) -> tuple[int, ...] | str:
        if request == profile.STATUS and isinstance(answer, tuple) and answer[0] == profile.READY:
            return (profile.SCANNING, 999, 0, 0, *answer[4:])
        return answer

    bay.spoil = stuck
    bay.run(200.0, bay.ended)
    assert bay.heard.told("scan failed") == ["scan 1: it takes longer than its dwell and the pages can explain"]


def test_registers_at_random_raise_nothing_and_end_every_scan() -> None:
    """Whatever a device answers, the driver makes events of it."""
    chance = np.random.default_rng(11)
    bay = Bay()
    for _ in range(20):
        bay.spoil = lambda _request, answer: answer
        bay.run(3.0)
        if bay.driver.progress is None:
            bay.driver.begin(plans(1), 300.0)
        bay.run(float(chance.uniform(0.0, 0.3)))
        bay.spoil = lambda request, answer: (
            tuple(chance.integers(0, 65536, request.count).tolist()) if isinstance(request, ReadRegisters)
            and chance.random() < 0.2 else answer)
        bay.run(2.0)
    bay.spoil = lambda _request, answer: answer
    bay.run(300.0, lambda: bay.driver.progress is None)
    assert bay.driver.progress is None
    assert all(isinstance(event, Sample | ScanCapture | Fault) for event in bay.heard.events)


def test_orders_that_cannot_be_are_refused_at_once() -> None:
    """A second scan, no band, a value that no register holds: our own mistakes, raised."""
    bay = Bay()
    plan = plans(1)[0]
    bay.driver.begin((plan,), 300.0)
    with pytest.raises(ScanInProgress, match="scan 1 is running"):
        bay.driver.begin((plan,), 300.0)
    idle = NqrHead()
    wrong: list[tuple[tuple[BandPlan, ...], float, str]] = [
        ((), 300.0, "0 bands: must be 1 to 32"),
        ((replace(plan, trains=70_000),), 300.0, r"plans\[0\].trains = 70000"),
        ((replace(plan, carrier_hz=-1.0),), 300.0, r"plans\[0\].carrier_hz = -1.0"),
        ((plan,), 0.0, "dwell_s = 0.0"),
    ]
    for orders, dwell_s, words in wrong:
        with pytest.raises(ValueError, match=words):
            idle.begin(orders, dwell_s)


def test_the_schedule_example_of_the_profile_is_what_the_driver_writes() -> None:
    """Section 6 of the profile, register for register."""
    example = (BandPlan(423_000.0, 20_000.0, 0.013, 8, 100), BandPlan(3_410_000.0, 32_000.0, 0.009, 8, 120))
    table, top = profile.schedule_writes(example, 300.0)
    assert table == WriteRegisters(0x0110, struct.unpack(">16H", bytes.fromhex(
        "0006 7458 0000 4e20 0000 32c8 0008 0064 0034 0850 0000 7d00 0000 2328 0008 0078")))
    assert top == WriteRegisters(0x0100, (2, 0, 300_000 >> 16, 300_000 & 0xFFFF, 0xBDA5, 0x4BF2))
    pieces = profile.schedule_writes(plans(32), 300.0)
    assert [(piece.address, len(piece.values)) for piece in pieces] == [
        (0x0110, 120), (0x0188, 120), (0x0200, 16), (0x0100, 6)]

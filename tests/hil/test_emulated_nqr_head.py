"""The emulated NQR head against its profile document: examples, numbers, states and refusals."""

from __future__ import annotations

import asyncio
import shutil
import struct
import zlib
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hil.instruments.felt import FeltBand, FeltScan
from hil.instruments.nqr_blocks import NOTE
from hil.instruments.nqr_head import NqrHead, channel_gains
from hil.modbus_wire import PtyServer
from hil.registers import Refusal, answer_pdu
from hil.rtu import crc16
from tests.modbus_bench import plans, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from drivers.sample import BandPlan

PROFILE = (Path(__file__).parents[2] / "docs" / "nqr-head-profile.md").read_text()
SECOND = 1_000_000_000


def at_once(work: Callable[[], FeltScan]) -> Future[FeltScan]:
    """Compute the scene where it is asked for; a test need not wait."""
    done: Future[FeltScan] = Future()
    done.set_result(work())
    return done


def fresh(*, ahead: bool = True) -> NqrHead:
    """Return a head with a made-up scene."""
    return NqrHead(scene, at_once, seed=7, ahead=ahead)


def words(head: NqrHead, address: int, count: int, now: int = 0) -> tuple[int, ...]:
    """Return registers."""
    answer = head.read(address, count, now)
    assert isinstance(answer, bytes), answer
    return struct.unpack(f">{count}H", answer)


def table(wanted: tuple[BandPlan, ...]) -> bytes:
    """Return the table registers of a schedule, as section 2.5 describes them."""
    return b"".join(struct.pack(">IIIHH", int(plan.carrier_hz), int(plan.rate_hz), round(plan.echo_spacing_s * 1e6),
                                plan.echoes_per_group, plan.trains) for plan in wanted)


def schedule(head: NqrHead, rows: bytes, dwell_ms: int = 300_000, crc: int | None = None, bands: int | None = None,
             ) -> tuple[int, int, int, int]:
    """Write a schedule; return state, error code, band and field."""
    count = len(rows) // 16 if bands is None else bands
    assert head.write(0x0110, struct.unpack(f">{len(rows) // 2}H", rows), 0) is None
    top = struct.pack(">HHII", count, 0, dwell_ms, zlib.crc32(rows) if crc is None else crc)
    assert head.write(0x0100, struct.unpack(">6H", top), 0) is None
    state, *_, code, band, field = words(head, 0x0080, 10)
    return state, code, band, field


def scanned(bands: int) -> NqrHead:
    """Return a head that has finished scan 42."""
    head = fresh()
    assert schedule(head, table(plans(bands)))[0] == 1
    assert head.write(0x00A0, (0, 42, 1), 0) is None
    assert words(head, 0x0080, 1) == (3,)
    return head


def test_the_documents_frames_are_what_the_head_says() -> None:
    """A stranger who builds from the examples builds this head."""
    head = fresh()

    def over_rtu(request: str) -> str:
        frame = bytes.fromhex(request)
        assert crc16(frame[:-2]) == frame[-2:]
        body = frame[:1] + answer_pdu(head, frame[1:-2], 0)
        return (body + crc16(body)).hex(" ")

    rows = bytes.fromhex("0006 7458 0000 4e20 0000 32c8 0008 0064 0034 0850 0000 7d00 0000 2328 0008 0078")
    assert schedule(head, rows, crc=0xBDA54BF2) == (1, 0, 0xFFFF, 0)
    said = {
        "01 03 00 00 00 03 05 cb": "01 03 06 4e 51 52 48 01 00 42 69",
        "01 06 00 a4 00 02 49 e8": "01 06 00 a4 00 02 49 e8",
        "01 10 00 a0 00 03 06 00 00 00 2a 00 01 00 0a": "01 10 00 a0 00 03 80 2a",
    }
    for request, answer in said.items():
        assert over_rtu(request) == answer
        assert request in PROFILE
        assert answer in PROFILE
    # Started already: the same once more is refused. (Ready or scanning, section 3: both exception 6.)
    assert over_rtu("01 10 00 a0 00 03 06 00 00 00 2a 00 01 00 0a") == "01 90 06 cc 02"
    assert "01 90 06 cc 02" in PROFILE
    assert zlib.crc32(bytes(64) + struct.pack(">32768H", *range(32768))) == 0x29FE67A0
    assert "29fe 67a0" in PROFILE


def test_the_head_says_that_it_is_no_commercial_device() -> None:
    """The label stands in the identification registers and at the top of the document."""
    note = struct.pack(">48H", *words(fresh(), 0x0030, 48)).rstrip(b"\0").decode()
    assert note == NOTE
    assert PROFILE.split("\n")[2] == f"> **{NOTE}**"


def test_counts_are_the_field_times_the_hidden_gain_to_within_the_rounding() -> None:
    """Field in, counts out, through the channel's own gain and nothing else."""
    head = scanned(1)
    assert head.write(0x00A4, (0,), 0) is None
    header = struct.pack(">36H", *words(head, 0x0300, 36))
    exponents = np.array(struct.unpack(">8h", header[40:56]))
    data = b"".join(struct.pack(">128H", *words(head, address, 128)) for address in range(0x8000, 0x10000, 128))
    assert zlib.crc32(header[:64] + data) == int.from_bytes(header[64:68], "big")
    counts = np.frombuffer(data, ">i2").reshape(8, 8, 256, 2) * np.exp2(exponents)[:, None, None, None]
    wanted = scene(plans(1), 42).bands[0].field_ft * channel_gains(7)[:, None, None]
    error = counts - np.stack((wanted.real, wanted.imag), -1)
    steps = np.exp2(exponents)[:, None, None, None]
    assert np.all(np.abs(error) <= 0.5 * steps * 1.001 + 0.01)


def test_a_carrier_of_33_pt_costs_no_more_than_the_document_says() -> None:
    """Section 4: rounding adds 0.29 to 0.58 fT rms to each of I and Q where such a carrier fills the scale."""
    gains = channel_gains(7)
    time_s = np.arange(256) / 20_000.0
    chance = np.random.default_rng(1)

    def carrier(wanted: object, scan_id: int) -> FeltScan:
        noise: NDArray[np.float64] = chance.standard_normal((8, 8, 256)) + 1j * chance.standard_normal((8, 8, 256))
        field = (33_000.0 * np.exp(2j * np.pi * 1234.0 * time_s) + 3.6 * noise).astype(np.complex64)
        kept.append(field)
        return FeltScan((FeltBand(field, -3000.0, 100.0, 50.0, 1.0),), 20.0, 0.2)

    kept: list[NDArray[np.complex64]] = []
    head = NqrHead(carrier, at_once, seed=7, ahead=True)
    assert schedule(head, table(plans(1)))[0] == 1
    assert head.write(0x00A0, (0, 1, 1), 0) is None
    assert words(head, 0x0080, 1) == (3,)
    assert head.write(0x00A4, (0,), 0) is None
    steps = np.exp2(struct.unpack(">8h", struct.pack(">8H", *words(head, 0x0314, 8))))
    data = b"".join(struct.pack(">128H", *words(head, address, 128)) for address in range(0x8000, 0x10000, 128))
    numbers = np.frombuffer(data, ">i2").astype(np.float64).reshape(8, 8, 256, 2)
    counts = (numbers[..., 0] + 1j * numbers[..., 1]) * steps[:, None, None]
    error_ft = (counts / gains[:, None, None] - kept[0]).astype(np.complex128)
    each_ft = np.sqrt(np.mean(np.abs(error_ft) ** 2, axis=(1, 2)) / 2)
    assert np.all(each_ft > 0.2)
    assert np.all(each_ft < 0.6)


@pytest.mark.parametrize(("change", "verdict"), [
    ({"carrier_hz": 100_000.0}, (4, 1, 1, 1)),
    ({"rate_hz": 25_000.0}, (4, 2, 1, 2)),
    ({"echo_spacing_s": 0.0127}, (4, 3, 1, 3)),
    ({"echoes_per_group": 2000}, (4, 1, 1, 4)),
    ({"trains": 0}, (4, 1, 1, 5)),
    ({"trains": 20_000}, (4, 4, 0xFFFF, 7)),
])
def test_a_schedule_is_refused_by_error_band_and_field(
    change: dict[str, float], verdict: tuple[int, int, int, int],
) -> None:
    """The first mistake is named: what, in which band, in which field."""
    first, second = plans(2)
    rows = table((first, type(second)(**{**{key: getattr(second, key) for key in second.__slots__}, **change})))
    assert schedule(fresh(), rows) == verdict


def test_a_schedule_with_a_wrong_checksum_or_too_many_bands_is_refused() -> None:
    """A schedule that was torn on the line never arms the head."""
    assert schedule(fresh(), table(plans(2)), crc=1) == (4, 5, 0xFFFF, 8)
    assert schedule(fresh(), table(plans(2)), bands=0) == (4, 1, 0xFFFF, 6)
    assert schedule(fresh(), table(plans(15)), bands=17) == (4, 1, 0xFFFF, 6)


def test_no_page_of_an_earlier_scan_is_readable_after_a_new_start() -> None:
    """Section 3.1, rule 3: selection and data are gone before the start is answered."""
    head = scanned(2)
    assert head.write(0x00A4, (1,), 0) is None
    assert isinstance(head.read(0x8000, 125, 0), bytes)
    assert schedule(head, table(plans(2)))[0] == 1
    assert head.read(0x8000, 125, 0) is Refusal.ADDRESS
    assert words(head, 0x00A4, 1) == (0xFFFF,)
    assert words(head, 0x0300, 36) == (0xFFFF,) + (0,) * 35


def test_commands_are_taken_only_in_the_states_of_the_table() -> None:
    """Section 3: start needs an armed head, a schedule a head that does not scan."""
    head = fresh(ahead=False)
    assert head.write(0x00A0, (0, 1, 1), 0) is Refusal.BUSY
    assert schedule(head, table(plans(2)))[0] == 1
    assert head.write(0x00A0, (0, 0, 1), 0) is Refusal.VALUE
    assert head.write(0x00A0, (0, 1, 1), 0) is None
    assert head.write(0x0100, (1,), 0) is Refusal.BUSY
    assert head.write(0x00A2, (3,), 0) is Refusal.BUSY
    assert head.write(0x00A2, (9,), 0) is Refusal.VALUE
    assert head.write(0x00A2, (2,), 0) is None
    assert words(head, 0x0080, 1) == (0,)
    assert head.write(0x0010, (1,), 0) is Refusal.ADDRESS


def test_a_scan_in_real_time_becomes_ready_band_by_band() -> None:
    """Half of the dwell gives half of the bands, and the progress says so."""
    head = fresh(ahead=False)
    assert schedule(head, table(plans(4)), dwell_ms=60_000)[0] == 1
    assert head.write(0x00A0, (0, 1, 1), 0) is None
    assert words(head, 0x0080, 4, 20 * SECOND) == (2, 333, 1, 1)
    assert words(head, 0x0080, 4, 40 * SECOND) == (2, 666, 2, 2)
    assert head.write(0x00A4, (3,), 41 * SECOND) is None
    assert head.read(0x8000, 1, 41 * SECOND) is Refusal.ADDRESS
    assert words(head, 0x0080, 4, 61 * SECOND) == (3, 1000, 0xFFFF, 4)


def test_a_scanning_head_that_nobody_asks_stops_by_itself() -> None:
    """Section 3.2: after 30 s without a request the transmitter is off and the error code is 8."""
    head = fresh(ahead=False)
    assert schedule(head, table(plans(4)))[0] == 1
    assert head.write(0x00A0, (0, 1, 1), 0) is None
    assert words(head, 0x0080, 1, 29 * SECOND) == (2,)
    assert words(head, 0x0080, 8, 60 * SECOND)[0::7] == (4, 8)


def test_reads_stay_within_their_block() -> None:
    """Section 1.1: a read may run to the end of its block, not beyond; unknown registers are refused."""
    head = fresh()
    assert isinstance(head.read(0x0040, 32, 0), bytes)
    assert head.read(0x0040, 33, 0) is Refusal.ADDRESS
    assert head.read(0x0220, 1, 0) is Refusal.ADDRESS
    assert head.read(0x8000, 1, 0) is Refusal.ADDRESS
    assert answer_pdu(head, bytes.fromhex("03 0000 007e"), 0) == bytes.fromhex("83 03")
    assert answer_pdu(head, bytes.fromhex("04 0000 0001"), 0) == bytes.fromhex("84 01")


async def test_mbpoll_reads_the_head_over_a_serial_line(tmp_path: Path) -> None:
    """A client that is not ours reads magic, version and the texts of the identity, RTU at 115200 baud."""
    mbpoll = shutil.which("mbpoll")
    assert mbpoll, "mbpoll is not installed: apt-get install mbpoll"
    server = PtyServer({1: fresh()}, lambda: 0, tmp_path / "head", 115_200)
    await server.start()
    client = await asyncio.create_subprocess_exec(
        mbpoll, "-m", "rtu", "-b", "115200", "-P", "none", "-a", "1", "-0", "-r", "0", "-c", "48", "-t", "4:hex", "-1",
        str(tmp_path / "head"), stdout=asyncio.subprocess.PIPE)
    try:
        printed, _ = await asyncio.wait_for(client.communicate(), 10.0)
    finally:
        await server.stop()
    octets = b"".join(int(row.split()[1], 16).to_bytes(2, "big")
                      for row in printed.decode().splitlines() if row.startswith("["))
    assert len(octets) == 96
    assert octets[:6] == b"NQRH" + bytes.fromhex("0100")
    assert octets == fresh().read(0, 48, 0)

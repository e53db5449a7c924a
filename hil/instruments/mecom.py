"""An emulated Meerstetter TEC-1091 with a small vapour cell on its Peltier element. No I/O; bytes in, bytes out.

Rule: written from the protocol's description and parameter list, with nothing of the driver's.

Source: spomjaksilp/pyMeCom (MIT), houlihaj/MeComPyAPI (MIT). Identification and serial number say that it is
emulated. The cell, its sink and how the controller regulates are assumptions. It answers a broadcast (address 0)
with its own address; what a real one puts there is not known.
"""

from __future__ import annotations

import math
import random
import re
import struct
from typing import TYPE_CHECKING

from hil.emulated import Emulated

if TYPE_CHECKING:
    from drivers.sample import Nanoseconds
    from hil.emulated import Wish

IDENTIFICATION = "EMULATED TEC-1091   "    # 20 characters
ADDRESS = 2
BROADCAST, UNANSWERED = 0, 255

NO_COMMAND, BUSY, FORMAT, NO_PARAMETER, READ_ONLY, OUT_OF_RANGE, NO_INSTANCE = 1, 2, 4, 5, 6, 7, 8

INIT, READY, RUN, ERROR = 0, 1, 2, 3
STARTING_S = 0.2            # an assumption

# An assumed cell: settles with this time constant, and is called stable within this of its target.
CELL_TIME_S = 20.0
STABLE_K = 0.1
ROOM_C, SINK_RISE_K_PER_A = 22.0, 3.0
A_PER_K, RESISTANCE_OHM, CURRENT_A_MAX = 0.05, 1.5, 4.0
NOISE_K = 0.002

REQUEST_BYTES_MAX = 64
REQUEST = re.compile(r"#([0-9A-F]{2})([0-9A-F]{4})(.*)([0-9A-F]{4})")
ASKS = re.compile(r"\?VR([0-9A-F]{4})([0-9A-F]{2})")
SETS = re.compile(r"VS([0-9A-F]{4})([0-9A-F]{2})([0-9A-F]{8})")

NS = 1_000_000_000

# What may be written: number -> (kind, first value, least, most).
WRITABLE: dict[int, tuple[str, float, float, float]] = {
    108: ("i", 0, 0, 1), 2010: ("i", 1, 0, 3), 2030: ("f", CURRENT_A_MAX, 0.0, 4.0), 2031: ("f", 12.0, 0.0, 21.0),
    2032: ("f", 5.0, 0.0, 6.0), 2033: ("f", 14.0, 0.0, 25.0), 2051: ("i", ADDRESS, 0, 254),
    3000: ("f", 85.0, -50.0, 200.0),
}  # fmt: skip

SCENES = ("settled", "cold", "off", "error", "busy")
BUSY_SHARE = 0.2    # of the scene "busy": so many questions are answered with "device busy"
ERROR_NUMBER = 101  # of the scene "error"; any number but 0


class Refused(Exception):
    """The controller answers with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class TecController:
    """One controller at `address`; a scene of SCENES says in which state a host finds it."""

    def __init__(self, start: Nanoseconds, seed: int = 1, scene: str = "settled", address: int = ADDRESS) -> None:
        self._start = self._seen = start
        self._scene = scene
        self._chance = random.Random(seed)
        self._kept = {number: value for number, (_, value, _, _) in WRITABLE.items()} | {2051: address}
        if scene == "off":
            self._kept[2010] = 0
        self._object_c = self._kept[3000] if scene == "settled" else ROOM_C
        self._held = b""

    def opened(self, now: Nanoseconds) -> bytes:
        """Do nothing: a serial line has no connection."""
        del now
        return b""

    def feed(self, chunk: bytes, now: Nanoseconds) -> bytes:
        """Take the host's bytes and return the answers."""
        self._pass_time(now)
        *ended, self._held = (self._held + chunk).split(b"\r")
        self._held = self._held[-REQUEST_BYTES_MAX:]
        return b"".join(self._answer(line[max(line.rfind(b"#"), 0):].decode("latin-1"), now) for line in ended)

    def poll(self, now: Nanoseconds) -> bytes:
        """Say nothing by itself."""
        self._pass_time(now)
        return b""

    def _answer(self, text: str, now: Nanoseconds) -> bytes:
        asked = REQUEST.fullmatch(text)
        if asked is None or _crc(text[:-4]) != asked[4]:
            return b""
        address, payload = int(asked[1], 16), asked[3]
        if address not in {int(self._kept[2051]), BROADCAST}:
            return b""
        head = f"!{int(self._kept[2051]):02X}{asked[2]}"
        try:
            data = self._run(payload, now)
        except Refused as refused:
            data = f"+{refused.code:02X}"
        if data is None:
            return f"{head}{asked[4]}\r".encode()   # an acknowledgement carries the request's checksum
        return f"{head}{data}{_crc(head + data)}\r".encode()

    def _run(self, payload: str, now: Nanoseconds) -> str | None:
        """Return the answer's data, or None for an acknowledgement."""
        if self._scene == "busy" and self._chance.random() < BUSY_SHARE:
            raise Refused(BUSY)
        if payload[:3] == "?IF":
            return IDENTIFICATION
        if payload[:2] == "RS":
            self._start = now
            return None
        read, written = ASKS.fullmatch(payload), SETS.fullmatch(payload)
        if read:
            return self._read(int(read[1], 16), int(read[2], 16), now)
        if written:
            self._write(int(written[1], 16), int(written[2], 16), bytes.fromhex(written[3]))
            return None
        raise Refused(FORMAT if payload.startswith(("?VR", "VS")) else NO_COMMAND)

    def _read(self, number: int, instance: int, now: Nanoseconds) -> str:
        if instance != 1:
            raise Refused(NO_INSTANCE)
        whole = self._whole_numbers(now)
        real = self._real_numbers()
        if number in whole:
            return struct.pack(">i", whole[number]).hex().upper()
        if number in real:
            return struct.pack(">f", real[number]).hex().upper()
        raise Refused(NO_PARAMETER)

    def _write(self, number: int, instance: int, word: bytes) -> None:
        if instance != 1:
            raise Refused(NO_INSTANCE)
        if number not in WRITABLE:
            raise Refused(READ_ONLY if number in self._whole_numbers(self._seen) | self._real_numbers()
                          else NO_PARAMETER)
        kind, _, least, most = WRITABLE[number]
        (value,) = struct.unpack(f">{kind}", word)
        if not least <= value <= most:
            raise Refused(OUT_OF_RANGE)
        self._kept[number] = value

    def _whole_numbers(self, now: Nanoseconds) -> dict[int, int]:
        kept = {number: int(self._kept[number]) for number, row in WRITABLE.items() if row[0] == "i"}
        wrong = self._scene == "error"
        near = abs(self._object_c - self._kept[3000]) < STABLE_K
        return kept | {
            100: 1091, 101: 100, 102: 0, 103: 100, 104: ERROR if wrong else self._status(now),
            105: ERROR_NUMBER if wrong else 0, 106: 0, 107: 0, 109: 0, 1200: (2 if near else 1) if self._runs() else 0,
        }  # fmt: skip

    def _real_numbers(self) -> dict[int, float]:
        kept = {number: self._kept[number] for number, row in WRITABLE.items() if row[0] == "f"}
        current_a = self._current_a()
        return kept | {
            1000: self._object_c + self._chance.gauss(0.0, NOISE_K),
            1001: ROOM_C + SINK_RISE_K_PER_A * abs(current_a) + self._chance.gauss(0.0, NOISE_K),
            1010: self._kept[3000], 1011: self._kept[3000], 1020: current_a, 1021: current_a * RESISTANCE_OHM,
        }  # fmt: skip

    def _status(self, now: Nanoseconds) -> int:
        if now - self._start < STARTING_S * NS and self._scene == "cold":
            return INIT
        return RUN if self._runs() else READY

    def _runs(self) -> bool:
        return bool(self._kept[2010]) and self._scene != "error"

    def _current_a(self) -> float:
        """Return the current, negative for heating: what holds the cell, and more while it is away from its target."""
        if not self._runs():
            return 0.0
        wanted = -A_PER_K * (self._kept[3000] - ROOM_C + 2.0 * (self._kept[3000] - self._object_c))
        most = self._kept[2030]
        return min(max(wanted, -most), most)

    def _pass_time(self, now: Nanoseconds) -> None:
        """First order towards the target or the room: exact for any step."""
        passed_s, self._seen = (now - self._seen) / NS, now
        end_c = self._kept[3000] if self._runs() else ROOM_C
        self._object_c = end_c + (self._object_c - end_c) * math.exp(-max(passed_s, 0.0) / CELL_TIME_S)


def _crc(text: str) -> str:
    """CRC-16/XMODEM, bit by bit as the description has it."""
    crc = 0
    for byte in text.encode("latin-1"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
            crc &= 0xFFFF
    return f"{crc:04X}"


def _make(wish: Wish) -> TecController:
    return TecController(wish.now, wish.seed, wish.scene)


ROW = Emulated("mecom", "TEC controller with a vapour cell", SCENES, make_bytes=_make, baud=57_600)

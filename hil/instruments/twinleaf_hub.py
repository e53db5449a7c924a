"""An emulated Twinleaf hub: passes packets on between a host and the devices on its branches. No I/O.

Rule: downwards the last byte of the route is the branch and is removed; upwards the branch is appended.

Source: twinleaf/libtio, doc/TIO Protocol Overview.md, section on routing. What is behind a branch speaks bare packets;
it may be a hub itself. The hub has a name and a boot id of its own and no stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.instruments import twinleaf_calls as calls
from hil.instruments import twinleaf_packets as packets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hil.wire import ByteDevice

HEARTBEAT_NS = 500_000_000
BOOT_ID = 0x0B0B0B0B
ROUTE_BYTES_MAX = 8

PLATE = packets.Nameplate(name="HUB", model="HUB", serial="HUB.R1.SIM", revision=1)


class Hub:
    """A hub with devices on numbered branches (0 to 255); `bare` is TCP, or the branch of another hub."""

    def __init__(self, branches: Mapping[int, ByteDevice], *, bare: bool = False) -> None:
        self._branches = branches
        self._bare = bare
        self._host = packets.HostBytes(bare=bare)
        self._heartbeat_due = 0
        text = {"dev.name": PLATE.name, "dev.desc": PLATE.description, "dev.serial": PLATE.serial}
        self._calls = calls.CallTable([
            *(calls.reading(name, calls.TEXT_READ, words.encode) for name, words in text.items()),
            calls.Call("dev.metadata", calls.RAW, self._metadata),
        ])

    def opened(self, now: int) -> bytes:
        """Take note of a new connection; every branch is told."""
        self._host = packets.HostBytes(bare=self._bare)
        up = [packet for branch, device in self._branches.items() for packet in upward(device.opened(now), branch)]
        return self._wire(up)

    def feed(self, chunk: bytes, now: int) -> bytes:
        """Take the host's bytes: for the hub itself without a route, else for the branch it ends in."""
        answers: list[bytes] = []
        for packet in self._host.feed(chunk):
            if packet[1] & 0x0F:
                answers += self._down(packet, now)
            elif packet[0] == 2:
                answers.append(self._calls.answer(packet[4:]))
        return self._wire(answers)

    def poll(self, now: int) -> bytes:
        """Return what hub and branches send by themselves."""
        sent = []
        if now >= self._heartbeat_due:
            self._heartbeat_due = now + HEARTBEAT_NS
            sent.append(packets.heartbeat(BOOT_ID))
        for branch, device in self._branches.items():
            sent += upward(device.poll(now), branch)
        return self._wire(sent)

    def _down(self, packet: bytes, now: int) -> list[bytes]:
        device = self._branches.get(packet[-1])
        if device is None:
            return []   # nothing is plugged in there
        shorter = packet[:1] + bytes((packet[1] - 1,)) + packet[2:-1]
        return upward(device.feed(shorter, now), packet[-1])

    def _metadata(self, argument: bytes) -> bytes:
        if argument not in {b"", b"\x01\x00\x00"}:
            raise calls.CallRefused(calls.INVALID)
        kind, body = packets.device_record(PLATE, BOOT_ID, 0)
        return bytes((kind, len(body))) + body

    def _wire(self, bare: list[bytes]) -> bytes:
        return b"".join(bare if self._bare else map(packets.on_serial_line, filter(None, bare)))


def upward(said: bytes, branch: int) -> list[bytes]:
    """Return the bare packets that a device said, each with the branch appended to its route."""
    found = []
    while said:
        depth = said[1] & 0x0F
        end = 4 + int.from_bytes(said[2:4], "little") + depth
        if depth < ROUTE_BYTES_MAX:
            found.append(said[:1] + bytes((said[1] + 1,)) + said[2:end] + bytes((branch,)))
        said = said[end:]
    return found

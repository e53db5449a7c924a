"""Frames of Meerstetter's MeCom protocol: what a host asks and what a controller answers. Pure.

Rule: a reply is believed only with its checksum, and it carries the sequence number of the query it answers.

Source: spomjaksilp/pyMeCom (MIT), houlihaj/MeComPyAPI (MIT). Text, upper-case hex digits, CR at the end:
`#` address(2) sequence(4) payload checksum(4); the reply begins with `!`. The checksum is CRC-16/XMODEM over all
that stands before it.
"""

from __future__ import annotations

import binascii
import re
import struct
from dataclasses import dataclass

END, REPLY_START = b"\r", b"!"

# `!`, 2, 4, an identification of 20 characters, 4 and CR make 32; some controllers answer with more.
REPLY_BYTES_MAX = 128

REPLY = re.compile(rb"!([0-9A-F]{2})([0-9A-F]{4})(.*)([0-9A-F]{4})\r", re.DOTALL)
WORD_32 = re.compile(rb"[0-9A-F]{8}")
REFUSAL = re.compile(rb"\+([0-9A-F]{2})")

REFUSALS = {
    1: "command not available", 2: "device busy", 3: "general communication error", 4: "format error",
    5: "parameter not available", 6: "parameter is read-only", 7: "value out of range", 8: "instance not available",
    9: "parameter general failure",
}  # fmt: skip


class BadChecksum(ValueError):
    """The frame was damaged on its way."""


class Malformed(ValueError):
    """These bytes are no reply, or not one of the wanted form."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply whose checksum holds. `refusal` is the controller's error code, None where `data` is the answer."""

    address: int
    sequence: int
    data: bytes
    refusal: int | None


def checksum(text: bytes) -> bytes:
    """Return the four hex digits of CRC-16/XMODEM (polynomial 0x1021, initial value 0)."""
    return b"%04X" % binascii.crc_hqx(text, 0)


def query(address: int, sequence: int, payload: bytes) -> bytes:
    """Return the frame of a query."""
    text = b"#%02X%04X%b" % (address, sequence, payload)
    return text + checksum(text) + END


def read_parameter(parameter: int, instance: int) -> bytes:
    """Return the payload that asks for a parameter."""
    return b"?VR%04X%02X" % (parameter, instance)


IDENTIFY = b"?IF"


def reply(line: bytes) -> Reply:
    """Return the reply in a line with its CR; raises Malformed or BadChecksum."""
    found = REPLY.fullmatch(line)
    if found is None:
        raise Malformed(f"reply {line!r}: must be !, 6 hex digits, data, 4 hex digits and CR")
    computed = checksum(line[:-5])
    if found[4] != computed:
        raise BadChecksum(f"reply {line!r}: sent {found[4].decode()}, computed {computed.decode()}")
    refusal = REFUSAL.fullmatch(found[3])
    return Reply(int(found[1], 16), int(found[2], 16), found[3], int(refusal[1], 16) if refusal else None)


def whole_number(data: bytes) -> int:
    """Return the INT32 of a reply; raises Malformed."""
    return int.from_bytes(_word(data), "big", signed=True)


def real_number(data: bytes) -> float:
    """Return the FLOAT32 of a reply; raises Malformed."""
    (value,) = struct.unpack(">f", _word(data))
    return float(value)


def refusal_words(code: int) -> str:
    """Return an error code in words."""
    return REFUSALS.get(code, f"error {code}")


def _word(data: bytes) -> bytes:
    if not WORD_32.fullmatch(data):
        raise Malformed(f"value {data!r}: must be 8 hex digits")
    return bytes.fromhex(data.decode("ascii"))

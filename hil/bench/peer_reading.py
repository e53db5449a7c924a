"""Take a payload of the gateway apart for a bench: register values by name. Pure.

Rule: it reads the signed record by its format alone, with nothing of the gateway's code, as any subscriber could.
"""

from __future__ import annotations

import struct

import cbor2

# docs/record.cddl: the keys of a record, and of a reading's body.
KIND, BODY, READING = 2, 7, 1
CHANNELS, VALUES, NAME = 4, 5, 1
SIGN1 = b"\xd2"  # CBOR tag 18, COSE_Sign1 (RFC 9052)


def readings(payload: bytes) -> dict[str, float]:
    """Return the values of a reading by channel, {} for every other record, status or tree head."""
    if not payload.startswith(SIGN1):
        return {}
    _protected, _unprotected, signed, _signature = cbor2.loads(payload).value
    record = cbor2.loads(signed)
    if record[KIND] != READING:
        return {}
    body = record[BODY]
    _shape, numbers = body[VALUES].value  # RFC 8746: dimensions, then the little-endian floats row by row
    values = struct.unpack(f"<{len(numbers.value) // 8}d", numbers.value)
    return {channel[NAME]: value for channel, value in zip(body[CHANNELS], values, strict=True)}

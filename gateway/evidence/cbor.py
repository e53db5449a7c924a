"""Deterministic CBOR out, strict CBOR in (RFC 8949 section 4.2).

What is refused is refused with a place and a rule; no other exception leaves this file.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NoReturn

import cbor2

if TYPE_CHECKING:
    from collections.abc import Sequence

# An entry bundle of C2SP tlog-tiles gives an entry's length 16 bits.
RECORD_BYTES_MAX = 65_535
# The deepest record (verdict > accounts > lines > decay > groups) nests 9 containers; 16 leaves room and a small stack.
DEPTH_MAX = 16
# Tags that cbor2 turns into Python objects: dates, big numbers, references, sets, addresses, expressions.
# No record holds one, so they are refused before anything is built from them.
BUILT_IN_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


ARRAY, MAP = 4, 5          # major types, RFC 8949 section 3.1
ONE_BYTE_FOLLOWS = 24      # additional information: the size stands in the byte behind; 25 to 27: in 2, 4 or 8


class RecordRefused(ValueError):
    """Bytes or values that are no record: `where` is the path to the place, `rule` what was broken."""

    def __init__(self, where: str, rule: str) -> None:
        super().__init__(f"{where or 'record'}: {rule}")
        self.where = where
        self.rule = rule

    def inside(self, step: str) -> RecordRefused:
        """Return the same refusal seen from one level further out."""
        joint = "" if not self.where or self.where.startswith("[") else "."
        return type(self)(f"{step}{joint}{self.where}", self.rule)


class NotCbor(RecordRefused):
    """The bytes are no CBOR, or CBOR that the profile excludes (duplicate keys, indefinite lengths, depth)."""


class TrailingBytes(RecordRefused):
    """Something follows the one item that is allowed."""


class RecordTooBig(RecordRefused):
    """More bytes than a record may have."""


class WrongShape(RecordRefused):
    """Well-formed CBOR, but not what the format asks for at this place."""


def encode(item: object) -> bytes:
    """Return the deterministic encoding. Map keys must all be non-negative integers.

    With such keys the length-first order of cbor2 and the bytewise order of RFC 8949 are the same.
    """
    return cbor2.dumps(item, canonical=True)


def array_of(items: Sequence[bytes]) -> bytes:
    """Return the array of items that are encoded already."""
    return head(ARRAY, len(items)) + b"".join(items)


def map_of(entries: Sequence[bytes]) -> bytes:
    """Return the map of entries, key and value each, that are encoded already and in the order of their keys."""
    return head(MAP, len(entries)) + b"".join(entries)


def head(major: int, count: int) -> bytes:
    """Return the shortest head of an item of this major type and size (RFC 8949 section 3)."""
    if count < ONE_BYTE_FOLLOWS:
        return bytes([major << 5 | count])
    size = next(size for size in (1, 2, 4, 8) if count < 1 << 8 * size)
    return bytes([major << 5 | ONE_BYTE_FOLLOWS + size.bit_length() - 1]) + count.to_bytes(size, "big")


def decode(data: bytes, bytes_max: int = RECORD_BYTES_MAX) -> object:
    """Return the one item in `data`, which may have `bytes_max` bytes.

    Raises NotCbor, TrailingBytes or RecordTooBig. Lists inside a tag come back as tuples.
    """
    if len(data) > bytes_max:
        raise RecordTooBig("", f"{len(data)} bytes: at most {bytes_max} are allowed")
    stream = io.BytesIO(data)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=REFUSE_TAGS,
        max_depth=DEPTH_MAX,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        item: object = decoder.decode()
    except cbor2.CBORDecodeError as error:
        raise NotCbor("", f"near byte {stream.tell()} of {len(data)}: {error}") from error
    if stream.tell() != len(data):
        raise TrailingBytes("", f"{len(data) - stream.tell()} bytes follow the item")
    return item


def refuse_tag(_value: object, _immutable: bool) -> NoReturn:  # noqa: FBT001  # how cbor2 calls it
    """Stop the decoder at a tag that no record holds."""
    raise cbor2.CBORDecodeError("a tag that the format does not use")


REFUSE_TAGS = dict.fromkeys(BUILT_IN_TAGS, refuse_tag)

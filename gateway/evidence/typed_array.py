"""Arrays of floating-point numbers as RFC 8746 typed arrays, little-endian, without numpy.

The bytes are the values: they are kept as they came and never converted on the way to the journal.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cbor2

from gateway.evidence import cbor
from gateway.evidence.cbor import WrongShape

if TYPE_CHECKING:
    from collections.abc import Iterable

Bits = Literal[32, 64]
ROW_MAJOR = 40                                       # RFC 8746 section 3.1.1
TAG_OF: dict[Bits, int] = {32: 85, 64: 86}           # RFC 8746 section 2.1: IEEE 754, little-endian
LETTER_OF: dict[Bits, str] = {32: "f", 64: "d"}


@dataclass(frozen=True, slots=True)
class TypedArray:
    """Numbers of `bits` each, little-endian in `data`, of one or two dimensions, row by row.

    From numpy: `TypedArray(values.shape, values.astype("<f8").tobytes())`.
    """

    shape: tuple[int, ...]
    data: bytes
    bits: Bits = 64

    def __post_init__(self) -> None:
        if len(self.shape) not in {1, 2} or any(length < 0 for length in self.shape):
            raise WrongShape("", f"dimensions {self.shape}: one or two of them, none negative")
        wanted = math.prod(self.shape) * self.bits // 8
        if len(self.data) != wanted:
            raise WrongShape("", f"{len(self.data)} bytes for dimensions {self.shape}: must be {wanted}")

    @classmethod
    def of(cls, values: Iterable[float], shape: tuple[int, ...] | None = None, bits: Bits = 64) -> TypedArray:
        """Return an array of these numbers, in one dimension where no shape is given."""
        numbers = tuple(values)
        data = struct.pack(f"<{len(numbers)}{LETTER_OF[bits]}", *numbers)
        return cls(shape or (len(numbers),), data, bits)

    def values(self) -> tuple[float, ...]:
        """Return all numbers, row after row."""
        return struct.unpack(f"<{math.prod(self.shape)}{LETTER_OF[self.bits]}", self.data)


@dataclass(frozen=True, slots=True)
class ArrayShape:
    """How a typed array of `dimensions` dimensions stands in a record; see shape.py."""

    dimensions: Literal[1, 2]
    bits: Bits | None = None

    def encode(self, value: object) -> bytes:
        """Return the tag that stands for the array, encoded."""
        if type(value) is not TypedArray or len(value.shape) != self.dimensions:
            raise WrongShape("", f"must be a typed array of {self.dimensions} dimensions")
        if self.bits not in {None, value.bits}:
            raise WrongShape("", f"numbers of {value.bits} bits: must be {self.bits}")
        numbers = cbor2.CBORTag(TAG_OF[value.bits], value.data)
        tag = numbers if self.dimensions == 1 else cbor2.CBORTag(ROW_MAJOR, [list(value.shape), numbers])
        return cbor.encode(tag)

    def unpack(self, item: object) -> TypedArray:
        """Return the array that a decoded tag stands for."""
        if self.dimensions == 1:
            bits, data = self.numbers(item)
            return TypedArray((len(data) * 8 // bits,), data, bits)
        if not isinstance(item, cbor2.CBORTag) or item.tag != ROW_MAJOR or len_of(item.value) != 2:
            raise WrongShape("", "must be an array of two dimensions (tag 40)")
        lengths, numbers = item.value
        if len_of(lengths) != 2 or any(type(length) is not int for length in lengths):
            raise WrongShape("", "must have two whole numbers as dimensions")
        bits, data = self.numbers(numbers)
        return TypedArray(tuple(lengths), data, bits)

    def numbers(self, item: object) -> tuple[Bits, bytes]:
        """Return width and bytes of the one-dimensional array inside."""
        if isinstance(item, cbor2.CBORTag) and type(item.value) is bytes:
            for bits, tag in TAG_OF.items():
                if item.tag == tag and self.bits in {None, bits}:
                    return bits, item.value
        raise WrongShape("", f"must be a typed array of {self.bits or '32 or 64'}-bit numbers, little-endian")


def len_of(item: object) -> int:
    """Return the length of a decoded CBOR array, -1 where it is none."""
    return len(item) if isinstance(item, list | tuple) else -1

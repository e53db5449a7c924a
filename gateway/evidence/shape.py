"""How typed values stand in CBOR: one description serves both directions and checks both.

A map has integer keys that are all known; nothing is defaulted, converted or guessed on the way in.

Outwards every shape gives finished bytes and a container only joins them. Making Python objects for the encoder
to walk and sort cost 0.26 ms for a reading of 100 channels, this 0.03 ms (x86-64).
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Generic, Protocol, SupportsFloat, TypeVar

from gateway.evidence import cbor
from gateway.evidence.cbor import RecordRefused, WrongShape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")
E = TypeVar("E", bound=StrEnum)
UINT64_MAX = 2**64 - 1


class Shape(Protocol):
    """One kind of place in a record. Both directions raise WrongShape."""

    def encode(self, value: object) -> bytes:
        """Return the deterministic encoding of `value`."""
        ...

    def unpack(self, item: object) -> object:
        """Return the value for what the CBOR decoder gave."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number within limits."""

    least: int = 0
    most: int = UINT64_MAX

    def encode(self, value: object) -> bytes:
        """Take any integer type, numpy's too, but no boolean."""
        return cbor.encode(self.unpack(value if isinstance(value, bool) or not hasattr(value, "__index__")
                                       else operator.index(value)))

    def unpack(self, item: object) -> int:
        """Take an integer within the limits."""
        if type(item) is not int:
            raise WrongShape("", f"{kind_of(item)}: must be a whole number")
        if not self.least <= item <= self.most:
            raise WrongShape("", f"{item}: must be from {self.least} to {self.most}")
        return item


@dataclass(frozen=True, slots=True)
class Real:
    """A floating-point number; infinity and NaN are allowed, an integer on the wire is not."""

    def encode(self, value: object) -> bytes:
        """Take any number, numpy's too, but no boolean and no text."""
        if isinstance(value, bool | str | bytes) or not isinstance(value, SupportsFloat):
            raise WrongShape("", f"{kind_of(value)}: must be a number")
        return cbor.encode(float(value))

    def unpack(self, item: object) -> float:
        """Take a CBOR float of any width."""
        if type(item) is not float:
            raise WrongShape("", f"{kind_of(item)}: must be a floating-point number")
        return item


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    def encode(self, value: object) -> bytes:
        """Take a boolean."""
        return cbor.encode(self.unpack(value))

    def unpack(self, item: object) -> bool:
        """Take a boolean."""
        if type(item) is not bool:
            raise WrongShape("", f"{kind_of(item)}: must be true or false")
        return item


@dataclass(frozen=True, slots=True)
class Text:
    """Text of a bounded number of bytes in UTF-8."""

    bytes_max: int
    bytes_min: int = 0

    def encode(self, value: object) -> bytes:
        """Take text that UTF-8 can express."""
        if not isinstance(value, str):
            raise WrongShape("", f"{kind_of(value)}: must be text")
        return cbor.encode(self.unpack(value if type(value) is str else str(value)))

    def unpack(self, item: object) -> str:
        """Take text within the limits."""
        if type(item) is not str:
            raise WrongShape("", f"{kind_of(item)}: must be text")
        try:
            size = len(item) if item.isascii() else len(item.encode())
        except UnicodeEncodeError as error:
            raise WrongShape("", f"text that UTF-8 cannot express: {error.reason}") from error
        if not self.bytes_min <= size <= self.bytes_max:
            raise WrongShape("", f"text of {size} bytes: must be from {self.bytes_min} to {self.bytes_max}")
        return item


@dataclass(frozen=True, slots=True)
class Octets:
    """Bytes of an exact length, or of a bounded one."""

    size_min: int
    size_max: int

    def encode(self, value: object) -> bytes:
        """Take bytes."""
        return cbor.encode(self.unpack(value))

    def unpack(self, item: object) -> bytes:
        """Take bytes within the limits."""
        if type(item) is not bytes:
            raise WrongShape("", f"{kind_of(item)}: must be bytes")
        if not self.size_min <= len(item) <= self.size_max:
            raise WrongShape("", f"{len(item)} bytes: must be from {self.size_min} to {self.size_max}")
        return item


class Choice(Generic[E]):
    """One of an enumeration's members, numbered from 1 in the order given here."""

    def __init__(self, *members: E) -> None:
        self._members = members

    def encode(self, value: object) -> bytes:
        """Take a member; its number is what stands in the record."""
        for number, member in enumerate(self._members, 1):
            if value is member:
                return cbor.encode(number)
        raise WrongShape("", f"{value!r}: must be one of {', '.join(self._members)}")

    def unpack(self, item: object) -> E:
        """Take a number and return its member."""
        if type(item) is not int or not 1 <= item <= len(self._members):
            raise WrongShape("", f"{item!r}: must be a number from 1 to {len(self._members)}")
        return self._members[item - 1]


@dataclass(frozen=True, slots=True)
class Several:
    """A list of bounded length, a tuple in the record."""

    each: Shape
    count_max: int

    def encode(self, value: object) -> bytes:
        """Take a tuple."""
        if type(value) is not tuple:
            raise WrongShape("", f"{kind_of(value)}: must be a tuple")
        return cbor.array_of(self._walk(value, self.each.encode))

    def unpack(self, item: object) -> tuple[object, ...]:
        """Take a CBOR array."""
        if not isinstance(item, list):
            raise WrongShape("", f"{kind_of(item)}: must be a list")
        return tuple(self._walk(item, self.each.unpack))

    def _walk(self, entries: Sequence[object], step: Callable[[object], R]) -> list[R]:
        if len(entries) > self.count_max:
            raise WrongShape("", f"{len(entries)} entries: at most {self.count_max} are allowed")
        done: list[R] = []
        for entry in entries:
            try:
                done.append(step(entry))
            except RecordRefused as refused:
                raise refused.inside(f"[{len(done)}]") from None
        return done


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of a map: its key, the attribute it holds, its shape, and whether it may be absent (None)."""

    key: int
    name: str
    shape: Shape
    optional: bool = False


class Struct(Generic[T]):
    """A map with integer keys that stands for one frozen dataclass."""

    def __init__(self, of: type[T], *fields: Field, check: Callable[[T], str] | None = None) -> None:
        """Describe `of`; `check` returns what is wrong between its fields, empty where nothing is.

        The keys must rise: in this order they stand in the deterministic encoding (RFC 8949 section 4.2.1).
        """
        if any(before.key >= after.key for before, after in pairwise(fields)):
            raise ValueError(f"{of.__name__}: the keys of its fields must rise")
        self.of = of
        self.fields = fields
        self._steps = tuple((cbor.encode(field.key), field.name, field.shape.encode, field.optional)
                            for field in fields)
        self._by_key = {field.key: field for field in fields}
        self._check = check

    def encode(self, value: object) -> bytes:
        """Take exactly the dataclass, no other and none derived from it."""
        if type(value) is not self.of:
            raise WrongShape("", f"{kind_of(value)}: must be a {self.of.__name__}")
        self._agree(value)
        entries: list[bytes] = []
        for key, name, encode, optional in self._steps:
            held = getattr(value, name)
            if held is None and optional:
                continue
            try:
                entries.append(key + encode(held))
            except RecordRefused as refused:
                raise refused.inside(name) from None
        return cbor.map_of(entries)

    def unpack(self, item: object) -> T:
        """Take a map with every required key and no unknown one."""
        if not isinstance(item, dict):
            raise WrongShape("", f"{kind_of(item)}: must be a map")
        for key in item:
            if type(key) is not int or key not in self._by_key:
                raise WrongShape("", f"key {key!r} is not known here")
        held: dict[str, object] = {}
        for field in self.fields:
            if field.key in item:
                try:
                    held[field.name] = field.shape.unpack(item[field.key])
                except RecordRefused as refused:
                    raise refused.inside(field.name) from None
            elif not field.optional:
                raise WrongShape(field.name, f"key {field.key} is missing")
            else:
                held[field.name] = None
        value = self.of(**held)
        self._agree(value)
        return value

    def _agree(self, value: T) -> None:
        wrong = self._check(value) if self._check is not None else ""
        if wrong:
            raise WrongShape("", wrong)


def kind_of(item: object) -> str:
    """Return the name of a value's type, for a message."""
    return type(item).__name__

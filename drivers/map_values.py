"""Turn the registers of one read into the values that a map sees in them. Pure.

Rule: all values of one form are decoded in one go; a map of 100 registers costs little more than one of 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from drivers.map_reads import Span
from drivers.map_tables import REGISTERS
from drivers.map_text import channel_names, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from drivers.map_tables import DeviceTable, GroupTable, RegisterTable

Floats: TypeAlias = "NDArray[np.float64]"

# How numpy calls the types, most significant byte first.
DTYPES = {"u16": ">u2", "i16": ">i2", "u32": ">u4", "i32": ">i4", "f32": ">f4", "u64": ">u8", "i64": ">i8",
          "f64": ">f8", "bool": ">u2"}


@dataclass(frozen=True, slots=True)
class Form:
    """How a number stands in its registers."""

    type: str
    words: int
    little_words: bool
    little_bytes: bool
    bit: int | None
    bits: int


@dataclass(frozen=True, slots=True)
class Value:
    """One number of a sample: its column, where it is, and how it stands there."""

    name: str
    column: int
    function: Literal[1, 2, 3, 4]
    span: Span
    form: Form


@dataclass(frozen=True, slots=True)
class Batch:
    """Values of one form in one read: their columns, and where their registers are in it [values, words]."""

    form: Form
    columns: NDArray[np.intp]
    places: NDArray[np.intp]


def values_of(group: GroupTable, device: DeviceTable) -> tuple[Value, ...]:
    """Return every number of a group, in the order of the map, which is that of the columns."""
    found: list[Value] = []
    for register in group.register:
        form = _form(register, device)
        for number, name in enumerate(channel_names(register)):
            start = register.address + number * form.words
            found.append(Value(name, len(found), register.function, Span(start, start + form.words), form))
    return tuple(found)


def _form(register: RegisterTable, device: DeviceTable) -> Form:
    return Form(
        type=register.type,
        words=width(register),
        little_words=(register.word_order or device.word_order) == "little" and register.type in REGISTERS,
        little_bytes=(register.byte_order or device.byte_order) == "little" and register.type in REGISTERS,
        bit=register.bit,
        bits=register.bits,
    )


def batches(values: Iterable[Value], start: int) -> tuple[Batch, ...]:
    """Return how to decode these values from a read that begins at address `start`."""
    by_form: dict[Form, list[Value]] = {}
    for value in values:
        by_form.setdefault(value.form, []).append(value)
    return tuple(
        Batch(
            form,
            np.array([value.column for value in alike], np.intp),
            np.array([range(value.span.start - start, value.span.end - start) for value in alike], np.intp),
        )
        for form, alike in by_form.items()
    )


def decode(registers: Sequence[int], plan: tuple[Batch, ...], row: Floats) -> None:
    """Put the numbers that a read's registers hold into their columns of `row`, before scale and offset."""
    words = np.array(registers, np.uint16)
    for batch in plan:
        row[batch.columns] = _numbers(words[batch.places], batch.form)


def _numbers(words: NDArray[np.uint16], form: Form) -> Floats:
    if form.little_bytes:
        words = words.byteswap()
    if form.little_words:
        words = words[:, ::-1]
    numbers = np.frombuffer(words.astype(">u2").tobytes(), DTYPES[form.type])
    if form.bit is not None:
        numbers = numbers >> numbers.dtype.type(form.bit) & numbers.dtype.type(2**form.bits - 1)
    return numbers.astype(np.float64)


def text_of(registers: Sequence[int], order: Literal["big", "little"]) -> str:
    """Return the text in registers, two characters each, up to a NUL and without what cannot be printed."""
    octets = b"".join(register.to_bytes(2, order) for register in registers).split(b"\0")[0]
    letters = octets.decode("ascii", "replace")
    return "".join(letter for letter in letters if letter.isascii() and letter.isprintable()).strip()

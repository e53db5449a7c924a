"""Words on the command line as values with limits. A refusal says the value and the rule; argparse adds the key."""

from __future__ import annotations

import math
import tomllib
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_CHARACTERS_MAX = 300


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a reader of numbers from `least` to `most`."""
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise ArgumentTypeError(f"{text!r}: must be a number from {least:g} to {most:g}")
        return value
    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from `least` to `most`."""
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text[:20]) <= most:
            raise ArgumentTypeError(f"{text!r}: must be a whole number from {least} to {most}")
        return int(text)
    return read


def line(text: str) -> str:
    """Read one line of text without control characters."""
    if not 1 <= len(text) <= LINE_CHARACTERS_MAX or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ArgumentTypeError(f"must be one line of 1 to {LINE_CHARACTERS_MAX} characters")
    return text


def three_names(text: str) -> tuple[str, ...]:
    """Read three different names, separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if len(names) != 3 or len(set(names)) != 3 or not all(names):
        raise ArgumentTypeError(f"{text!r}: must be three different names, X,Y,Z")
    return names


def setting(text: str) -> tuple[str, str | int | float | bool]:
    """Read NAME=VALUE; a value that is neither number nor true or false is a text."""
    name, found, said = text.partition("=")
    if not found or not name:
        raise ArgumentTypeError(f"{text!r}: must be NAME=VALUE")
    try:
        value = tomllib.loads(f"value = {said}")["value"]
    except tomllib.TOMLDecodeError:
        value = said
    return name, value if isinstance(value, int | float | bool) else said

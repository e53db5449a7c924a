"""Read a driver's own settings, as the configuration gives them, with a clear word for every mistake. Pure.

Rule: every setting has a default and a rule. Names that a driver does not list are refused where it is chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.driver import SettingRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drivers.driver import Setting


class Settings:
    """The settings of one instrument. Take each one that the driver knows."""

    def __init__(self, given: Mapping[str, Setting]) -> None:
        """Take note of what was given."""
        self._given = given

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number from `low` to `high`, both allowed; raises SettingRefused."""
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise SettingRefused(f"settings.{name} = {value!r}: must be a number from {low:g} to {high:g}")
        return float(value)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, both allowed; raises SettingRefused."""
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise SettingRefused(f"settings.{name} = {value!r}: must be a whole number from {low} to {high}")
        return value

    def word(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`; raises SettingRefused."""
        value = self._given.get(name, default)
        if value not in choices:
            raise SettingRefused(f"settings.{name} = {value!r}: must be one of: {', '.join(choices)}")
        return str(value)

    def text(self, name: str, default: str = "") -> str:
        """Return a text of the driver's own form, which the driver checks; raises SettingRefused if it is none."""
        value = self._given.get(name, default)
        if not isinstance(value, str):
            raise SettingRefused(f"settings.{name} = {value!r}: must be a text")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return true or false; raises SettingRefused."""
        value = self._given.get(name, default)
        if not isinstance(value, bool):
            raise SettingRefused(f"settings.{name} = {value!r}: must be true or false")
        return value

"""The columns of a group's sample: their channels, scale and offset, and what the map says of their uncertainty. Pure.

Rule: an uncertainty is what the map states, never guessed from the number of digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from drivers.map_text import channel_names
from drivers.sample import Channel

if TYPE_CHECKING:
    from drivers.map_tables import GroupTable
    from drivers.map_values import Floats


class Columns:
    """The numbers that belong to each column of a group."""

    def __init__(self, table: GroupTable) -> None:
        """Take the lines of the map, each as many times as it makes channels."""
        lines = [(register, name) for register in table.register for name in channel_names(register)]
        self.channels = tuple(Channel(name, register.quantity, register.unit) for register, name in lines)
        self._scale = np.array([register.scale for register, _ in lines])
        self._offset = np.array([register.offset for register, _ in lines])
        self._u = np.array([register.u or 0.0 for register, _ in lines])
        self._u_relative = np.array([register.u_relative or 0.0 for register, _ in lines])
        stated = np.array([(register.u, register.u_relative) != (None, None) for register, _ in lines], bool)
        self._unstated = ~stated
        self._any_stated = bool(stated.any())

    def scaled(self, numbers: Floats) -> tuple[Floats, Floats | None]:
        """Return values [1, channels] and their standard uncertainty [channels], NaN where the map states none.

        The absolute and the relative share are independent, so their squares add (JCGM 100:2008, 5.1.2).
        """
        values = numbers * self._scale + self._offset
        if not self._any_stated:
            return values[np.newaxis], None
        u = np.hypot(self._u, self._u_relative * values)
        u[self._unstated] = np.nan
        return values[np.newaxis], u

"""What the configuration asks of an instrument beside its readings: to tell the time, to watch the lane. Pure.

Rule: an instrument that cannot do it is refused before anything runs; in silence no scan would ever begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers import csac, nqr_head
from drivers.map_text import channel_names, read_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config_tables import Config


class DutyRefused(ValueError):
    """An instrument cannot do what it is named for; the message says key, value and rule."""


def check_duties(config: Config, maps: Mapping[str, str]) -> None:
    """Refuse a clock that tells no time, a lane without a head, and contacts that the PLC's map has not.

    `maps` are the texts of the register maps, already checked. Raises DutyRefused.
    """
    by_name = {one.name: one for one in config.instrument}
    reference = config.clock.reference
    if reference and by_name[reference].driver != csac.INSTRUMENT.name:
        driver = by_name[reference].driver
        raise DutyRefused(f"clock.reference = {reference!r}: must have the driver {csac.INSTRUMENT.name}, not {driver}")
    scan = config.scan
    if scan.trigger != "plc":
        return
    if nqr_head.INSTRUMENT.name not in {one.driver for one in config.instrument}:
        rule = f"there is nothing to scan with: no instrument has the driver {nqr_head.INSTRUMENT.name}"
        raise DutyRefused(f"scan.trigger = 'plc': {rule}")
    if not by_name[scan.plc].map:
        raise DutyRefused(f"scan.plc = {scan.plc!r}: must be read by a register map, which names its contacts")
    groups = read_map(maps[by_name[scan.plc].map]).group
    known = [name for group in groups for register in group.register for name in channel_names(register)]
    for key, names in (("present", (scan.present,)), ("wanted", scan.wanted), ("barred", scan.barred)):
        for name in names:
            if name not in known:
                rule = f"must be a channel of {scan.plc}'s register map: {', '.join(known)}"
                raise DutyRefused(f"scan.{key} = {name!r}: {rule}")

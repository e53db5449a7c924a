"""Hold what the configuration says about its instruments to what they are: the lane's PLC, the reference clock. Pure.

Rule: a name that leads nowhere is refused before anything runs; a lane that never scans would look like an empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.map_text import MapRefused, read_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config_tables import Config, InstrumentTable

REFERENCE_DRIVER, PLC_DRIVER, HEAD_DRIVER = "csac", "modbus-map", "nqr-head"


class WrongReference(ValueError):
    """A key of the configuration leads to an instrument or a channel that cannot do what it says."""


def check_references(config: Config, maps: Mapping[str, str]) -> None:
    """Refuse what only the instruments behind the names can tell. Raises WrongReference: key, value, rule."""
    drivers = {one.name: one for one in config.instrument}
    reference = config.clock.reference
    if reference and drivers[reference].driver != REFERENCE_DRIVER:
        raise WrongReference(f"clock.reference = {reference!r}: must have the driver {REFERENCE_DRIVER}")
    if config.scan.trigger == "plc" and HEAD_DRIVER not in {one.driver for one in config.instrument}:
        rule = f"no instrument has the driver {HEAD_DRIVER}, so nothing can be scanned"
        raise WrongReference(f"scan.trigger = {config.scan.trigger!r}: {rule}")
    if config.scan.trigger == "plc":
        check_channels(config, channels_of(drivers[config.scan.plc], maps))


def check_channels(config: Config, channels: tuple[str, ...]) -> None:
    """Refuse a contact that the PLC's map does not have. Raises WrongReference."""
    scan = config.scan
    for key, names in (("present", (scan.present,)), ("wanted", scan.wanted), ("barred", scan.barred)):
        for name in names:
            if name not in channels:
                rule = f"must be a channel of {scan.plc}: {', '.join(channels) or 'it has none'}"
                raise WrongReference(f"scan.{key} = {name!r}: {rule}")


def channels_of(plc: InstrumentTable, maps: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the values that a PLC's map promises. Raises WrongReference where it has no usable map."""
    if plc.driver != PLC_DRIVER:
        raise WrongReference(f"scan.plc = {plc.name!r}: must have the driver {PLC_DRIVER}")
    try:
        found = read_map(maps.get(plc.map, ""))
    except MapRefused as refused:
        raise WrongReference(f"scan.plc = {plc.name!r}: its map is refused: {refused}") from refused
    return tuple(register.name for group in found.group for register in group.register if register.type != "text")

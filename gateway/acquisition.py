"""One task for each port: bytes and registers in, events out, each with the instrument's name. Edge.

A port never waits for another one. A Modbus bus that several units share is one port.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from drivers.address import TcpAddress
from drivers.driver import DriverOptions, RegisterDriver, SettingRefused, StreamDriver
from drivers.modbus_port import run_registers
from drivers.port import run_stream
from drivers.recording import FileAddress, parse_source
from drivers.replay_port import recorded_header, run_replay
from drivers.table import DRIVERS
from gateway import clock
from gateway.backlog import HeldBack
from gateway.serial_line import LineSettingRefused, line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drivers.driver import Instrument, LineSettings
    from drivers.sample import Event
    from gateway.config_tables import InstrumentTable
    from gateway.progress import Progress

NO_MAPS: Mapping[str, str] = MappingProxyType({})
STREAM_POLL_MS_MIN = 5    # a driver that speaks bytes is not told that the disk is behind
PORT_SILENT_S_MAX = 10.0  # a port task turns at least twice a second, whatever its device does


class NoSuchDriver(ValueError):
    """The configuration names a driver that there is none of."""


class PortShared(ValueError):
    """The configuration puts two instruments on one port that cannot share it."""


def check_drivers(instruments: Sequence[InstrumentTable], maps: Mapping[str, str] = NO_MAPS) -> None:
    """Refuse what only the table of drivers can tell.

    `maps` are the texts of the register maps, by how the configuration names them (gateway/maps.py).
    Raises NoSuchDriver, SettingRefused, LineSettingRefused, PortShared.
    It stands here and not in config.py because the publisher reads the configuration too, without any driver.
    """
    first_on: dict[str, tuple[Instrument, LineSettings]] = {}
    for number, instrument in enumerate(instruments):
        key = f"instrument[{number}]"
        if instrument.driver not in DRIVERS:
            known = ", ".join(sorted(DRIVERS))
            raise NoSuchDriver(f"{key}.driver = {instrument.driver!r}: must be one of: {known}")
        row = DRIVERS[instrument.driver]
        if row.kind == "stream" and instrument.poll_ms < STREAM_POLL_MS_MIN:
            rule = f"must be {STREAM_POLL_MS_MIN} or more: only a Modbus device is asked as fast as it answers"
            raise SettingRefused(f"{key}.poll_ms = {instrument.poll_ms}: {rule}")
        unknown = sorted(instrument.settings.keys() - row.settings.keys())
        if unknown:
            rule = f"{row.name} has no such setting; it has: {', '.join(sorted(row.settings)) or 'none'}"
            raise SettingRefused(f"{key}.settings.{unknown[0]}: {rule}")
        if instrument.map and not row.needs_map:
            raise SettingRefused(f"{key}.map = {instrument.map!r}: {row.name} reads no register map")
        try:
            row.make(options_of(instrument, maps))
            mine = row, line_of(instrument, row)
        except (SettingRefused, LineSettingRefused) as refused:
            raise type(refused)(f"{key}.{refused}") from refused
        first = first_on.setdefault(instrument.port, mine)
        taken = instrument.port in [one.port for one in instruments[:number]]
        if taken and (recorded(instrument.port) or not share(first, mine)):
            there = f"{first[0].name} is on it, at {first[1]}"
            rule = f"{there}: only Modbus devices with the same line settings share a port"
            raise PortShared(f"{key}.port = {instrument.port!r}: {rule}")


def options_of(instrument: InstrumentTable, maps: Mapping[str, str] = NO_MAPS) -> DriverOptions:
    """Return what the configuration tells an instrument's driver."""
    address = parse_source(instrument.port)
    options = DriverOptions(
        poll_s=instrument.poll_ms / 1000,
        packets=isinstance(address, TcpAddress),
        settings=instrument.settings,
        map_text=maps.get(instrument.map, ""),
    )
    return recorded_options(address, options) if isinstance(address, FileAddress) else options


def recorded_options(address: FileAddress, options: DriverOptions) -> DriverOptions:
    """Return what the driver was told when the recording was made; the configuration's own settings go before."""
    header = recorded_header(address)
    if header is None:
        return options
    settings = {**header.settings, **options.settings}
    return replace(options, poll_s=header.poll_s, packets=header.line is None, settings=settings)


def recorded(port: str) -> bool:
    """Tell whether a port is a recording."""
    return isinstance(parse_source(port), FileAddress)


def share(first: tuple[Instrument, LineSettings], second: tuple[Instrument, LineSettings]) -> bool:
    """Tell whether two instruments may be on one port: both on a Modbus bus, set alike."""
    return first[0].kind == second[0].kind == "registers" and first[1] == second[1]


def never_behind(_name: str) -> bool:
    """Tell that nothing waits for a disk, where nothing is journaled."""
    return False


class Acquisition:
    """The drivers of the configured instruments, and the tasks that run them."""

    def __init__(
        self, instruments: Sequence[InstrumentTable], progress: Progress, maps: Mapping[str, str] = NO_MAPS
    ) -> None:
        """Make a driver for each instrument; `progress` hears of every turn of every port."""
        self._progress = progress
        self._ports: dict[str, list[InstrumentTable]] = {}
        self.drivers: dict[str, StreamDriver | RegisterDriver] = {}
        for instrument in instruments:
            self.drivers[instrument.name] = DRIVERS[instrument.driver].make(options_of(instrument, maps))
            self._ports.setdefault(instrument.port, []).append(instrument)

    async def run(
        self, deliver: Callable[[str, Event], None], behind: Callable[[str], bool] = never_behind
    ) -> None:
        """Run all ports until cancelled. A mistake of our own in one of them ends them all.

        `behind` tells of an instrument whether what it said waits for the disk; see `backlog`.
        """
        if not self._ports:
            await asyncio.Event().wait()  # a gateway without instruments yet: it says so when asked, and stays
        async with asyncio.TaskGroup() as tasks:
            for port, instruments in self._ports.items():
                tasks.create_task(self._run_port(port, instruments, deliver, behind), name=f"port {port}")

    async def _run_port(
        self, port: str, instruments: list[InstrumentTable], deliver: Callable[[str, Event], None],
        behind: Callable[[str], bool],
    ) -> None:
        part = f"port {port}"
        self._progress.expect(part, PORT_SILENT_S_MAX, clock.monotonic_ns())

        def beat() -> None:
            self._progress.step(part, clock.monotonic_ns())

        def deliver_as(name: str) -> Callable[[Event], None]:
            return lambda event: deliver(name, event)

        row = DRIVERS[instruments[0].driver]
        address = parse_source(port)
        if isinstance(address, FileAddress):
            driver, deliver_one = self.drivers[instruments[0].name], deliver_as(instruments[0].name)
            await run_replay(address, row, driver, deliver_one, clock.monotonic_ns, beat)
            return
        line = line_of(instruments[0], row)
        if row.kind == "stream":
            stream = cast("StreamDriver", self.drivers[instruments[0].name])
            silent_s = row.silent_s_max if row.speaks else max(row.silent_s_max, 3 * instruments[0].poll_ms / 1000)
            deliver_one = deliver_as(instruments[0].name)
            await run_stream(address, line, stream, deliver_one, clock.monotonic_ns, beat, silent_s)
            return
        units = [(one.unit, self._held_back(one.name, behind), deliver_as(one.name)) for one in instruments]
        await run_registers(address, line, units, clock.monotonic_ns, beat)

    def _held_back(self, name: str, behind: Callable[[str], bool]) -> HeldBack:
        return HeldBack(cast("RegisterDriver", self.drivers[name]), partial(behind, name))

"""Run a whole bay of emulated instruments, each place beside the others. Edge: see stand.

Rule: either every instrument of the file stands, or none does and the reason is said.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hil.emulated import Wish
from hil.link import check_free
from hil.stand import Manner, standing_bytes, standing_units

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from drivers.sample import Nanoseconds
    from hil.bay_file import Bay, Seat
    from hil.instruments.nqr_head import Worker


@asynccontextmanager
async def standing_bay(
    bay: Bay, folder: Path, worker: Worker, clock: Callable[[], Nanoseconds],
) -> AsyncIterator[dict[str, str]]:
    """Run every instrument; links are made in `folder`. Gives each one's port by its name. Raises LinkTaken."""
    for seat in bay.instrument:
        if seat.link:
            check_free(folder / seat.link)
    async with AsyncExitStack() as stack:
        ports: dict[str, str] = {}
        for group in bay.groups():
            port = await stack.enter_async_context(_place(group, bay, folder, worker, clock))
            ports |= dict.fromkeys((seat.name for seat in group), port)
        yield ports


def _place(
    group: tuple[Seat, ...], bay: Bay, folder: Path, worker: Worker, clock: Callable[[], Nanoseconds],
) -> AbstractAsyncContextManager[str]:
    first = group[0]
    place = folder.absolute() / first.link if first.link else first.tcp or 0
    fast = (first.pace or bay.bay.pace) == "fast"
    how = Manner(fast, first.serial_over_tcp, first.troubles(), first.fault_seed)

    def wish(seat: Seat) -> Wish:
        packets = not isinstance(place, Path) and not seat.serial_over_tcp
        scene = seat.scene or seat.emulated.scenes[0]
        return Wish(scene, seat.seed, clock(), worker, packets=packets, ahead=seat.ahead)

    if first.emulated.make_bytes is not None:
        return standing_bytes(first.emulated.make_bytes(wish(first)), first.emulated.bytes_per_s, place, clock, how)
    devices = {
        seat.unit: seat.emulated.make_registers(wish(seat)) for seat in group if seat.emulated.make_registers}
    return standing_units(devices, first.emulated.baud, place, clock, how)


def configuration(bay: Bay, ports: Mapping[str, str]) -> str:
    """Return the instruments of a bay as tables for gateway.toml."""
    return "\n".join(
        instrument_table(seat.name, seat.emulate, ports[seat.name], seat.emulated.map,
                         seat.unit if seat.emulated.make_registers is not None else None)
        for seat in bay.instrument)


def instrument_table(name: str, driver: str, port: str, map_name: str, unit: int | None) -> str:
    """Return the table of one instrument; a map and a unit id where it has them."""
    lines = [f'name = "{name}"', f'driver = "{driver}"', f'port = "{port}"']
    lines += [f"unit = {unit}"] if unit is not None else []
    lines += [f'map = "{map_name}"'] if map_name else []
    return "\n".join(["[[instrument]]", *lines, ""])

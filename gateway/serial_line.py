"""Which settings an instrument's serial line gets: the driver's own, and what the configuration says instead. Pure.

Rule: a setting that the port cannot have is refused, never ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivers.address import SerialAddress, TcpAddress
from drivers.driver import LineSettings, Rs485
from drivers.recording import FileAddress, parse_source
from gateway.config_tables import LineTable

if TYPE_CHECKING:
    from drivers.driver import Instrument
    from gateway.config_tables import InstrumentTable


class LineSettingRefused(ValueError):
    """The configuration sets a line that cannot be set so; the message says key, value and rule."""


def line_of(instrument: InstrumentTable, row: Instrument) -> LineSettings:
    """Return the settings of an instrument's line. Raises LineSettingRefused, its text starting at the key."""
    given, address = instrument.line, parse_source(instrument.port)
    if given == LineTable():
        return row.line
    if isinstance(address, TcpAddress | FileAddress):
        raise LineSettingRefused(f"line: {address} is no serial line; a serial server is socket:// or rfc2217://")
    if not given.rs485 and _rs485(given) != Rs485():
        raise LineSettingRefused("line.rs485 = false: must be true where RTS levels or delays are set")
    if given.rs485 and not isinstance(address, SerialAddress):
        raise LineSettingRefused(f"line.rs485 = true: {address} is a serial server, which switches by itself")
    return LineSettings(
        given.baud or row.line.baud, given.bits or row.line.bits, given.parity or row.line.parity,
        given.stop_bits or row.line.stop_bits, _rs485(given) if given.rs485 else None)


def _rs485(given: LineTable) -> Rs485:
    return Rs485(given.rts_on_send, given.rts_after_send, given.hears_itself, given.delay_before_send_ms,
                 given.delay_after_send_ms)

"""A serial line is set as it was asked for, and refused with a remedy where it cannot be."""

from __future__ import annotations

import os
import pty
import termios
import tty
from typing import TYPE_CHECKING

import pytest

from drivers.address import SerialAddress
from drivers.driver import LineSettings, Rs485
from drivers.line import LineRefused, open_line, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def slave() -> Iterator[str]:
    """Return the path of a pty."""
    ends = pty.openpty()
    tty.setraw(ends[1])
    yield os.ttyname(ends[1])
    for end in ends:
        os.close(end)


def settings_of(path: str) -> tuple[int, int, int]:
    """Return speed in, speed out and control flags, as the kernel holds them."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        _, _, control, _, speed_in, speed_out, _ = termios.tcgetattr(descriptor)
    finally:
        os.close(descriptor)
    return speed_in, speed_out, control


@pytest.mark.parametrize(("settings", "speed", "flags"), [
    (LineSettings(9600), termios.B9600, 0),
    (LineSettings(57_600, stop_bits=2), termios.B57600, termios.CSTOPB),
    (LineSettings(115_200, 8, "O", 1), termios.B115200, termios.PARODD),
    (LineSettings(300, 8, "E", 2), termios.B300, termios.CSTOPB),
])
async def test_the_kernel_holds_the_settings_that_were_asked_for(
    settings: LineSettings, speed: int, flags: int, slave: str,
) -> None:
    """Read back by termios. A pty drops PARENB and CS7 by itself, but keeps speed, stop bits and which parity."""
    line = await open_line(SerialAddress(slave), settings)
    assert settings_of(slave)[:2] == (speed, speed)
    assert settings_of(slave)[2] & (termios.CSTOPB | termios.PARODD) == flags
    line.close()


async def test_an_open_line_is_set_anew(slave: str) -> None:
    """Without closing it, so that the lock holds and no device is reset by a second opening."""
    line = await open_line(SerialAddress(slave), LineSettings(9600))
    await line.retune(LineSettings(19_200, stop_bits=2))
    assert settings_of(slave)[0] == termios.B19200
    assert settings_of(slave)[2] & termios.CSTOPB
    line.close()


async def test_a_line_whose_direction_the_kernel_cannot_switch_is_refused_with_the_remedy(slave: str) -> None:
    """A pty refuses TIOCSRS485 as most USB adapters do; the lock is given back at once."""
    with pytest.raises(LineRefused, match=r"leave rs485 out of \[instrument.line\]") as refused:
        await open_line(SerialAddress(slave), LineSettings(19_200, rs485=Rs485(delay_before_send_ms=1)))
    assert refusal(refused.value) == ("port refused", "")
    (await open_line(SerialAddress(slave), LineSettings(19_200))).close()


async def test_a_rate_that_no_line_has_is_refused_and_not_raised(slave: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate out of range is a mistake of the world, told with the key that mends it."""
    with pytest.raises(LineRefused, match=r"give \[instrument.line\] what it can do"):
        await open_line(SerialAddress(slave), LineSettings(2**40))

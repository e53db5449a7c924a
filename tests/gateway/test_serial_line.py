"""What [instrument.line] does to an instrument's line, and what it refuses."""

from __future__ import annotations

import pytest

from drivers.driver import LineSettings, Rs485
from drivers.table import DRIVERS
from gateway.acquisition import PortShared, check_drivers
from gateway.config import ConfigRefused, parse
from gateway.serial_line import LineSettingRefused, line_of

HEAD = '[gateway]\nid = "bay"\n'
OVEN = '[[instrument]]\nname = "{name}"\ndriver = "eurotherm-3200"\nport = "{port}"\nunit = {unit}\n'
TTY = "/dev/ttyUSB0"


def line(settings: str, port: str = TTY) -> LineSettings:
    """Return an oven's line under these settings."""
    config = parse((HEAD + OVEN.format(name="a", port=port, unit=1) + settings).encode(), "test")
    return line_of(config.instrument[0], DRIVERS["eurotherm-3200"])


def test_without_the_table_the_line_is_the_driver_s_own() -> None:
    """Nobody has to say what the manual says."""
    assert line("") == DRIVERS["eurotherm-3200"].line


def test_what_is_given_takes_the_place_of_the_driver_s_setting_and_the_rest_stays() -> None:
    """One key alone may be set."""
    assert line('[instrument.line]\nparity = "E"\n') == LineSettings(9600, 8, "E", 1)
    assert line("[instrument.line]\nbaud = 19200\nstop_bits = 2\n") == LineSettings(19_200, 8, "N", 2)
    assert line("[instrument.line]\nrs485 = true\ndelay_before_send_ms = 2\n") == LineSettings(
        9600, rs485=Rs485(delay_before_send_ms=2))
    assert line("[instrument.line]\nbaud = 19200\n", "rfc2217://192.0.2.1:4000") == LineSettings(19_200)


@pytest.mark.parametrize(("settings", "port", "words"), [
    ("baud = 9600", "tcp://192.0.2.1:502", "is no serial line"),
    ("rts_on_send = false", TTY, "must be true where RTS levels or delays are set"),
    ("rs485 = true", "socket://192.0.2.1:4000", "switches by itself"),
])
def test_a_setting_that_the_port_cannot_have_is_refused(settings: str, port: str, words: str) -> None:
    """Ignored, it would be believed."""
    with pytest.raises(LineSettingRefused, match=words):
        line(f"[instrument.line]\n{settings}\n", port)


@pytest.mark.parametrize("settings", ["baud = 0", "bits = 5", 'parity = "M"', "stop_bits = 3", "speed = 1",
                                      "delay_before_send_ms = 101"])
def test_a_setting_that_no_line_has_is_refused_with_its_key(settings: str) -> None:
    """The configuration's own types say so."""
    with pytest.raises(ConfigRefused, match=settings.split(maxsplit=1)[0]):
        line(f"[instrument.line]\n{settings}\n")


@pytest.mark.parametrize("second", ["baud = 19200", 'parity = "E"', "rs485 = true"])
def test_instruments_that_share_a_bus_must_agree_on_its_line(second: str) -> None:
    """One pair of wires has one setting."""
    table = "\n[instrument.line]\n"
    apart = HEAD + OVEN.format(name="a", port=TTY, unit=1) + OVEN.format(name="b", port=TTY, unit=2)
    with pytest.raises(PortShared, match="with the same line settings"):
        check_drivers(parse((apart + table + second).encode(), "test").instrument)
    alike = (OVEN.format(name=name, port=TTY, unit=unit) + table + second + "\n" for unit, name in ((1, "a"), (2, "b")))
    check_drivers(parse((HEAD + "".join(alike)).encode(), "test").instrument)

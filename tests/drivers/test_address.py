"""A port's text names a serial line or a TCP listener, or is refused with value and rule."""

from __future__ import annotations

import pytest

from drivers.address import PortTextRefused, SerialAddress, ServerAddress, TcpAddress, parse_port


@pytest.mark.parametrize(("text", "address"), [
    ("/dev/serial/by-id/usb-FTDI_x-if00-port0", SerialAddress("/dev/serial/by-id/usb-FTDI_x-if00-port0")),
    ("serial:/dev/serial/by-path/pci-0:1.0", SerialAddress("/dev/serial/by-path/pci-0:1.0")),
    ("/dev/ttyUSB0", SerialAddress("/dev/ttyUSB0")),
    ("tcp://127.0.0.1:7855", TcpAddress("127.0.0.1", 7855)),
    ("tcp://sensor-2.bay:1", TcpAddress("sensor-2.bay", 1)),
    ("tcp://[fe80::1]:7855", TcpAddress("fe80::1", 7855)),
    ("socket://192.0.2.1:4001", ServerAddress("socket", "192.0.2.1", 4001)),
    ("rfc2217://[2001:db8::1]:4001", ServerAddress("rfc2217", "2001:db8::1", 4001)),
])
def test_a_good_text_is_read_and_written_back(text: str, address: SerialAddress | ServerAddress | TcpAddress) -> None:
    """What is read can be printed and read again."""
    assert parse_port(text) == address
    assert parse_port(str(address)) == address


@pytest.mark.parametrize("text", [
    "", "ttyUSB0", "COM3", "dev/ttyUSB0", "/", "/dev/", "//dev/ttyUSB0", "/dev/tty\n", "/dev/tty\x00",
    "serial:ttyUSB0", "tcp://host", "tcp://host:0", "tcp://host:65536", "tcp://:7855", "tcp://host:7855/x",
    "udp://host:7855",    "tcp:host:7855", "tcp://a b:1", "tcp://[::1:7855", "tcp://host:-1",
    "socket://host", "rfc2217://host:0", "telnet://host:23",
])
def test_a_bad_text_is_refused_with_value_and_rule(text: str) -> None:
    """The message is enough to mend the configuration."""
    with pytest.raises(PortTextRefused) as refused:
        parse_port(text)
    assert repr(text) in str(refused.value)
    assert "must be an absolute path" in str(refused.value)
    assert isinstance(refused.value, ValueError)

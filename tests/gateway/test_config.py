"""The configuration: what it accepts, and how it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.acquisition import NoSuchDriver, PortShared, check_drivers
from gateway.config import ConfigRefused, load, parse
from gateway.config_reference import reference

ROOT = Path(__file__).parents[2]
GOOD = """
[gateway]
id = "bay-1"

[[instrument]]
name = "head"
driver = "nqr-head"
port = "tcp://127.0.0.1:502"
"""


def test_a_small_configuration_is_enough() -> None:
    """Everything but the gateway's name has a default."""
    config = parse(b'[gateway]\nid = "bay-1"\n', "x")
    assert config.gateway.state_dir == "/var/lib/spingate"
    assert config.instrument == ()


@pytest.mark.parametrize(
    ("line", "key", "value", "rule"),
    [
        ("[gateway]\nid = 'bay-1'\nidd = 3", "gateway.idd", "3", "unknown key; must be one of: id, state_dir"),
        ("[gate]\nid = 'x'", "gate", "{'id': 'x'}", "unknown key; must be one of: gateway, key, journal"),
        ("[gateway]\nstate_dir = '/x'", "gateway.id", "missing", "must be given"),
        ("[gateway]\nid = 7", "gateway.id", "7", "must be a text in quotes"),
        ("[gateway]\nid = 'a b'", "gateway.id", "'a b'", "matching regex"),
        (GOOD + "poll_ms = -1", "instrument[0].poll_ms", "-1", "whole number >= 0"),
        (GOOD + "poll_ms = '9'", "instrument[0].poll_ms", "'9'", "must be a whole number, without quotes"),
        (GOOD + "speed = 9", "instrument[0].speed", "9", "must be one of: name, driver, port"),
        (GOOD.replace("tcp://127.0.0.1:502", "COM3"), "instrument[0].port", "'COM3'", "must be an absolute path"),
        (GOOD + GOOD.split("\n\n")[1], "instrument[1].name", "'head'", "must be unique"),
        (GOOD + GOOD.split("\n\n")[1].replace('"head"', '"b"'), "instrument[1].port", "502", "belongs to 'head'"),
        (GOOD + "[publisher]\nport = 70000", "publisher.port", "70000", "<= 65535"),
    ],
)
def test_a_refusal_names_key_value_and_rule(line: str, key: str, value: str, rule: str) -> None:
    """Nobody has to guess which of the keys is wrong, or why."""
    with pytest.raises(ConfigRefused) as refused:
        parse(line.encode(), "gateway.toml")
    for part in ("gateway.toml: ", key, value, rule):
        assert part in str(refused.value)


def test_an_unknown_driver_is_refused_with_those_there_are() -> None:
    """A spelling mistake in a driver's name stops the core, not the publisher."""
    config = parse(GOOD.replace("nqr-head", "nqr-haed").encode(), "gateway.toml")
    with pytest.raises(NoSuchDriver, match=r"instrument\[0\].driver = 'nqr-haed': must be one of: .*eurotherm-3200"):
        check_drivers(config.instrument)


@pytest.mark.parametrize("second", ["twinleaf", "eurotherm-3200"])
def test_a_port_is_shared_only_by_modbus_devices_that_are_set_alike(second: str) -> None:
    """A second magnetometer, or a bus of another speed, on the head's port would never be read: refused."""
    more = f'[[instrument]]\nname = "b"\ndriver = "{second}"\nport = "tcp://127.0.0.1:502"\nunit = 2\n'
    with pytest.raises(PortShared, match=r"instrument\[1\].port = 'tcp://127.0.0.1:502': nqr-head is on it"):
        check_drivers(parse((GOOD + more).encode(), "gateway.toml").instrument)


def test_what_is_no_toml_or_no_file_is_refused_by_name(tmp_path: Path) -> None:
    """A wrong path, a folder, bytes that are no text, and a file of a gigabyte all get one clear line."""
    for content in (b"\xff\xfe", b"[gateway", b"#" * 300_000):
        path = tmp_path / "gateway.toml"
        path.write_bytes(content)
        with pytest.raises(ConfigRefused, match=r"gateway\.toml: "):
            load(path)
    for path in (tmp_path, tmp_path / "absent.toml"):
        with pytest.raises(ConfigRefused, match="name the file with --config"):
            load(path)


def test_the_reference_document_is_what_the_types_say() -> None:
    """docs/configuration.md cannot drift from the code."""
    assert (ROOT / "docs" / "configuration.md").read_text().endswith(reference())


def test_the_example_configuration_is_valid_and_names_ports_that_outlive_a_replug() -> None:
    """The file that technicians start from loads, and every serial port in it is by-id or by-path."""
    config = load(ROOT / "systemd" / "gateway.toml").config
    assert {instrument.driver for instrument in config.instrument} == {"twinleaf", "eurotherm-3200", "nqr-head"}
    for instrument in config.instrument:
        assert instrument.port.startswith(("/dev/serial/by-id/", "/dev/serial/by-path/", "tcp://"))

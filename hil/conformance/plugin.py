"""The door of the conformance suite: `pytest --pyargs hil --instrument twinleaf --port /dev/ttyUSB0`.

Rule: a run of pytest that is not for `hil` is left as it is: no option, no hook, and nothing but this file is loaded.

pytest finds this file by its entry point in every environment where Spingate is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP = "spingate"


def meant(words: Sequence[str]) -> bool:
    """Tell whether a command line asks for this suite."""
    return any(word == "hil" or word.startswith(("hil.", "hil/", "hil::")) for word in words)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Add the options, and run in this process alone: a port cannot be shared."""
    if not meant(args):
        return
    add_options(parser.getgroup(GROUP, "instruments (spingate)"))
    # Until now pytest took the value of --port for a place to test, and made /dev its root: caches are kept there.
    early_config._rootpath = early_config.invocation_params.dir  # noqa: SLF001  # no public way before collection
    if early_config.pluginmanager.hasplugin("xdist"):
        args += ["--numprocesses=0"]
    if early_config.pluginmanager.hasplugin("timeout"):
        args += ["--timeout=0"]  # --seconds says how long to listen; every wait has a limit of its own
    # Nothing in the suite is asynchronous to pytest; unused, this plugin warns of a setting that no empty folder has.
    early_config.pluginmanager.set_blocked("asyncio")
    from hil.conformance import session  # noqa: PLC0415  # loads drivers and gateway: only when they are meant

    early_config.pluginmanager.register(session.Conformance(), "spingate-conformance")


def add_options(group: pytest.OptionGroup) -> None:
    """Say what can be told on the command line."""
    group.addoption("--instrument", action="append", default=[], metavar="NAME",
                    help="which driver (repeat it), or all; without --port it runs on the emulator")
    group.addoption("--port", default="", metavar="PORT",
                    help="a real device: /dev/serial/by-id/... or tcp://HOST:PORT")
    group.addoption("--unit", type=int, default=1, metavar="N", help="Modbus unit id of the real device (1)")
    group.addoption("--seconds", type=float, default=0.0, metavar="S",
                    help="how long to listen for lost samples (10 on a real device, 2 on an emulator)")
    group.addoption("--report", default="", metavar="FILE", help="the signed report (bench-report-TIME.cose)")
    group.addoption("--key", default="", metavar="FILE",
                    help="private key that signs the report (bench.key; made where it does not exist)")
    group.addoption("--setting", action="append", default=[], metavar="NAME=VALUE",
                    help="one of the driver's own settings, as a TOML value (repeat it)")
    group.addoption("--map", default="", metavar="MAP", help="register map, for a driver that needs one")
    group.addoption("--interactive", action="store_true",
                    help="a real device: ask a person to pull the cable and put it back")

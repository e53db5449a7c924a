"""The units as they stand in the files: how exposed systemd finds them, and whether each exposure has its reason.

No service is started here; test_services.py does that.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from sys import executable

import pytest

from tests.systemd.installation import SECTIONS

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
CORE, PUBLISHER, SERIAL_ONLY = "spingate.service", "spingate-publish.service", "serial-only.conf"
# As reached. The core pays 0.4 for asking whether the clock is synchronised and 0.7 for instruments on the network.
EXPOSURE_MAX = {(CORE, ""): 1.5, (CORE, SERIAL_ONLY): 0.8, (PUBLISHER, ""): 1.1}
ROOMS = {"drivers", "calibration", "gateway", "hil"}
DATA = {"calibration/nqr_lines.toml", "gateway/detection/coverage.json"}
ALSO = ("gateway/models/", "drivers/maps/", "drivers/README.md", "hil/captures/", "hil/bays/")

MATCH_OR_SET = re.compile(r'(?P<key>[A-Z]+)(?P<of>\{[\w/]+\})?(?P<operator>==|!=|\+=|:=|=)"(?P<value>[^"]*)"')
RULE_KEYS = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "KERNELS", "ATTRS", "ATTR", "ENV", "GROUP", "MODE", "TAG",
             "GOTO", "LABEL", "DRIVER", "TEST"}  # fmt: skip
# udev(7): compared, never set; only an attribute of the device itself can be both
MATCHED = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "KERNEL", "KERNELS", "ATTRS", "DRIVER", "TEST"}


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of systemd to its end; where it is missing the test fails and says so."""
    if shutil.which(str(words[0])) is None:
        pytest.fail(f"{words[0]} is missing: apt-get install --no-install-recommends systemd")
    return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)


def laid_out(folder: Path, unit: str, drop_in: str) -> Path:
    """Copy a unit, with one drop-in where it is named, as an installation has it."""
    shutil.copy(UNITS / unit, folder)
    if drop_in:
        (folder / f"{unit}.d").mkdir()
        shutil.copy(UNITS / drop_in, folder / f"{unit}.d")
    return folder / unit


def comments(unit: str) -> str:
    """Return all that a unit file says in comments."""
    return "\n".join(line for line in (UNITS / unit).read_text().splitlines() if line.startswith("#"))


@pytest.mark.parametrize(("unit", "drop_in"), EXPOSURE_MAX)
def test_a_unit_is_no_more_exposed_than_it_was(unit: str, drop_in: str, tmp_path: Path) -> None:
    """The overall exposure that `systemd-analyze security` finds never rises."""
    found = run("systemd-analyze", "security", "--offline=yes", "--no-pager", laid_out(tmp_path, unit, drop_in))
    overall = re.search(r"Overall exposure level for \S+ ([0-9.]+)", found.stdout)
    assert overall, found.stderr
    assert float(overall[1]) <= EXPOSURE_MAX[unit, drop_in], found.stdout


@pytest.mark.parametrize("unit", [CORE, PUBLISHER])
def test_every_exposure_left_has_its_reason_in_the_unit(unit: str, tmp_path: Path) -> None:
    """Each setting that systemd marks is named in a comment of the unit file."""
    words = ("systemd-analyze", "security", "--offline=yes", "--no-pager", "--json=short", laid_out(tmp_path, unit, ""))
    marked = {line["name"].split("=")[0] for line in json.loads(run(*words).stdout) if not line["set"]}
    assert marked, "systemd marked nothing: its words have changed"
    assert sorted(name for name in marked if not re.search(rf"\b{name}\b", comments(unit))) == []


def test_the_units_are_valid_to_systemd(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say once the command is where the units expect it."""
    for unit in (CORE, PUBLISHER):
        words = (UNITS / unit).read_text()
        assert "ExecStart=/opt/spingate/bin/spingate " in words
        (tmp_path / unit).write_text(words.replace("/opt/spingate/bin/spingate ", "/bin/true "))
    found = run("systemd-analyze", "verify", "--recursive-errors=no", *(tmp_path / unit for unit in (CORE, PUBLISHER)))
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_sysusers_make_both_users_and_the_journal_readable_by_group(tmp_path: Path) -> None:
    """The publisher's user is in the core's group and not the other way round; neither can log in."""
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "group").write_text("root:x:0:\ndialout:x:20:\n")
    found = run("systemd-sysusers", f"--root={tmp_path}", UNITS / "spingate.sysusers")
    assert found.returncode == 0, found.stderr
    groups = {line.split(":")[0]: line.split(":")[3] for line in (etc / "group").read_text().splitlines()}
    assert (groups["dialout"], groups["spingate"], groups["spingate-publish"]) == ("spingate", "spingate-publish", "")
    users = {line.split(":")[0]: line.split(":")[6] for line in (etc / "passwd").read_text().splitlines()}
    assert {users["spingate"], users["spingate-publish"]} == {"/usr/sbin/nologin"}


def test_udev_rules_are_made_of_known_keys_and_every_jump_lands() -> None:
    """Debian 12 has no `udevadm verify`: here keys, operators and labels are checked."""
    jumps, labels, grants = [], [], []
    for line in (UNITS / "70-spingate.rules").read_text().splitlines():
        parts = [] if line.startswith("#") or not line else [part.strip() for part in line.split(",")]
        for part in parts:
            found = MATCH_OR_SET.fullmatch(part)
            assert found, part
            assert found["key"] in RULE_KEYS, part
            assert found["key"] not in MATCHED or found["operator"] in {"==", "!="}, part
            jumps += [found["value"]] if found["key"] == "GOTO" else []
            labels += [found["value"]] if found["key"] == "LABEL" else []
            grants += [found["value"]] if found["key"] in {"GROUP", "MODE"} else []
    assert set(jumps) == set(labels)
    assert grants == ["dialout", "0660"]


def test_udev_rules_know_the_same_chips_at_both_levels_and_those_of_the_instruments() -> None:
    """The adapter must stay awake and unbothered, its port belong to dialout: a chip in one list alone would not."""
    rules = (UNITS / "70-spingate.rules").read_text()
    device = re.findall(r'^ATTR\{idVendor\}=="(\w+)", ATTR\{idProduct\}=="([\w|]+)"', rules, re.MULTILINE)
    above = rules.replace('SUBSYSTEMS=="usb", ATTRS{idVendor}', "ATTRS{idVendor}")
    port = re.findall(r'^ATTRS\{idVendor\}=="(\w+)", ATTRS\{idProduct\}=="([\w|]+)"', above, re.MULTILINE)
    assert device == port
    known = {f"{vendor}:{product}" for vendor, products in device for product in products.split("|")}
    assert known >= {"0403:6015", "0403:6001", "0483:5740"}     # Twinleaf, QuSpin, newer Twinleaf
    assert all(re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", one) for one in known)
    for promise in ('ENV{ID_MM_DEVICE_IGNORE}="1"', 'ATTR{power/control}="on"', 'ATTR{latency_timer}="1"'):
        assert rules.count(promise) == 1


def test_the_wheel_holds_the_four_packages_and_nothing_else(tmp_path: Path) -> None:
    """What is installed on a gateway is the program: no tests, no units, no papers."""
    words = (executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT)
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(tmp_path.glob("spingate-*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if ".dist-info/" not in name]
        points = next(name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt"))
        assert "spingate = gateway.cli.main:main" in wheel.read(points).decode()
    assert {name.split("/")[0] for name in names} == ROOMS
    data = {name for name in names if not name.endswith(".py")}
    assert data >= DATA
    assert {name for name in data - DATA if not name.startswith(ALSO)} == set()


def test_the_document_names_every_block_that_no_test_has_run() -> None:
    """A command block that the container test does not run says so in the words before it."""
    text = (ROOT / "docs" / "installation.md").read_text()
    for before in text.split("```sh not-proven")[:-1]:
        assert "not proven" in before.split("```")[-1].lower()
    sections = {part.split("\n")[0] for part in text.split("\n## ")[1:] if "```sh\n" in part}
    assert sections == set(SECTIONS)

"""drivers/README.md is followed to the letter: its blocks make a driver that passes the walk and is read on a port.

Rule: nothing is done here that the page does not say.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "drivers" / "README.md").read_text()
SECTION = re.compile(r"^## \d\. (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
CAREFUL = 55.0


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with the page's instrument in it."""
    copy = tmp_path_factory.mktemp("page") / "spingate"
    ignored = shutil.ignore_patterns("__pycache__", "*.cose")
    for room in ("drivers", "calibration", "gateway", "hil"):
        shutil.copytree(ROOT / room, copy / room, ignore=ignored)
    shutil.copytree(ROOT / "tests" / "drivers", copy / "tests" / "drivers", ignore=ignored)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy / name)
    for heading, body in SECTION.findall(PAGE):
        follow(copy, heading, body)
    return copy


def follow(tree: Path, heading: str, body: str) -> None:
    """Do what one section of the page says."""
    blocks = BLOCK.findall(body)
    named = re.search(r"`([\w/]+\.\w+)`", heading)
    if heading.startswith("One line in") and named:
        add_to_table(tree / named[1], blocks[0][1])
    elif heading.startswith("One row in the README"):
        readme = (tree / "README.md").read_text()
        rows = readme.split("## Instruments")[1].split("\n\n")[1]
        (tree / "README.md").write_text(readme.replace(rows, f"{rows}\n{blocks[0][1].rstrip()}"))
    elif named:
        (tree / named[1]).write_text(blocks[0][1])


def add_to_table(table: Path, lines: str) -> None:
    """Import beside the others, and put the row at the end."""
    imported, row = lines.splitlines()
    text = table.read_text()
    head, rest = text.split("from __future__ import annotations\n", 1)
    end = rest.rindex("    )\n}")
    text = f"{head}from __future__ import annotations\n\n{imported}\n{rest[:end]}{row}\n{rest[end:]}"
    table.write_text(text)


def commands() -> list[list[str]]:
    """Return the commands of the page's last section, as words."""
    console = next(text for kind, text in BLOCK.findall(PAGE) if kind == "console")
    return [line.split() for line in console.splitlines()]


def run(tree: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """Run one command of the page in the copy."""
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=CAREFUL, check=False)


def test_the_page_is_one_page_and_names_every_file() -> None:
    """An hour's work fits on a page; each of its seven files and lines is there."""
    assert [heading for heading, _ in SECTION.findall(PAGE)][:5] == [
        "`drivers/thermo.py`", "One line in `drivers/table.py`", "`hil/instruments/thermo.py`",
        "One line in `hil/table.py`", "`hil/captures/thermo.capture`"]
    assert len(PAGE.splitlines()) < 300


def test_the_pages_instrument_passes_its_own_tests_and_the_walk(tree: Path) -> None:
    """The golden frames and the whole walk over `DRIVERS` pass in the copy; thermo is among the walked."""
    own, walk, *_ = commands()
    done = run(tree, own[1:])
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(tree, [*walk[1:], "-k", "thermo or purity or world or belongs", "-v"])
    assert done.returncode == 0, done.stdout + done.stderr
    for promise in ("every_cut", "million_bytes", "no_more_than_one_frame", "damage", "datasheet", "the_readme"):
        assert re.search(rf"::test_\S*{promise}\S*thermo\S* PASSED", done.stdout), promise


def test_the_pages_emulator_is_read_by_the_conformance_suite(tree: Path) -> None:
    """`pytest --pyargs hil --instrument thermo` reads it through the gateway's own port, and nothing fails."""
    words = commands()[2]
    done = run(tree, [*words[1:3], "-p", "hil.conformance.plugin", *words[3:], "--report", str(tree / "report.cose")])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every check passed" in done.stdout
    assert (tree / "report.cose").exists()


def test_the_pages_code_is_what_the_linter_wants(tree: Path) -> None:
    """Whoever copies it begins with clean code."""
    files = ["drivers/thermo.py", "hil/instruments/thermo.py", "tests/drivers/test_thermo.py"]
    done = run(tree, ["-m", "ruff", "check", "--no-cache", *files])
    assert done.returncode == 0, done.stdout


def test_the_new_instrument_is_listed(tree: Path) -> None:
    """`spingate hil --list` shows it."""
    done = run(tree, commands()[3][1:])
    assert "thermo " in done.stdout, done.stderr

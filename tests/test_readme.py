"""The README says what is true: its commands, tables and links are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivers.table import DRIVERS
from gateway.cli.main import COMMANDS, parser
from hil.table import EMULATED

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_command_table_lists_every_command_and_no_other() -> None:
    """A command that is added, renamed or removed changes the README."""
    assert re.findall(r"^\| `spingate (\w+)` \|", README, re.MULTILINE) == list(COMMANDS)


def test_the_instrument_table_lists_every_driver_and_each_has_an_emulator() -> None:
    """Drivers, emulators and the README's table go by the same names."""
    table = README.split("## Instruments")[1].split("##")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(DRIVERS) == list(EMULATED)


def test_the_two_commands_to_begin_with_are_in_the_makefile() -> None:
    """What a newcomer types first exists, and so does everything else the README has them make."""
    block = README.split("```")[1].split()
    assert block == ["make", "demo", "make", "test"]
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make (\w+)", README)) <= set(targets)


def test_what_the_demonstration_printed_is_shown_as_it_prints_it() -> None:
    """The README's sample has the lines that the demonstration has, in its order."""
    sample = README.split("```")[3]
    wanted = ["emulated bay:", "broker:", "Empty bay", "NOT INSPECTABLE", "CLEAR", "ALARM", "NOT INSPECTABLE",
              "MAGNETIC ANOMALY", "journal: valid", "subscriber:", "0 invalid", "last byte to subscriber:", "memory:"]
    place = 0
    for part in wanted:
        assert part in sample[place:], part
        place = sample.index(part, place) + len(part)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    """A relative link names a file that is there."""
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_help_describes_every_command() -> None:
    """`spingate --help` has a line for each command."""
    text = parser().format_help()
    for name in COMMANDS:
        assert re.search(rf"^\s+{name}\s+\S", text, re.MULTILINE), name

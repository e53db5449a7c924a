"""The link of an emulated serial line never costs anybody a file."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest

from hil.link import LinkTaken, check_free, point, take_away

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_or_folder_in_its_place_is_left_alone(tmp_path: Path) -> None:
    """Neither a file, a folder nor somebody else's link is replaced or removed."""
    victim, elsewhere = tmp_path / "victim", tmp_path / "elsewhere"
    victim.write_text("precious")
    elsewhere.symlink_to(victim)
    for place in (victim, tmp_path, elsewhere, tmp_path / "nowhere" / "port"):
        with pytest.raises(LinkTaken):
            check_free(place)
    with pytest.raises(LinkTaken):
        point(victim, "/dev/pts/1")
    take_away(victim, "/dev/pts/1")
    take_away(elsewhere, "/dev/pts/1")
    assert victim.read_text() == "precious"
    assert elsewhere.is_symlink()


def test_a_second_instrument_neither_takes_nor_removes_the_first_ones_link(tmp_path: Path) -> None:
    """A live link is refused; one whose pty is gone may be taken over."""
    link = tmp_path / "port"
    master, slave = pty.openpty()
    try:
        check_free(link)
        point(link, os.ttyname(slave))
        with pytest.raises(LinkTaken, match="if no other emulated instrument uses it"):
            check_free(link)
        take_away(link, "/dev/pts/999999")
        assert link.is_symlink()
    finally:
        os.close(master)
        os.close(slave)
    point(link, "/dev/pts/999999")
    check_free(link)

"""The symbolic link under which an emulated serial line is found, as udev makes one for a plugged cable. Edge.

A link of ours may be repointed and taken away; anything else that stands at its place is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PTYS = "/dev/pts/"


class LinkTaken(ValueError):
    """Something else stands where the link is to be."""


def check_free(link: Path) -> None:
    """Refuse a place where the link may not stand. Raises LinkTaken with what is there and what to do."""
    if link.is_symlink():
        target = str(link.readlink())
        if not target.startswith(PTYS):
            raise LinkTaken(f"{link}: is a link to {target}; name a path that is free")
        if link.exists():
            raise LinkTaken(f"{link}: leads to {target}; if no other emulated instrument uses it, remove it")
    elif link.exists():
        raise LinkTaken(f"{link}: is there already and is no link of an emulated instrument; name a path that is free")
    elif not link.parent.is_dir():
        raise LinkTaken(f"{link}: there is no folder {link.parent}")


def point(link: Path, target: str) -> None:
    """Let the link lead to a pty, in one step. Raises LinkTaken where anything but a link stands in its place."""
    if link.exists() and not link.is_symlink():
        raise LinkTaken(f"{link}: is no link; left as it is")
    fresh = link.with_name(f"{link.name}.new")
    if fresh.is_symlink():
        fresh.unlink()
    fresh.symlink_to(target)
    fresh.replace(link)


def take_away(link: Path, target: str) -> None:
    """Remove the link where it still leads to this pty; another's is left."""
    if link.is_symlink() and str(link.readlink()) == target:
        link.unlink()

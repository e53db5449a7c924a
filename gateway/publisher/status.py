"""The publisher's state as one small JSON file, for `spingate status` and for whoever looks. Edge.

Written whole and renamed into place, so a reader sees the old state or the new one, never half of one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

FILE = "publisher-status.json"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Where the publisher stands. `cursor` is the last record of which it and all before are settled."""

    state: Literal["connected", "connecting", "stopped"]
    broker: str
    protocol: str
    journal: str                   # "readable", or why it is not
    cursor: int
    newest: int                    # -1 while the journal is away or empty
    backlog: int                   # records after the cursor
    in_flight: int
    published: int                 # acknowledged with a good reason code since the start
    refused: int                   # records set aside, listed in publisher.db; tried again and again
    held: dict[str, str]           # kinds the broker refuses now, with its reason; tried again and again
    last_error: str
    incidents: tuple[str, ...]     # what an operator must know even after a restart


def write_status(folder: Path, status: Status) -> None:
    """Replace the status file in `folder`."""
    new = folder / f".{FILE}.new"
    new.write_bytes(msgspec.json.encode(status) + b"\n")
    os.replace(new, folder / FILE)  # noqa: PTH105  # replace(2) by its own name: atomic is the point


def read_status(folder: Path) -> Status | None:
    """Return what the publisher last wrote; None where it never ran or the file is not one of ours."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.DecodeError):
        return None

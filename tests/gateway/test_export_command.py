"""What is handed out has been checked: a journal that contradicts its tree head gives no proof."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from gateway import clock
from gateway.cli.main import main
from gateway.drafts import Drafter
from gateway.evidence import keys
from gateway.evidence.journal import open_journal
from gateway.evidence.record import Provenance
from gateway.evidence.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_leaf_that_was_changed_gives_one_clear_line_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback, no proof, exit 2; and a sound journal at rest is left without files beside it."""
    path, key = tmp_path / "journal.db", keys.generate()
    journal = open_journal(path, "bay-1", key)
    writer = Writer(journal, clock.monotonic_ns, clock.wall_ns)
    writer.start()
    drafter = Drafter(clock.boot_id(), Provenance("test", bytes(32), bytes(32)))
    for number in range(4):
        writer.submit(drafter.component_fault(clock.now(), "test", f"number {number}", ""))
    writer.close()
    journal.close()
    assert main(["export", "1", "--journal", str(path), "--out", str(tmp_path / "sound")]) == 0
    assert not path.with_name("journal.db-wal").exists()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE record SET leaf = zeroblob(32) WHERE idx = 2")
    assert main(["export", "1", "--journal", str(path), "--out", str(tmp_path / "broken")]) == 2
    assert "is not in the tree of its checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "broken").exists()

"""A journal that is not what was left is set aside by decision, never forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.cli.main import main
from gateway.evidence import keys
from gateway.evidence.journal import last_note_of_the_one_before, open_journal, set_aside
from gateway.evidence.journal_file import checkpoint_copy

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_journal_after_names_the_last_head_of_the_one_before(tmp_path: Path) -> None:
    """What the old journal had signed last is what the new one will say that it replaces."""
    path, key = tmp_path / "journal.db", keys.generate()
    journal = open_journal(path, "bay-1", key)
    note = journal.write_checkpoint(None, keep=True)
    journal.close()
    assert last_note_of_the_one_before(path) is None
    set_aside(path)
    assert last_note_of_the_one_before(path) == note.decode()
    assert not checkpoint_copy(path).exists()
    assert open_journal(path, "bay-1", key).origin == "spingate/bay-1/2"


def test_the_command_refuses_where_there_is_nothing_or_a_core_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to do, and touches nothing."""
    config = tmp_path / "gateway.toml"
    config.write_text(
        '[gateway]\nid = "bay-1"\nstate_dir = "."\nrun_dir = "run"\npublisher_dir = "pub"\n'
        '[key]\nfile = "gateway.key"\n'
    )
    key = keys.create(tmp_path / "gateway.key", tmp_path / "gateway.pub.pem")
    words = ["journal", "set-aside", "--config", str(config)]
    assert main(words) == 2
    assert "there is no journal" in capsys.readouterr().err
    journal = open_journal(tmp_path / "journal.db", "bay-1", key)
    assert main(words) == 2
    assert "stop the core first" in capsys.readouterr().err
    journal.close()
    assert main(words) == 2
    assert "nothing is wrong with it" in capsys.readouterr().err
    checkpoint_copy(tmp_path / "journal.db").write_text("not a note\n")
    assert main(words) == 0
    assert "what was wrong with it" in capsys.readouterr().out

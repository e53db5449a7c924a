"""Opening a journal: it is the one we left, or the gateway does not write to it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.evidence import checkpoint, cose, record
from gateway.evidence.journal import Journal, open_journal, set_aside
from gateway.evidence.journal_file import ChainBroken, JournalCorrupt, JournalLocked, JournalUnavailable
from gateway.evidence.keys import SigningKey
from gateway.evidence.reader import JournalReader
from gateway.evidence.record import Kind
from gateway.evidence.tree import leaf_hash
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file
from tests.evidence.samples import GATEWAY, KEY, draft, make_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a journal of 20 records, all under checkpoints."""
    make_journal(tmp_path / "journal.db", 20)
    return tmp_path / "journal.db"


def reopened(path: Path, key: SigningKey = KEY, gateway: str = GATEWAY) -> Journal:
    """Open and close the journal, and return it for a look at its state."""
    journal = open_journal(path, gateway, key)
    journal.close()
    return journal


def change(path: Path, statement: str, *values: object) -> None:
    """Run one statement on the journal as an attacker with write access would."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def signed(number: int, key: SigningKey = KEY) -> bytes:
    """Return a signed record of this number."""
    return cose.sign(record.encode(draft(Kind.FAULT, number), GATEWAY, number), key.ed25519, key.kid)


def test_a_journal_goes_on_where_it_ended(path: Path) -> None:
    """Size, cover and the last stamp are known after opening, and sequence numbers go on by one."""
    journal = reopened(path)
    assert (journal.size, journal.covered, journal.was_clean) == (20, 20, True)
    assert journal.last_stamp is not None
    assert journal.last_stamp.monotonic_ns == 19_000_000
    make_journal(path, 5, start=20)
    assert verify_file(path, KEY.public).records == 25


def test_a_journal_that_ended_without_its_last_checkpoint_says_so(path: Path) -> None:
    """`was_clean` is false where records came after the newest checkpoint."""
    journal = open_journal(path, GATEWAY, KEY)
    journal._connection.execute("INSERT INTO record VALUES (20, ?, ?)", (signed(20), leaf_hash(signed(20))))
    journal.close()
    journal = reopened(path)
    assert (journal.size, journal.covered, journal.was_clean) == (21, 20, False)


def test_a_whole_journal_rolled_back_is_an_alarm(path: Path, tmp_path: Path) -> None:
    """An older copy of the database, checkpoints and all, is shorter than the checkpoint outside."""
    shutil.copy(path, tmp_path / "old.db")
    make_journal(path, 4, start=20)
    shutil.copy(tmp_path / "old.db", path)
    with pytest.raises(ChainBroken, match="has 20 records, its checkpoint outside says 24") as broken:
        open_journal(path, GATEWAY, KEY)
    assert broken.value.index == 20
    assert verify_file(path, KEY.public).first_bad == 20


def test_a_journal_rolled_back_and_regrown_is_an_alarm(path: Path, tmp_path: Path) -> None:
    """Other records in the place of those that were cut off do not give the root outside."""
    outside = path.with_suffix(".checkpoint")
    shutil.copy(path, tmp_path / "old.db")
    shutil.copy(outside, tmp_path / "old.checkpoint")
    make_journal(path, 4, start=20)
    newest = outside.read_bytes()
    shutil.copy(tmp_path / "old.db", path)
    shutil.copy(tmp_path / "old.checkpoint", outside)
    make_journal(path, 6, start=20, boot_id=bytes(16))
    outside.write_bytes(newest)
    with pytest.raises(ChainBroken):
        open_journal(path, GATEWAY, KEY)
    assert verify_file(path, KEY.public).status == Status.INVALID


@pytest.mark.parametrize(("statement", "values"), [
    ("DELETE FROM record WHERE idx = 19", ()),
    ("DELETE FROM record WHERE idx >= 18", ()),
    ("DELETE FROM record", ()),
    ("UPDATE record SET message = ? WHERE idx = 19", (signed(19),)),
    ("UPDATE record SET message = ? WHERE idx = 19", (signed(19, SigningKey(Ed25519PrivateKey.generate())),)),
    ("INSERT INTO record VALUES (20, x'd2', x'00')", ()),
    ("INSERT INTO record VALUES (20, ?, ?)", (signed(20), bytes(32))),
    ("INSERT INTO record VALUES (20, ?, ?)", (signed(21), leaf_hash(signed(21)))),
    ("INSERT INTO record VALUES (21, ?, ?)", (signed(21), leaf_hash(signed(21)))),
    ("UPDATE checkpoint SET peaks = zeroblob(64) WHERE size = 20", ()),
    ("UPDATE checkpoint SET peaks = x'00' WHERE size = 20", ()),
    ("UPDATE checkpoint SET note = replace(note, '20', '21') WHERE size = 20", ()),
    ("UPDATE checkpoint SET note = ? WHERE size = 20", (checkpoint.sign("spingate/gw-1", 20, bytes(32), KEY),)),
    ("DELETE FROM checkpoint", ()),
    ("UPDATE meta SET value = 'other' WHERE key = 'gateway'", ()),
    ("UPDATE meta SET value = 'other' WHERE key = 'origin'", ()),
], ids=range(16))
def test_a_tail_that_was_edited_is_an_alarm_and_verify_finds_it(
    path: Path, statement: str, values: tuple[object, ...]
) -> None:
    """What the next checkpoint would vouch for is checked first: nothing slips in, nothing is repaired."""
    change(path, statement, *values)
    before = path.read_bytes()
    if statement == "DELETE FROM checkpoint":       # all records are there and give the root outside: nothing is lost
        assert reopened(path).size == 20
        return
    with pytest.raises(ChainBroken):
        open_journal(path, GATEWAY, KEY)
    assert path.read_bytes() == before
    assert verify_file(path, KEY.public).status == Status.INVALID


def test_a_missing_older_or_foreign_checkpoint_outside_is_an_alarm(path: Path) -> None:
    """The copy outside is written first, so it can be neither missing nor older than the database's own."""
    outside = path.with_suffix(".checkpoint")
    good = outside.read_bytes()
    stranger = SigningKey(Ed25519PrivateKey.generate())
    for data in (None, b"", good[:-5], good.replace(b"20", b"19"),
                 checkpoint.sign("spingate/gw-1", 20, bytes(32), stranger),
                 checkpoint.sign("spingate/gw-1", 12, bytes(32), KEY),
                 checkpoint.sign("spingate/other", 20, bytes(32), KEY)):
        outside.unlink(missing_ok=True)
        if data is not None:
            outside.write_bytes(data)
        with pytest.raises(ChainBroken):
            open_journal(path, GATEWAY, KEY)
    outside.write_bytes(good)
    assert reopened(path).size == 20


def test_a_deleted_database_is_an_alarm_not_a_fresh_start(path: Path) -> None:
    """The checkpoint outside remembers that there was one."""
    path.unlink()
    with pytest.raises(ChainBroken, match="has 0 records, its checkpoint outside says 20"):
        open_journal(path, GATEWAY, KEY)


def test_another_gateway_or_another_key_cannot_go_on(path: Path) -> None:
    """A journal belongs to one gateway and its key."""
    with pytest.raises(ChainBroken, match="belongs to gateway 'gw-1', not to 'gw-2'"):
        open_journal(path, "gw-2", KEY)
    with pytest.raises(ChainBroken, match="no line is by a key that was given"):
        open_journal(path, GATEWAY, SigningKey(Ed25519PrivateKey.generate()))


def test_a_crash_between_the_two_copies_of_a_checkpoint_is_no_alarm(path: Path, tmp_path: Path) -> None:
    """The copy outside may be one ahead of the database: the records prove it right."""
    journal = open_journal(path, GATEWAY, KEY)
    journal._connection.execute("INSERT INTO record VALUES (20, ?, ?)", (signed(20), leaf_hash(signed(20))))
    journal._tree.add(leaf_hash(signed(20)))
    note = checkpoint.sign(journal.origin, 21, journal._tree.root(), KEY)
    journal.close()
    path.with_suffix(".checkpoint").write_bytes(note)
    assert (reopened(path).size, reopened(path).covered) == (21, 20)
    assert verify_file(path, KEY.public).status == Status.VALID


def test_an_operator_sets_a_broken_journal_aside_and_a_new_log_begins(path: Path) -> None:
    """Nothing is deleted, the new journal has another origin, and the old head goes into its first record."""
    change(path, "DELETE FROM record WHERE idx >= 18")
    with pytest.raises(ChainBroken):
        open_journal(path, GATEWAY, KEY)
    aside, note = set_aside(path)
    assert (aside.name, aside.exists(), path.exists()) == ("journal.broken-1.db", True, False)
    assert note is not None
    assert checkpoint.parse(note.encode()).size == 20
    assert reopened(path).origin == "spingate/gw-1/2"
    make_journal(path, 3)
    assert verify_file(path, KEY.public).status == Status.VALID
    assert verify_file(aside, KEY.public).first_bad == 18
    assert set_aside(path)[0].name == "journal.broken-2.db"
    assert reopened(path).origin == "spingate/gw-1/3"


def test_a_second_writer_is_refused_and_told_who_writes(path: Path) -> None:
    """Two daemons on one journal: the second gets a clear error, also for setting aside, and nothing is touched."""
    first = open_journal(path, GATEWAY, KEY)
    with pytest.raises(JournalLocked, match=r"process \d+ writes to this journal"):
        open_journal(path, GATEWAY, KEY)
    with pytest.raises(JournalLocked):
        set_aside(path)
    first.close()
    assert reopened(path).size == 20


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    """Noise under the journal's name is reported and left as it is."""
    path = tmp_path / "journal.db"
    path.write_bytes(b"not a database, " * 500)
    with pytest.raises(JournalCorrupt, match=r"journal\.db: file is not a database"):
        open_journal(path, GATEWAY, KEY)
    assert path.read_bytes() == b"not a database, " * 500


@pytest.mark.parametrize(("group", "mode"), [(True, 0o640), (False, 0o600)])
def test_every_file_of_the_journal_has_the_mode_that_was_asked_for(tmp_path: Path, group: bool, mode: int) -> None:  # noqa: FBT001  # a parameter of the test
    """The publisher reads by its group: database, -wal, -shm and the checkpoint, whatever the umask."""
    path = tmp_path / "journal.db"
    make_journal(path, 2)
    journal = open_journal(path, GATEWAY, KEY, group_readable=group)
    journal._connection.execute("INSERT INTO record VALUES (2, ?, ?)", (signed(2), leaf_hash(signed(2))))
    journal._tree.add(leaf_hash(signed(2)))
    journal.write_checkpoint(None, keep=False)
    names = ("journal.db", "journal.db-wal", "journal.db-shm", "journal.checkpoint")
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(names, mode)
    journal.close()


def test_a_reader_waits_for_a_journal_and_follows_it_through_restarts(tmp_path: Path) -> None:
    """One reader: unavailable before there is one, then records, and the new journal after one was set aside."""
    path = tmp_path / "journal.db"
    with JournalReader(path) as reader:
        with pytest.raises(JournalUnavailable):
            reader.size()
        make_journal(path, 3)
        assert [stored.index for stored in reader.records(0)] == [0, 1, 2]
        make_journal(path, 2, start=3)
        assert [stored.index for stored in reader.records(3)] == [3, 4]
        newest = reader.newest_checkpoint()
        assert newest is not None
        assert (newest.size, reader.origin(), reader.gateway()) == (5, "spingate/gw-1", GATEWAY)
        assert [head.size for head in reader.checkpoints(0)] == [1, 4, 5]
        set_aside(path)
        make_journal(path, 1)
        assert (reader.size(), reader.origin()) == (1, "spingate/gw-1/2")


ASK_SIZE = """
import os, sys
from pathlib import Path
from gateway.evidence.journal_file import JournalUnavailable
from gateway.evidence.reader import JournalReader

if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
reader = JournalReader(Path(sys.argv[1]))
for _question in sys.stdin:
    try:
        print(reader.size(), flush=True)
    except JournalUnavailable:
        print("unavailable", flush=True)
"""


def test_a_reader_without_write_access_waits_while_the_gateway_is_down() -> None:
    """After a clean close SQLite cannot make its index in a folder of others: unavailable, then well again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "journal.db"
        make_journal(path, 3)
        path.chmod(0o644)
        folder.chmod(0o555)                                     # for a test that does not run as root
        command = [sys.executable, "-c", ASK_SIZE, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:

            def ask() -> str:
                assert child.stdin is not None
                assert child.stdout is not None
                print("size", file=child.stdin, flush=True)
                return child.stdout.readline().strip()

            assert ask() == "unavailable"
            folder.chmod(0o755)
            journal = open_journal(path, GATEWAY, KEY)
            journal._connection.execute("INSERT INTO record VALUES (3, ?, ?)", (signed(3), leaf_hash(signed(3))))
            for file in folder.glob("journal.db*"):
                file.chmod(0o644)
            assert ask() == "4"
            journal.close()
            assert ask() == "4"             # who is connected stays so: SQLite keeps its files for the last one

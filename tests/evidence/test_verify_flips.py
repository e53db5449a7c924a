"""Change anything in a journal and verify names the first bad index. Nothing that is changed passes."""

from __future__ import annotations

import random
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from gateway.evidence import keys
from gateway.evidence.export import NotInJournal, export
from gateway.evidence.journal_file import ChainBroken
from gateway.evidence.keys import SigningKey
from gateway.evidence.reader import reader_of
from gateway.evidence.verification import Status, Verification
from gateway.evidence.verify import verify_file, verify_proof
from tests.evidence.samples import GATEWAY, KEY, make_journal

if TYPE_CHECKING:
    from pathlib import Path

TINY, SMALL, BIG = 4, 14, 400
BOTH = SigningKey(KEY.ed25519, keys.generate().ml_dsa_44)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a journal of four records, small enough to try every byte of it."""
    path = tmp_path_factory.mktemp("tiny") / "journal.db"
    make_journal(path, TINY, checkpoint_each=2)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a journal with one record of each kind, and checkpoints with both algorithms."""
    path = tmp_path_factory.mktemp("small") / "journal.db"
    make_journal(path, SMALL, BOTH, checkpoint_each=7)
    return path


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a journal of 400 records, 134 raw data and some ten checkpoints."""
    path = tmp_path_factory.mktemp("big") / "journal.db"
    make_journal(path, BIG, BOTH, checkpoint_each=50)
    return path


def cells(path: Path) -> list[tuple[str, str, int, int, bytes]]:
    """Return every signed or hashed cell: table, column, row id, the index to be named, the bytes."""
    connection = sqlite3.connect(path)
    found: list[tuple[str, str, int, int, bytes]] = []
    for table, column, index in (
        ("record", "message", "idx"), ("record", "leaf", "idx"), ("checkpoint", "note", "size - 1"),
        ("checkpoint", "peaks", "size - 1"), ("raw", "data", "idx"), ("raw", "sha256", "idx"),
    ):
        query = f"SELECT rowid, {index}, {column} FROM {table}"  # noqa: S608  # names from the list above
        found += [(table, column, *row) for row in connection.execute(query)]
    connection.close()
    return found


class Flipper:
    """One open copy of a journal in which one byte at a time is another, and then itself again."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = folder / "journal.db"
        shutil.copy(path, self.path)
        shutil.copy(path.with_suffix(".checkpoint"), self.path.with_suffix(".checkpoint"))

    def verify_with(self, offset: int, bit: int) -> Verification:
        """Return what verify finds with one bit of the file turned."""
        with self.path.open("r+b", buffering=0) as file:
            file.seek(offset)
            was = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([was ^ 1 << bit]))
            result = verify_file(self.path, BOTH.public)
            file.seek(offset)
            file.write(bytes([was]))
        return result


def places(path: Path) -> list[tuple[str, int, int]]:
    """Return where in the file each byte of each cell lies: what it is, its offset, the index to be named.

    The journals are made of cells that are short enough, or long enough apart, to be found by their bytes;
    a cell that SQLite split over pages is found in pieces.
    """
    data = path.read_bytes()
    found = []
    for table, column, _row, index, cell in cells(path):
        at = data.find(cell)
        if at >= 0 and data.find(cell, at + 1) < 0:
            found += [(f"{table}.{column}", at + place, index) for place in range(len(cell))]
    return found


def test_an_unchanged_journal_is_valid(small: Path, big: Path) -> None:
    """Every record, checkpoint and raw block is counted, nothing is left unchecked."""
    for path, count in ((small, SMALL), (big, BIG)):
        result = verify_file(path, BOTH.public)
        assert (result.status, result.status.exit_code, result.records) == (Status.VALID, 0, count)
        assert (result.raw, result.uncovered, result.notes) == (len(range(0, count, 3)), 0, ())
        assert result.checkpoints >= 3


def test_any_flipped_byte_of_a_journal_is_named(tiny: Path, tmp_path: Path) -> None:
    """Exhaustive over all bytes of all records and all checkpoint notes of a journal, a seeded bit of each."""
    flipper = Flipper(tiny, tmp_path)
    chance = random.Random(1)
    signed = [place for place in places(tiny) if place[0] in {"record.message", "checkpoint.note"}]
    wanted = sum(len(cell) for table, column, *_rest, cell in cells(tiny) if f"{table}.{column}" in
                 {"record.message", "checkpoint.note"})
    assert len(signed) == wanted > 2000
    for what, offset, index in signed:
        result = flipper.verify_with(offset, chance.randrange(8))
        assert (result.status, result.first_bad) == (Status.INVALID, index), (what, offset, result)
        assert result.where.endswith(f"record {index}" if "record" in what else f"size {index + 1}")
    assert verify_file(flipper.path, KEY.public).status == Status.VALID


def test_seeded_flips_of_a_big_journal_are_named(big: Path, tmp_path: Path) -> None:
    """40 bytes of 400 records, their leaves, raw data, digests, and the notes and peaks of checkpoints."""
    flipper = Flipper(big, tmp_path)
    chance = random.Random(2)
    for what, offset, index in chance.sample(places(big), 40):
        result = flipper.verify_with(offset, chance.randrange(8))
        assert (result.status, result.first_bad) == (Status.INVALID, index), (what, offset, result)


def test_a_flip_anywhere_in_the_file_changes_nothing_or_is_noticed(small: Path, tmp_path: Path) -> None:
    """250 seeded places of the whole file: where verify still says valid, everything in it is what it was."""
    whole = [cell[:2] + cell[3:] for cell in cells(small)]
    flipper = Flipper(small, tmp_path)
    chance = random.Random(3)
    size = small.stat().st_size
    noticed = 0
    for _ in range(250):
        offset, bit = chance.randrange(size), chance.randrange(8)
        result = flipper.verify_with(offset, bit)
        if result.status != Status.VALID:
            assert result.why
            noticed += 1
            continue
        with flipper.path.open("r+b", buffering=0) as file:
            file.seek(offset)
            was = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([was ^ 1 << bit]))
            try:
                assert [cell[:2] + cell[3:] for cell in cells(flipper.path)] == whole, (offset, bit)
            finally:
                file.seek(offset)
                file.write(bytes([was]))
    assert noticed > 30


def test_any_flipped_byte_of_the_checkpoint_outside_is_noticed(small: Path, tmp_path: Path) -> None:
    """The copy beside the journal is checked, too."""
    path = tmp_path / "journal.db"
    shutil.copy(small, path)
    note = small.with_suffix(".checkpoint").read_bytes()
    for place in range(len(note)):
        path.with_suffix(".checkpoint").write_bytes(note[:place] + bytes([note[place] ^ 1]) + note[place + 1:])
        result = verify_file(path, BOTH.public)
        assert result.status == Status.INVALID, place
        assert result.first_bad is not None


@pytest.mark.parametrize(("statement", "index"), [
    ("DELETE FROM record WHERE idx = 0", 0),
    ("DELETE FROM record WHERE idx = 5", 5),
    ("DELETE FROM record WHERE idx >= 12", 12),
    ("DELETE FROM record", 0),
    ("INSERT INTO record SELECT -1, message, leaf FROM record WHERE idx = 3", 0),
    ("INSERT INTO record SELECT 14, message, leaf FROM record WHERE idx = 3", 14),
    ("UPDATE record SET (message, leaf) = (SELECT message, leaf FROM record WHERE idx = 4) WHERE idx = 3", 3),
    ("UPDATE record SET message = 'text' WHERE idx = 3", 3),
    ("UPDATE record SET leaf = x'' WHERE idx = 3", 3),
    ("UPDATE checkpoint SET size = 5 WHERE size = 14", 4),
    ("UPDATE checkpoint SET size = 15 WHERE size = 14", 14),
    ("UPDATE checkpoint SET size = -1 WHERE size = 14", 0),
    ("UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE size = 1) WHERE size = 14", 13),
    ("UPDATE checkpoint SET note = 'text' WHERE size = 14", 13),
    ("UPDATE raw SET idx = 4 WHERE idx = 3", 4),
    ("UPDATE raw SET idx = 900 WHERE idx = 12", 14),
    ("UPDATE raw SET idx = 'x' WHERE idx = 3", 3),
    ("UPDATE raw SET data = x'00' WHERE idx = 6", 6),
    ("UPDATE meta SET value = 'gw-2' WHERE key = 'gateway'", 0),
    ("UPDATE meta SET value = 'spingate/gw-2' WHERE key = 'origin'", 0),
], ids=range(20))
def test_rows_that_are_missing_added_or_moved_are_named(
    small: Path, tmp_path: Path, statement: str, index: int
) -> None:
    """What an attacker with SQL can do is found as surely as a flipped byte."""
    path = Flipper(small, tmp_path).path
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    result = verify_file(path, BOTH.public)
    if "raw SET idx = 'x'" in statement:
        assert result.status == Status.INVALID
    else:
        assert (result.status, result.first_bad) == (Status.INVALID, index), result


def test_raw_data_that_is_no_longer_kept_is_no_error(small: Path, tmp_path: Path) -> None:
    """Raw data have their own retention; what is kept must be right."""
    path = Flipper(small, tmp_path).path
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM raw WHERE idx = 3")
    connection.close()
    result = verify_file(path, BOTH.public)
    assert (result.status, result.raw) == (Status.VALID, 4)


def test_a_wrong_key_verifies_nothing(small: Path) -> None:
    """The first record is named, and the reason is the key."""
    result = verify_file(small, keys.generate().public)
    assert (result.status, result.first_bad) == (Status.INVALID, 0)
    assert "which was not given" in result.why


def test_what_was_not_checked_is_said(small: Path, tmp_path: Path) -> None:
    """Without the second key, and without the copy outside, the result is valid but tells."""
    result = verify_file(small, KEY.public)
    assert result.status == Status.VALID
    assert any("not checked" in note for note in result.notes)
    alone = tmp_path / "journal.db"
    shutil.copy(small, alone)
    assert any("rollback" in note for note in verify_file(alone, BOTH.public).notes)


def test_every_record_exports_as_a_proof_that_holds_and_shows_what_it_proves(small: Path, tmp_path: Path) -> None:
    """A proof of each kind verifies with the public key alone and prints value, unit and time."""
    with reader_of(small) as reader:
        for index in range(SMALL):
            file = tmp_path / f"{index}.tlog-proof"
            file.write_bytes(export(reader, index))
            result = verify_file(file, BOTH.public)
            assert (result.status, result.records, result.checkpoints) == (Status.VALID, 1, 1), result
            assert result.shown[0].endswith(f"{index} of {GATEWAY}")
            assert " UTC (clock synchronised" in result.shown[1]
            single = tmp_path / f"{index}.cose"
            single.write_bytes(reader.records(index, 1)[0].message)
            alone = verify_file(single, BOTH.public)
            assert alone.status == Status.VALID
            assert alone.notes
        shown = verify_file(tmp_path / "0.tlog-proof", BOTH.public).shown
        assert "x: 4.6e-05 T (mean of 3 rows, u = 1e-09 T, k = 1)" in shown
        assert "NOT CALIBRATED: no certificate for serial 12" in shown
        for index in (-1, SMALL, 10**6):
            with pytest.raises(NotInJournal):
                export(reader, index)


def test_any_flipped_byte_of_a_proof_is_refused(big: Path) -> None:
    """Exhaustive over a proof: record, path, root, size and every signature line."""
    with reader_of(big) as reader:
        proof = export(reader, 123)
    assert verify_proof(proof, BOTH.public).status == Status.VALID
    for place in range(len(proof)):
        changed = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1:]
        result = verify_proof(changed, BOTH.public)
        assert result.status != Status.VALID or result.notes, place


def test_a_journal_that_contradicts_its_checkpoint_exports_nothing(small: Path, tmp_path: Path) -> None:
    """A proof that would not hold is never handed out."""
    path = Flipper(small, tmp_path).path
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE record SET leaf = zeroblob(32) WHERE idx = 9")
    connection.close()
    with reader_of(path) as reader, pytest.raises(ChainBroken):
        export(reader, 3)


def test_verifying_leaves_no_trace(small: Path, tmp_path: Path) -> None:
    """Evidence at rest is read without a file made or changed beside it, from a read-only folder, too."""
    path = Flipper(small, tmp_path).path
    before = {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    tmp_path.chmod(0o555)
    assert verify_file(path, BOTH.public).status == Status.VALID
    tmp_path.chmod(0o755)
    assert {file.name: file.stat().st_mtime_ns for file in tmp_path.iterdir()} == before

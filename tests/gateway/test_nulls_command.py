"""`spingate nulls make` and `show` on a small journal: what goes in, what is refused, and what is left behind."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from calibration.schedule import schedule
from drivers.replay import REPLAYED
from gateway import clock
from gateway.cli.main import main
from gateway.detection.detector import Detector, Policy
from gateway.detection.null_test import setting_of
from gateway.detection.verdict import Outcome
from gateway.evidence import keys
from gateway.evidence.reader import reader_of
from gateway.judgement import SHIPPED_MODEL
from gateway.null_set_file import NullSetRefused, read, sha256, sign, unverified, verify
from gateway.null_set_making import Offered, Origin, make
from gateway.null_set_sources import of_journal
from gateway.recorded_scan import recorded_scan
from gateway.scan_file import write_scan
from gateway.software import detection_sha256
from gateway.whole_file import write_whole
from hil.scene.bay import Bay
from hil.scene.load import Load
from hil.scene.scan import scan
from hil.training.emulated import calibrated
from tests.detection.null_sets import null_set
from tests.gateway.scan_journal import journal_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from calibration.reading import CalibratedScan
    from gateway.detection.null_set import NullSet

NAMES = ("empty", "nitrate", "benign")
SCANS = (1, 3, 5)    # the certificate's record is the first, a verdict follows each scan
ALARM = SCANS[1]
WHY = "a sack of fertiliser was on the tray"
ORIGIN = Origin("bay-1", "test", "spingate 0", bytes(32), bytes(32), clock.now())


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


@pytest.fixture(scope="module")
def bay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key, its public half, and a journal with three scans and their verdicts."""
    folder = tmp_path_factory.mktemp("bay")
    key = keys.create(folder / "gateway.key", folder / "gateway.pub.pem")
    journal_of(folder / "journal.db", detector(), NAMES, key=key)
    return folder


@pytest.fixture(autouse=True)
def nothing_held_against() -> Iterator[None]:
    """The one detector of this file is left as it was."""
    yield
    detector().against = None


def made(bay: Path, out: Path, *words: str) -> int:
    """Exit code of making a set of all records."""
    return main(["nulls", "make", str(bay / "journal.db"), "--from", "0", "--to", "99", "--key",
                 str(bay / "gateway.key"), "--out", str(out), *words])


def test_a_set_of_the_journals_scans_is_signed_shown_and_verified(
    bay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Every scan is in it with the digest of its record, the alarming one too, and the operator is told of that one."""
    out = tmp_path / "nulls.cbor"
    assert made(bay, out) == 0
    said = capsys.readouterr().out
    assert "null set of 3 scans of Spingate emulated NQR-8 NQR-0001" in said
    assert f"ALARM kept: scan {ALARM}, ammonium nitrate" in said
    assert f"WARNING: scan {ALARM} scores so high" in said
    assert "99 scans are needed" in said
    key = keys.load_public(bay / "gateway.pub.pem")
    nulls = verify(read(out), key.ed25519)
    with reader_of(bay / "journal.db") as reader:
        for one in nulls.scans:
            found = recorded_scan(reader, one.index)
            assert found.verdict is not None
            assert (one.raw_sha256, one.outcome) == (found.verdict.raw_sha256, found.verdict.outcome)
            alarmed = [score.p_value for score in found.verdict.scores if score.alarmed]
            assert not alarmed or one.score == pytest.approx(-np.log(alarmed[0]))
    assert [one.index for one in nulls.scans] == list(SCANS)
    assert (nulls.gateway, nulls.detection_sha256) == ("bay-1", detection_sha256())
    assert all(0.5 < one.noise_ft[0] < 500.0 for one in nulls.scans)
    assert main(["verify", str(out), "--key", str(bay / "gateway.pub.pem")]) == 0
    assert main(["nulls", "show", str(out)]) == 0
    assert "NOT CHECKED" in capsys.readouterr().out
    assert main(["nulls", "show", str(out), "--key", str(bay / "gateway.pub.pem"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["verified"], shown["scans"], len(shown["nulls"])) == (True, 3, 3)


def gathered(bay: Path, excludes: dict[int, str]) -> NullSet:
    """The set of the journal's scans but these, made in this process."""
    with reader_of(bay / "journal.db") as reader:
        offers = of_journal(reader, (0, 99), "head", keys.load(bay / "gateway.key").public)
        return make(offers, detector(), excludes, ORIGIN)


def test_an_excluded_scan_stands_in_the_set_with_its_score_and_the_reason(bay: Path) -> None:
    """Nothing leaves a set unsaid."""
    nulls = gathered(bay, {ALARM: WHY})
    assert [one.index for one in nulls.scans] == [index for index in SCANS if index != ALARM]
    assert [(one.index, one.why) for one in nulls.excluded] == [(ALARM, WHY)]
    assert nulls.excluded[0].score > 20.0


@pytest.mark.parametrize(("words", "said"), [
    (("--exclude", "5"), "each exclusion needs its own reason"),
    (("--exclude", "5", "--why", " "), "must say something"),
    (("--exclude", "5", "--exclude", "5", "--why", "a", "--why", "b"), "named twice"),
])
def test_an_exclusion_needs_a_reason_and_a_scan(
    bay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str,
) -> None:
    """Exit 2, one clear line, and no file."""
    assert made(bay, tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_scan_that_is_not_there_cannot_be_excluded_and_no_scan_makes_no_set(bay: Path) -> None:
    """A mistyped number is not taken for agreement."""
    with pytest.raises(NullSetRefused, match="--exclude 4: no scan that was offered has this number"):
        gathered(bay, {4: WHY})
    with pytest.raises(NullSetRefused, match="no scan to make a null set of"):
        make((), detector(), {}, ORIGIN)


def test_scan_files_make_the_same_scores_as_the_journal(bay: Path, tmp_path: Path) -> None:
    """The place among the files is the number; where nobody knows when, the set says nothing of it."""
    with reader_of(bay / "journal.db") as reader:
        (tmp_path / "scan.npz").write_bytes(write_scan(recorded_scan(reader, SCANS[0]).scan, "npz"))
    words = ["nulls", "make", str(tmp_path / "scan.npz")]
    assert main([*words, "--key", str(bay / "gateway.key"), "--out", str(tmp_path / "files")]) == 0
    journal = gathered(bay, dict.fromkeys(SCANS[1:], WHY))
    files, journal = unverified(read(tmp_path / "files")), unverified(sign(journal, keys.load(bay / "gateway.key")))
    assert [replace(one, index=0) for one in files.scans] == [replace(one, index=0) for one in journal.scans]
    assert ([one.index for one in files.scans], files.first_ns, files.source) == ([1], None, "scan files, 1 in all")


def test_a_scan_record_that_another_key_signed_is_refused(
    bay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """A journal from elsewhere says nothing of this bay."""
    keys.create(tmp_path / "other.key", tmp_path / "other.pub.pem")
    assert made(bay, tmp_path / "out", "--key", str(tmp_path / "other.key")) == 2
    said = capsys.readouterr().err
    assert all(f"record {index}: signed with key" in said for index in SCANS)


def offer(index: int, taken: CalibratedScan) -> Offered:
    """A scan as a source offers it."""
    return Offered(index, f"record {index}", taken, taken.raw_sha256)


def test_what_cannot_be_exchanged_with_the_bays_scans_is_refused_all_at_once() -> None:
    """Uncalibrated, replayed, of another head or dwell, twice the same: each is named, and nothing is dropped."""
    good = replace(calibrated(scan(schedule(300.0), Bay(), Load(), np.random.default_rng(1), 300.0)),
                   raw_sha256=bytes([1]) * 32)
    short = replace(calibrated(scan(schedule(60.0), Bay(), Load(), np.random.default_rng(2), 60.0)),
                    raw_sha256=bytes([2]) * 32, device=good.device)
    bad = {
        "uncalibrated: expired": replace(good, trust=replace(good.trust, calibrated=False, reason="expired")),
        "a replayed recording": replace(good, flags=(REPLAYED,)),
        "another head": replace(good, device=replace(good.device, serial="2"), raw_sha256=bytes([3]) * 32),
        "another dwell: 60 s": short,
        "the same raw data as record 0": good,
    }
    offers = [offer(0, good), *(offer(at, one) for at, one in enumerate(bad.values(), 1))]
    with pytest.raises(NullSetRefused) as refused:
        make(offers, detector(), {}, ORIGIN)
    for at, words in enumerate(bad, 1):
        assert f"record {at}: {words}" in str(refused.value)
    nulls = make(offers, detector(), dict.fromkeys(range(1, len(offers)), "not of the bay"), ORIGIN)
    assert (len(nulls.scans), len(nulls.excluded)) == (1, len(bad))


def test_a_file_is_written_whole_or_not_at_all(
    bay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Another file is not touched, a folder that is not there or read-only is told, and nothing is left over."""
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert made(bay, taken) == 2
    assert "is there already" in capsys.readouterr().err
    assert taken.read_text() == "mine"
    with pytest.raises(FileExistsError):
        write_whole(taken, b"theirs")
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "no" / "such", b"mine")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 KiB, which only root may mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_behind(tiny_disk: Path) -> None:
    """Half a null set never has the name of a whole one."""
    with pytest.raises(OSError, match="No space left"):
        write_whole(tiny_disk / "nulls.cbor", bytes(100_000))
    assert list(tiny_disk.iterdir()) == []


def test_detect_holds_a_scan_against_a_named_set(
    bay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Nulls that score as high take the alarm back to not inspectable; weaker ones leave it; JSON tells p and N."""
    with reader_of(bay / "journal.db") as reader:
        found = recorded_scan(reader, ALARM)
    file = tmp_path / "scan.npz"
    file.write_bytes(write_scan(found.scan, "npz"))
    key = keys.load(bay / "gateway.key")
    setting = setting_of(found.scan)
    for scores, code, p_value in (([1.0] * 99, 1, 0.01), ([1.0] * 97 + [500.0] * 2, 3, 0.03)):
        nulls = null_set(scores, setting, detector().model_sha256, detection_sha256())
        path = tmp_path / f"nulls-{code}-{p_value}"
        path.write_bytes(sign(nulls, key))
        words = ["--nulls", str(path), "--key", str(bay / "gateway.pub.pem")]
        assert main(["detect", str(file), "--json", *words]) == code
        told = json.loads(capsys.readouterr().out)
        assert told["null_set"]["p_value"] == pytest.approx(p_value)
        assert (told["null_set"]["scans"], told["null_set"]["sha256"]) == (len(scores), sha256(read(path)).hex())
        assert told["null_set"]["score"] == told["null_set"]["substances"]["ammonium nitrate"] > 20.0
    other = keys.create(tmp_path / "other.key", tmp_path / "other.pub.pem")
    assert other.kid != key.kid
    assert main(["detect", str(file), "--nulls", str(path), "--key", str(tmp_path / "other.pub.pem")]) == 2
    assert "which was not given" in capsys.readouterr().err


def test_the_verdict_on_a_scan_is_that_of_theory_where_its_scores_are_kept(bay: Path) -> None:
    """Making a set decides by the very same code: nothing but the scores is added."""
    nulls = gathered(bay, {})
    with reader_of(bay / "journal.db") as reader:
        found = [recorded_scan(reader, index) for index in SCANS]
    again, signed = [detector().decide(one.scan) for one in found], [one.verdict for one in found]
    for verdict, kept, before in zip(again, nulls.scans, signed, strict=True):
        assert replace(verdict, null_check=None) == before
        assert verdict.null_check is not None
        assert (verdict.null_check.score, verdict.outcome) == (kept.score, kept.outcome)
        assert kept.score == max(verdict.null_check.substances)
    assert [one.outcome is Outcome.ALARM for one in nulls.scans] == [False, True, False]


def test_raw_data_that_are_gone_are_a_reason_and_not_a_gap(bay: Path, tmp_path: Path) -> None:
    """A scan whose points were pruned must be excluded by name, with a reason."""
    other = tmp_path / "bay"
    shutil.copytree(bay, other)
    with closing(sqlite3.connect(other / "journal.db")) as database, database:
        database.execute("DELETE FROM raw WHERE idx = ?", (SCANS[0],))
    with pytest.raises(NullSetRefused, match=f"record {SCANS[0]}: its raw data are gone"):
        gathered(other, {})
    assert np.isnan(gathered(other, {SCANS[0]: "its points were pruned"}).excluded[0].score)

"""`spingate explain` as a user calls it: a record, a scan file, a picture, a terminal, and what cannot be explained."""

from __future__ import annotations

import json
import sqlite3
import struct
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from gateway.cli.account_words import disagreement
from gateway.cli.main import main
from gateway.detection.detector import Detector, Policy
from gateway.detection.verdict import Outcome
from gateway.evidence.reader import reader_of
from gateway.judgement import SHIPPED_MODEL
from gateway.recorded_scan import recorded_scan, scans_before
from gateway.scan_file import write_scan
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated
from tests.gateway.scan_journal import journal_of

if TYPE_CHECKING:
    from pathlib import Path

SCAN, VERDICT = 1, 2


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with a scan that alarms and its verdict."""
    path = tmp_path_factory.mktemp("bay") / "journal.db"
    journal_of(path, detector(), ("nitrate",))
    return path


def test_a_signed_verdict_is_explained_as_it_was_signed(
    journal: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """By its own number or its scan's: the same account of the same signed lines."""
    told: list[dict[str, Any]] = []
    for index in (SCAN, VERDICT):
        assert main(["explain", str(index), "--journal", str(journal), "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    with reader_of(journal) as reader:
        signed = recorded_scan(reader, VERDICT).verdict
    assert signed is not None
    named = next(score for score in signed.scores if score.alarmed)
    assert [line["z"] for line in told[0]["lines"]] == [line.z for line in named.lines]
    assert told[0]["of"] == f"record {VERDICT}, signed, on the scan in record {SCAN}"
    assert told[0]["occlusion"]["faithful"] is True
    assert told[0]["detector_and_network_agree"] is True
    assert [rival["substance"] for rival in told[0]["rivals"]] == ["PETN"]
    assert all(line["decay_as_expected"] for line in told[0]["lines"])


def test_a_person_reads_every_part_of_an_explanation(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines, decay, residual, network, agreement, rival, and braille curves in a terminal."""
    assert main(["explain", str(VERDICT), "--journal", str(journal)]) == 0
    text = capsys.readouterr().out
    for part in ("ALARM", "found 423.0", "expected 423.0", "echo decay", "left over: reduced chi2", "it looks at these",
                 "detector and network agree", "PETN (target) instead? no", "template"):
        assert part in text, part
    assert any(0x2800 < ord(character) < 0x2900 for character in text)
    assert "as the record has it" in text
    assert "DIFFERS" not in text


def test_the_signed_account_is_told_beside_the_one_made_again_and_they_agree(
    journal: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """In JSON both are there, with no difference; the mass stands in the substance."""
    assert main(["explain", str(VERDICT), "--journal", str(journal), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (signed,) = told["signed_accounts"]
    assert [line["residual_chi2"] for line in signed["lines"]] == [line["residual_chi2"] for line in told["lines"]]
    assert told["differs"] == []
    assert told["substance"]["mass_kg"] == pytest.approx(2.0, abs=3 * told["substance"]["u_mass_kg"])


def test_an_explanation_that_differs_from_the_signed_one_says_so(journal: Path) -> None:
    """Another answer, another network, another figure: each in a line."""
    with reader_of(journal) as reader:
        signed = recorded_scan(reader, VERDICT).verdict
    assert signed is not None
    assert signed.accounts is not None
    assert disagreement(signed, signed) == []
    other = replace(signed, outcome=Outcome.CLEAR, accounts=None, model_sha256=b"x" * 32)
    said = disagreement(signed, other)
    assert "another" in said[0]
    assert said[1] == "DIFFERS: signed alarm, decided again clear"
    assert said[2].startswith("DIFFERS: ammonium nitrate: the signed record has an account")


def test_without_its_raw_data_the_signed_words_are_shown_and_no_picture(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Raw data are pruned before the record is: what a court reads is still there."""
    copy = tmp_path / "journal.db"
    copy.write_bytes(journal.read_bytes())
    with closing(sqlite3.connect(copy)) as other, other:
        other.execute("DELETE FROM raw")
    for index in (SCAN, VERDICT):
        words = ["explain", str(index), "--journal", str(copy)]
        assert main(words) == 0
        text = capsys.readouterr().out
        for part in ("ALARM", "echo decay", "PETN (target) instead? no", "mass if pure", "raw data are gone"):
            assert part in text, part
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accounts"][0]["substance"] == "ammonium nitrate"
    assert main([*words, "--png", str(tmp_path / "x.png")]) == 2
    assert "nothing to draw" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_a_picture_is_written_once_and_never_over_another_file(journal: Path, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    """A PNG of both lines; with it no curves in the terminal; a file that is there stays."""
    out = tmp_path / "why.png"
    words = ["explain", str(VERDICT), "--journal", str(journal), "--png", str(out)]
    assert main(words) == 0
    assert "template" not in capsys.readouterr().out
    kept = out.read_bytes()
    assert kept.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack_from(">II", kept, 16) == (1200, 828)
    assert main(words) == 2
    assert out.read_bytes() == kept


@pytest.mark.parametrize("name", ["benign", "shielded", "carbamazepine"])
def test_a_scan_file_without_an_alarm_is_explained_too(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """What came nearest to an alarm, and that it is none."""
    (tmp_path / "scan").write_bytes(write_scan(calibrated(scenario(name).scan()), "cbor"))
    assert main(["explain", str(tmp_path / "scan"), "--png", str(tmp_path / "x.png")]) == 0
    assert "not named; it came nearest" in capsys.readouterr().out
    assert (tmp_path / "x.png").stat().st_size > 10_000


def test_a_scan_that_shows_nothing_is_explained_by_saying_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """All channels dead: words and a picture all the same."""
    (tmp_path / "scan").write_bytes(write_scan(calibrated(scenario("nitrate").scan(), dead=tuple(range(8))), "npz"))
    assert main(["explain", str(tmp_path / "scan"), "--png", str(tmp_path / "x.png")]) == 0
    assert "nothing to explain" in capsys.readouterr().out
    assert main(["explain", str(tmp_path / "scan"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["substance"] is None


def test_what_cannot_be_explained_is_refused_with_one_line(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Another kind of record, none, no journal, no file, no scan file."""
    (tmp_path / "text").write_text("x")
    for words, says in ((["0", "--journal", str(journal)], "record 0 is a calibration"),
                        (["9" * 30, "--journal", str(journal)], "the journal has the records 0 to 2"),
                        (["1", "--journal", str(tmp_path / "none.db")], "none.db"),
                        (["1", "--config", str(tmp_path / "none.toml")], "none.toml"),
                        ([str(tmp_path / "none")], "No such file"), ([str(tmp_path / "text")], "no scan file")):
        assert main(["explain", *words]) == 2
        told = capsys.readouterr().err.strip().splitlines()
        assert says in told[-1], told


def test_a_verdict_on_several_scans_of_a_load_is_explained_from_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """The signed lines are found again in the joined beams, and in no single scan."""
    path = tmp_path / "journal.db"
    weak = Detector(Policy(limit_kg_max={"PETN": 0.01}), detector().package)
    journal_of(path, weak, ("benign",) * 2, looks_s=60.0)
    with reader_of(path) as reader:
        signed = recorded_scan(reader, 4)
        assert [scan.scan_id for scan in scans_before(reader, signed)] == [40]
        assert scans_before(reader, recorded_scan(reader, 2)) == ()
    assert signed.verdict is not None
    assert signed.verdict.look is not None
    assert len(signed.verdict.look.raw_sha256s) == 2
    assert main(["explain", "4", "--journal", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["of"] == "record 4, signed, on the scan in record 3 and 1 before it"
    one = next(score for score in signed.verdict.scores if score.substance == told["substance"]["substance"])
    assert [line["z"] for line in told["lines"]] == [line.z for line in one.lines]
    assert all(line["before_chi2"] < 3.0 for line in told["lines"])

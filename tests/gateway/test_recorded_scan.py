"""A scan of the journal can be decided again: the verdict on its file is the one that was signed."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from functools import cache
from typing import TYPE_CHECKING

import pytest

from gateway.cli.main import main
from gateway.detection.detector import Detector, Policy
from gateway.detection.verdict import Verdict
from gateway.evidence.reader import reader_of
from gateway.judgement import SHIPPED_MODEL
from gateway.recorded_scan import NotRebuilt, RecordedScan, recorded_scan
from gateway.scan_file import read_scan
from tests.gateway.scan_journal import journal_of

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("nitrate", "benign")
SCANS, VERDICTS = (1, 3), (2, 4)    # the certificate's record is the first


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal with two scans and their verdicts."""
    path = tmp_path_factory.mktemp("bay") / "journal.db"
    journal_of(path, detector(), NAMES)
    return path


def found(journal: Path, index: int) -> RecordedScan:
    """The scan of one record."""
    with reader_of(journal) as reader:
        return recorded_scan(reader, index)


@pytest.mark.parametrize("form", ["npz", "cbor"])
@pytest.mark.parametrize("place", [0, 1])
def test_an_exported_scan_gets_the_verdict_that_was_signed(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: int, form: str,
) -> None:
    """Every figure of it, to the last bit, through the file and through the command."""
    out = tmp_path / "scan"
    words = ["--journal", str(journal), "--scan", "--form", form, "--out", str(out)]
    assert main(["export", str(SCANS[place]), *words]) == 0
    signed = found(journal, VERDICTS[place]).verdict
    assert isinstance(signed, Verdict)
    assert f"signed verdict {signed.outcome} in record {VERDICTS[place]}" in capsys.readouterr().out
    assert detector().decide(read_scan(out.read_bytes())) == signed
    assert main(["detect", str(out), "--json"]) == (1, 0)[place]
    told = json.loads(capsys.readouterr().out)
    assert told["reasons"] == list(signed.reasons)
    assert told["calibrated"]
    assert [one["statistic"] for one in told["substances"]] == [one.glrt for one in signed.scores]
    assert (told["scan_id"], told["raw_sha256"]) == (40 + place, signed.raw_sha256.hex())


def test_a_scan_is_found_by_its_own_record_and_by_that_of_its_verdict(journal: Path) -> None:
    """Both ways lead to the same scan and the same verdict."""
    for scan, verdict in zip(SCANS, VERDICTS, strict=True):
        here, there = found(journal, scan), found(journal, verdict)
        assert (here.index, here.verdict_index, here.verdict) == (scan, verdict, there.verdict)
        assert repr(here.scan) == repr(there.scan)


def test_a_scan_without_a_certificate_stays_uncalibrated(tmp_path: Path) -> None:
    """The nominal gain and the reason are those of the record."""
    journal_of(tmp_path / "journal.db", detector(), ("benign",), certified=False)
    again = found(tmp_path / "journal.db", 1)
    assert not again.scan.trust.calibrated
    assert again.scan.trust.reason
    assert detector().decide(again.scan) == again.verdict


def test_what_cannot_be_rebuilt_is_refused_with_one_clear_line(
    journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    """Another kind of record, none at all, raw data that were pruned or changed, a certificate that is gone."""
    assert main(["export", "0", "--scan", "--journal", str(journal), "--out", str(tmp_path / "x")]) == 2
    assert "record 0 is a calibration: must be a scan or a verdict" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    with pytest.raises(NotRebuilt, match="the journal has the records 0 to 4"):
        found(journal, 99)
    copy = tmp_path / "journal.db"
    copy.write_bytes(journal.read_bytes())
    with closing(sqlite3.connect(copy)) as other, other:
        other.execute("UPDATE raw SET data = zeroblob(100)")
    with pytest.raises(NotRebuilt, match="raw data are gone from the journal, or changed"):
        found(copy, 1)


def test_a_certificate_that_is_not_in_the_journal_is_missed(journal: Path, tmp_path: Path) -> None:
    """Points that cannot be calibrated as they were are not exported as if they could."""
    copy = tmp_path / "journal.db"
    copy.write_bytes(journal.read_bytes())
    with closing(sqlite3.connect(copy)) as other, other:
        other.execute("DELETE FROM record WHERE idx = 0")
    with pytest.raises(NotRebuilt, match="no record before it holds the certificate"):
        found(copy, 2)

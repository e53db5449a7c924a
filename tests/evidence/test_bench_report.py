"""The signed bench report: what was signed is what is read, and nothing else passes for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.bench_report import (
    FORMAT,
    BenchReport,
    Check,
    Device,
    Figure,
    ReportRefused,
    Software,
    Trial,
    decode,
    encode,
)
from gateway.evidence import cose, keys
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file

DOCUMENT = (Path(__file__).parents[2] / "docs" / "record.md").read_text()
KEY = keys.generate()
CHECK = Check("it says who it is", "passed", "", 0.5, (Figure("rows", 2.0, "1", "at least 1"),))
TRIAL = Trial("twinleaf", "/dev/ttyUSB0", emulated=False, unit=1, seconds=10.0, settings={}, checks=(CHECK,),
              device=Device("Twinleaf", "VMR", "1", ""))
SOFTWARE = Software("0.1.0", "00" * 32, "3.11", "x86_64", {"numpy": "1"})
PROMISES = {CHECK.name: "Its model is told."}
REPORT = BenchReport(FORMAT, "2026-01-01T00:00:00+00:00", "synchronised", SOFTWARE, PROMISES, (TRIAL,))


def signed(tmp_path: Path, payload: bytes) -> Path:
    """Write a signed message."""
    path = tmp_path / "report.cose"
    path.write_bytes(cose.sign(payload, KEY.ed25519, KEY.kid))
    return path


def test_a_report_is_verified_with_the_public_key_alone(tmp_path: Path) -> None:
    """`spingate verify` says that it holds, what was tried, and that a signature does not show that it was done."""
    found = verify_file(signed(tmp_path, encode(REPORT)), KEY.public)
    assert (found.status, found.what) == (Status.VALID, "bench report")
    assert "twinleaf on /dev/ttyUSB0: Twinleaf VMR 1: 1 passed, 0 failed, 0 not tried" in found.shown
    assert found.notes


def test_no_byte_of_it_can_be_changed(tmp_path: Path) -> None:
    """Every flipped byte makes it invalid or unreadable."""
    path = signed(tmp_path, encode(REPORT))
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
        assert verify_file(path, KEY.public).status != Status.VALID


@pytest.mark.parametrize("payload", [b"{}", b"{", b'{"format":"spingate bench report 2"}', b"[" * 5000, b"\xff"])
def test_a_signed_message_that_is_no_report_is_not_valid(tmp_path: Path, payload: bytes) -> None:
    """A good signature around something else is no report, and no record."""
    assert verify_file(signed(tmp_path, payload), KEY.public).status == Status.INVALID


def test_the_documents_lines_for_openssl_verify_it(tmp_path: Path) -> None:
    """docs/record.md shows how to check a record without this software; a report is checked by the same lines."""
    path = signed(tmp_path, encode(REPORT))
    path.rename(tmp_path / "record.cose")
    (tmp_path / "gateway.pub.pem").write_bytes(keys.public_pem(KEY.public))
    block = DOCUMENT.split("```sh")[1].split("```")[0]
    lines = block.strip().split("\n")[1:]     # the first takes a record out of a proof
    command = ["sh", "-e", "-c", "\n".join(lines)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False)
    assert "Signature Verified Successfully" in done.stdout, done.stderr


def test_another_key_does_not_verify_it(tmp_path: Path) -> None:
    """A report signed by a stranger is invalid."""
    assert verify_file(signed(tmp_path, encode(REPORT)), keys.generate().public).status == Status.INVALID


def test_a_report_too_long_for_one_message_is_refused() -> None:
    """The limit of a signed message is told before it is signed."""
    assert decode(encode(REPORT)) == REPORT
    check = replace_check("x" * 300)
    long = BenchReport(FORMAT, "", "", SOFTWARE, {}, (replace_trial((check,) * 300),))
    with pytest.raises(ReportRefused, match="at most"):
        encode(long)


def replace_check(detail: str) -> Check:
    """Return the check with other words."""
    return Check(CHECK.name, "failed", detail, 0.5)


def replace_trial(checks: tuple[Check, ...]) -> Trial:
    """Return the trial with other checks."""
    return Trial("twinleaf", "", emulated=False, unit=1, seconds=1.0, settings={}, checks=checks, device=None)


def test_a_failed_check_is_named_and_the_report_has_not_passed() -> None:
    """Not tried is not failed, and nothing tried is not passed."""
    failed = BenchReport(FORMAT, "", "", SOFTWARE, {}, (replace_trial((replace_check("no sample"),)),))
    untried = BenchReport(FORMAT, "", "", SOFTWARE, {}, (replace_trial((Check("a", "not tried", "", 0.0),)),))
    assert [report.passed for report in (REPORT, failed, untried)] == [True, False, False]

"""A null set's file: what was signed is what is read, nothing else passes for it, and no size of it hurts."""

from __future__ import annotations

import math
import os
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import cbor2
import pycddl
import pytest

from gateway import null_set_file
from gateway.detection.null_set import SCANS_MAX, Excluded, NullSet
from gateway.evidence import cbor, cose, keys, record
from gateway.evidence.cbor import RecordRefused
from gateway.evidence.record import Kind
from gateway.evidence.verification import Status
from gateway.evidence.verify import FILE_BYTES_MAX, verify_file
from gateway.null_set_file import NullSetRefused, read, sign, unverified, verify
from tests.detection.null_sets import null_set
from tests.evidence.samples import GATEWAY, KEY, draft

NULLS = null_set([1.0, 0.0, 2.5])
SIGNED = sign(NULLS, KEY)
DOCS = Path(__file__).parents[2] / "docs"
CDDL = pycddl.Schema((DOCS / "null-set.cddl").read_text())


def kept(folder: Path, data: bytes) -> Path:
    """A file with these bytes."""
    path = folder / "nulls.cbor"
    path.write_bytes(data)
    return path


def altered(**changed: object) -> bytes:
    """The signed set with other values at some keys of its map."""
    _format, entries = cbor2.loads(cose.parse(SIGNED).payload)
    entries.update({int(key[1:]): value for key, value in changed.items()})
    payload = cbor.encode([null_set_file.FORMAT, entries])
    return cose.sign(payload, KEY.ed25519, KEY.kid)


def test_what_was_signed_is_what_is_read_and_anyone_can_verify_it(tmp_path: Path) -> None:
    """The set comes back whole, and `spingate verify` says what it holds and what a signature does not show."""
    assert verify(SIGNED, KEY.public.ed25519) == NULLS
    assert unverified(SIGNED) == NULLS
    found = verify_file(kept(tmp_path, SIGNED), KEY.public)
    assert (found.status, found.what) == (Status.VALID, "null set")
    assert "null set of 3 scans" in found.shown[0]
    assert found.notes
    assert null_set_file.FILE_BYTES_MAX == FILE_BYTES_MAX


def test_the_published_description_is_what_is_written() -> None:
    """An independent validator takes the payload, with and without the times that may be absent."""
    for nulls in (NULLS, replace(NULLS, first_ns=None, last_ns=None, scans=(), excluded=())):
        CDDL.validate_cbor(cose.parse(sign(nulls, KEY)).payload)
    for key in ("_5", "_14", "_17"):
        with pytest.raises(pycddl.ValidationError):
            CDDL.validate_cbor(cose.parse(altered(**{key: "x"})).payload)


def test_no_byte_of_it_can_be_changed_and_none_left_out(tmp_path: Path) -> None:
    """Every flipped byte and every cut is refused, the empty file too."""
    for place in range(len(SIGNED)):
        flipped = SIGNED[:place] + bytes([SIGNED[place] ^ 1]) + SIGNED[place + 1:]
        with pytest.raises(NullSetRefused):
            verify(flipped, KEY.public.ed25519)
        with pytest.raises(NullSetRefused):
            verify(SIGNED[:place], KEY.public.ed25519)
    with pytest.raises(NullSetRefused, match="follow"):
        verify(SIGNED + b"\0", KEY.public.ed25519)
    assert verify_file(kept(tmp_path, SIGNED[:-1]), KEY.public).status is not Status.VALID


def test_a_stranger_cannot_sign_one() -> None:
    """Only a key that was given counts; and one that claims its id does not help either."""
    other = keys.generate()
    with pytest.raises(NullSetRefused, match="which was not given"):
        verify(sign(NULLS, other), KEY.public.ed25519)
    forged = cose.sign(cose.parse(SIGNED).payload, other.ed25519, KEY.kid)
    with pytest.raises(NullSetRefused, match="does not belong to these bytes"):
        verify(forged, KEY.public.ed25519)


def test_a_record_is_no_null_set_and_a_null_set_no_record(tmp_path: Path) -> None:
    """What one signature was given for can never be shown as the other."""
    message = cose.sign(record.encode(draft(Kind.FAULT), GATEWAY, 3), KEY.ed25519, KEY.kid)
    with pytest.raises(NullSetRefused, match="not a 'spingate null set 1'"):
        verify(message, KEY.public.ed25519)
    with pytest.raises(RecordRefused):
        record.decode(cose.verify(SIGNED, KEY.public.ed25519))
    assert verify_file(kept(tmp_path, message), KEY.public).what == "record"


@pytest.mark.parametrize(("changed", "words"), [
    ({"_14": [0, 1]}, "not of 2 scans"), ({"_15": bytes(95)}, "digests"), ({"_15": bytes(96)}, "twice"),
    ({"_16": [1, 2, 4]}, "from 1 to 3"), ({"_99": 0}, "not known"), ({"_8": ["RDX"]}, "by_substance"),
    ({"_17": cbor2.CBORTag(86, b"\xff" * 24)}, "scores"), ({"_3": b""}, "software_sha256"),
])
def test_a_signed_set_that_contradicts_itself_is_refused(changed: dict[str, object], words: str) -> None:
    """A good signature around columns that do not agree is no null set."""
    with pytest.raises(NullSetRefused, match=words):
        verify(altered(**changed), KEY.public.ed25519)


@pytest.mark.parametrize("pfa", [0.0, math.nan, -1.0, 1e-320, 0.6])
def test_a_set_of_no_policy_is_refused_before_anything_is_worked_out_of_it(pfa: float) -> None:
    """A rate of nought or none ended `spingate nulls show` in a traceback."""
    with pytest.raises(NullSetRefused, match="pfa_per_scan"):
        sign(replace(NULLS, demands=replace(NULLS.demands, pfa_per_scan=pfa)), KEY)


def test_a_score_that_is_not_the_largest_of_its_substances_is_refused() -> None:
    """An alarm is held against it, so no one can raise it beside what stands under it."""
    raised = replace(NULLS, scans=tuple(replace(scan, score=99.0) for scan in NULLS.scans))
    with pytest.raises(NullSetRefused, match="the largest of its substances"):
        sign(raised, KEY)


def test_copies_and_unreadable_scans_can_be_excluded() -> None:
    """The making asks for it: exclude what does not belong, such as the same raw data again."""
    why = "a copy, or its points are gone"
    gone = tuple(Excluded(at, bytes(32), math.nan, why) for at in (10, 11))
    copies = (Excluded(9, NULLS.scans[0].raw_sha256, 1.0, why), *gone)
    assert len(verify(sign(replace(NULLS, excluded=copies), KEY), KEY.public.ed25519).excluded) == 3


def test_a_payload_changed_anywhere_is_taken_whole_or_refused_in_our_own_words() -> None:
    """Whoever holds a key may sign rubbish: of it comes a null set that agrees with itself, or one clear refusal."""
    payload, chance, taken = cose.parse(SIGNED).payload, random.Random(7), 0
    for _ in range(6000):
        data = bytearray(payload)
        for _ in range(chance.randint(1, 3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            nulls = null_set_file.decode(bytes(data[:chance.choice((len(data), len(data), chance.randrange(1000)))]))
        except NullSetRefused:
            continue
        taken += len({one.raw_sha256 for one in nulls.scans}) == len(nulls.scans)
    assert taken > 100


def test_a_scan_that_counts_twice_is_not_signed() -> None:
    """Neither end of the road takes one scan for two."""
    with pytest.raises(NullSetRefused, match="twice"):
        sign(replace(NULLS, scans=(NULLS.scans[0], NULLS.scans[0])), KEY)


def test_the_largest_set_fits_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    """10 000 scans take 1.4 MB, are verified by the same command, and no more are signed."""
    large: NullSet = null_set([0.5] * SCANS_MAX)
    data = sign(large, KEY)
    assert len(data) < 1_500_000
    assert verify_file(kept(tmp_path, data), KEY.public).status is Status.VALID
    with pytest.raises(NullSetRefused, match="at most 10000"):
        sign(null_set([0.5] * (SCANS_MAX + 1)), KEY)


@pytest.mark.parametrize("scans", [3, 1000])
def test_the_documents_lines_for_openssl_verify_it(tmp_path: Path, scans: int) -> None:
    """docs/record.md shows how to check a record without this software; a set of any length is checked by the same."""
    (tmp_path / "record.cose").write_bytes(sign(null_set([1.0] * scans), KEY))
    (tmp_path / "gateway.pub.pem").write_bytes(keys.public_pem(KEY.public))
    lines = (DOCS / "record.md").read_text().split("```sh")[1].split("```")[0].strip().split("\n")[1:]
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True,
                          timeout=20, check=False)
    assert "Signature Verified Successfully" in done.stdout, done.stderr


def test_a_huge_file_is_not_read_and_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """100 MB, a folder, a named pipe and nothing at all: each is one clear line."""
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.write(SIGNED[:20])
        file.truncate(100_000_000)
    with pytest.raises(NullSetRefused, match="more than 4194304 bytes"):
        read(huge)
    assert verify_file(huge, KEY.public).status is Status.UNREADABLE
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(NullSetRefused, match="no such file"):
            read(path)

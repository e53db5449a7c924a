"""A configured null set: verified and fitting it bounds false alarms; anything wrong with it changes no answer."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from calibration.certificate import Subject
from gateway.assembly import assemble
from gateway.checks import null_set as checked
from gateway.cli.detect import nulls_for
from gateway.config import Loaded, load
from gateway.detection.detector import Detector, Policy
from gateway.detection.null_set import Demands
from gateway.detection.null_test import NullTest, TheoryAlone
from gateway.evidence import keys
from gateway.evidence.act import ModelBody
from gateway.evidence.body import FaultBody
from gateway.evidence.cose import verify
from gateway.evidence.reader import reader_of
from gateway.evidence.record import decode
from gateway.evidence.verification import Status
from gateway.evidence.verify import verify_file
from gateway.judgement import SHIPPED_MODEL
from gateway.null_set_file import sha256, sign
from gateway.null_set_use import TakenUp, take_up_nulls
from gateway.software import detection_sha256
from hil.scene.scenario import scenario
from hil.training.emulated import calibrated
from tests.detection.null_sets import HEAD, NAMES, SETTING, null_set

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.detection.null_set import NullSet
    from gateway.evidence.record import Record

OWN, OTHER = keys.generate(), keys.generate()
SUBJECT = Subject(HEAD.make, HEAD.model, HEAD.serial)


@cache
def detector() -> Detector:
    """The shipped detector, loaded once."""
    return Detector.load(SHIPPED_MODEL, Policy())


def good(scores: tuple[float, ...] = (1.0,) * 99) -> NullSet:
    """A set that fits the shipped detector."""
    return null_set(scores, SETTING, detector().model_sha256, detection_sha256())


def configured(folder: Path, tables: str = "") -> Loaded:
    """A configuration that names a null set beside it."""
    head = '[gateway]\nid = "bay-1"\nstate_dir = "state"\nrun_dir = "run"\n[key]\nfile = "gateway.key"\n'
    (folder / "gateway.toml").write_text(f'{head}[detection]\nnull_set = "nulls.cbor"\n{tables}\n')
    return load(folder / "gateway.toml")


def taken(folder: Path, data: bytes | None, tables: str = "", heads: tuple[Subject, ...] = (SUBJECT,)) -> TakenUp:
    """What comes of a configured set with these bytes."""
    if data is not None:
        (folder / "nulls.cbor").write_bytes(data)
    found = take_up_nulls(configured(folder, tables), OWN.public.ed25519, detector(), heads)
    assert found is not None
    return found


def test_a_good_set_is_taken_up_by_its_digest(tmp_path: Path) -> None:
    """Its words are in the record, its bytes are kept, and it is what verdicts are held against."""
    data = sign(good(), OWN)
    found = taken(tmp_path, data)
    assert (found.body.accepted, found.body.name, found.data) == (True, "null set nulls.cbor", data)
    assert found.against == NullTest.of(good(), sha256(data))
    assert "null set of 99 scans" in found.body.card
    (tmp_path / "gateway.toml").write_text('[gateway]\nid = "bay-1"\n')
    assert take_up_nulls(load(tmp_path / "gateway.toml"), OWN.public.ed25519, detector()) is None


def test_a_listed_key_counts_beside_the_gateways_own_and_no_other(tmp_path: Path) -> None:
    """Who may vouch for a bay stands in the configuration."""
    data = sign(good(), OTHER)
    assert "which was not given" in taken(tmp_path, data).body.reason
    (tmp_path / "lab.pem").write_bytes(keys.public_pem(OTHER.public))
    assert taken(tmp_path, data, 'null_set_keys = ["lab.pem"]').body.accepted
    assert "null_set_keys" in taken(tmp_path, data, 'null_set_keys = ["no.pem"]').body.reason


@pytest.mark.parametrize(("changed", "words"), [
    ({"model_sha256": bytes(32)}, "made with the model 0000000000000000"),
    ({"detection_sha256": bytes(32)}, "another version of the decision"),
    ({"demands": Demands.of(Policy(cargo_k_min=270.0))}, "other demands"),
    ({"setting": replace(SETTING, dwell_s=120.0)}, "scan.dwell_s = 300"),
    ({"setting": replace(SETTING, head=replace(HEAD, serial="8"))}, "another head, Spingate emulated"),
    ({"scans": ()}, "no scan in it"),
    ({"substances": tuple(reversed(NAMES))}, "other substances"),
])
def test_a_set_that_does_not_fit_is_refused_and_theory_decides_with_the_reason(
    tmp_path: Path, changed: dict[str, Any], words: str,
) -> None:
    """Another model, version, demand, dwell or head: the verdict is that of theory, and says why."""
    found = taken(tmp_path, sign(replace(good(), **changed), OWN))
    assert (found.body.accepted, found.data) == (False, None)
    assert words in found.body.reason
    assert isinstance(found.against, TheoryAlone)


@pytest.mark.parametrize(("data", "words"), [
    (None, "no such file"), (b"", "an empty file"), (b"\xd2" * 100, "not a signed null set"),
    (sign(null_set([1.0] * 99), OWN)[:-1], "not a signed null set"), (bytes(5 << 20), "more than 4194304 bytes"),
])
def test_a_broken_file_is_refused_with_one_line(tmp_path: Path, data: bytes | None, words: str) -> None:
    """None of them stops the gateway."""
    found = taken(tmp_path, data)
    assert words in found.body.reason
    assert not found.body.accepted


def test_a_head_without_a_certificate_is_compared_when_it_scans(tmp_path: Path) -> None:
    """At start nobody knows which heads there are; the set is taken up, and each scan says who measured it."""
    strange = replace(good(), setting=replace(SETTING, head=replace(HEAD, serial="8")))
    assert taken(tmp_path, sign(strange, OWN), heads=()).body.accepted


def test_a_broken_set_never_hides_an_alarm_and_never_makes_one(tmp_path: Path) -> None:
    """The same scan with no set, a refused one and one of another head: the same answer."""
    loud = replace(calibrated(scenario("nitrate").scan()), device=HEAD)
    before = Detector(Policy(), detector().package).decide(loud)
    strange = replace(good((500.0,) * 99), setting=replace(SETTING, head=replace(HEAD, serial="8")))
    for data, heads in ((b"", ()), (sign(strange, OWN), ())):
        against = taken(tmp_path, data, heads=heads).against
        after = Detector(Policy(), detector().package, against).decide(loud)
        assert (after.outcome, after.scores) == (before.outcome, before.scores)
        assert after.reasons[:-1] == before.reasons
        assert "decided by theory alone" in after.reasons[-1]


def journaled(folder: Path) -> tuple[list[Record], Loaded]:
    """The records of a start with the configured set, its bytes as raw data among them."""
    loaded = configured(folder)
    assembly = assemble(loaded)
    against = assembly.judgement.detector.against if assembly.judgement.detector else None
    assert against is not None
    # The file is swapped while the gateway runs: what was loaded counts.
    (folder / "nulls.cbor").write_bytes(b"swapped")
    assert assembly.judgement.detector is not None
    assert assembly.judgement.detector.against is against
    assembly.close()
    public = keys.load_public(folder / "gateway.pub.pem")
    with reader_of(folder / "state" / "journal.db") as reader:
        return [decode(verify(one.message, public.ed25519)) for one in reader.records(0)], loaded


def test_a_start_journals_the_set_whole_and_a_refusal_as_a_signed_fault(tmp_path: Path) -> None:
    """Years later the journal alone holds the nulls that a verdict was compared with, or why there were none."""
    key = keys.create(tmp_path / "gateway.key", tmp_path / "gateway.pub.pem")
    data = sign(good(), key)
    (tmp_path / "nulls.cbor").write_bytes(data)
    records, _loaded = journaled(tmp_path)
    last = records[-1]
    assert isinstance(last.body, ModelBody)
    assert (last.body.name, last.body.accepted) == ("null set nulls.cbor", True)
    assert last.provenance.model_sha256 == last.provenance.raw_sha256 == sha256(data)
    with reader_of(tmp_path / "state" / "journal.db") as reader:
        kept = reader.raw(sha256(data))
    assert kept is not None
    assert kept.data == data
    records, loaded = journaled(tmp_path)     # the next start finds the swapped file
    refused, told = records[-2].body, records[-1].body
    assert isinstance(refused, ModelBody)
    assert (refused.accepted, records[-2].provenance.raw_sha256) == (False, None)
    assert isinstance(told, FaultBody)
    assert (told.name, told.kind, told.detail) == ("null set", "refused", refused.reason)
    assert verify_file(tmp_path / "state" / "journal.db", key.public).status is Status.VALID
    assert checked(loaded).word == "FAIL"


def test_detect_takes_the_configured_set_as_the_gateway_does(tmp_path: Path) -> None:
    """With a configuration a scan file is held against its set; a private key out of reach leaves the listed ones."""
    data = sign(good(), OTHER)
    (tmp_path / "nulls.cbor").write_bytes(data)
    (tmp_path / "lab.pem").write_bytes(keys.public_pem(OTHER.public))
    configured(tmp_path, 'null_set_keys = ["lab.pem"]')
    words = Namespace(nulls=None, key=None, config=tmp_path / "gateway.toml")
    assert nulls_for(words, detector()) == NullTest.of(good(), sha256(data))
    (tmp_path / "nulls.cbor").write_bytes(b"")
    assert isinstance(nulls_for(words, detector()), TheoryAlone)
    words.config = None
    assert nulls_for(words, detector()) is None


def test_check_says_how_far_a_set_reaches(tmp_path: Path) -> None:
    """Enough scans are in order, too few are warned of."""
    key = keys.create(tmp_path / "gateway.key", tmp_path / "gateway.pub.pem")
    loaded, words = configured(tmp_path), []
    for scores in ((0.0,) * 99, (0.0,) * 98):
        (tmp_path / "nulls.cbor").write_bytes(sign(good(scores), key))
        words.append(checked(loaded).word)
    assert words == ["OK", "WARN"]

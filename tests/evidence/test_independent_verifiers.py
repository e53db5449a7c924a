"""Others verify what we sign: openssl and Node, from the record's bytes and the public key alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.evidence import checkpoint, cose, keys, record
from gateway.evidence.export import export
from gateway.evidence.reader import reader_of
from gateway.evidence.record import Kind
from tests.evidence.samples import GATEWAY, KEY, draft, make_journal

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUN_S_MAX = 30


def program(name: str) -> str:
    """Return the path of a program that the machine must have."""
    found = shutil.which(name)
    package = {"node": "nodejs"}.get(name, name)
    assert found, f"{name} is not installed: apt-get install {package}"
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Write the public key as the gateway does, with the second algorithm's block behind it."""
    path = tmp_path / "gateway.pub.pem"
    path.write_bytes(keys.public_pem(KEY.public) + keys.public_pem(keys.generate().public))
    return path


@pytest.mark.parametrize("kind", [Kind.READING, Kind.VERDICT, Kind.KEY])
def test_node_verifies_a_record_and_refuses_a_changed_one(tmp_path: Path, public: Path, kind: Kind) -> None:
    """A verifier of 50 lines without any library reaches the same payload."""
    payload = record.encode(draft(kind), GATEWAY, 7)
    message = cose.sign(payload, KEY.ed25519, KEY.kid)
    file = tmp_path / "record.cose"
    file.write_bytes(message)
    good = run(program("node"), str(HERE / "verify.mjs"), str(file), str(public))
    assert (good.returncode, good.stdout.strip()) == (0, sha256(payload).hexdigest()), good.stderr
    for place in (30, len(message) // 2, len(message) - 1):
        file.write_bytes(message[:place] + bytes([message[place] ^ 1]) + message[place + 1:])
        assert run(program("node"), str(HERE / "verify.mjs"), str(file), str(public)).returncode != 0


def openssl(data: bytes, signature: bytes, public: Path, folder: Path) -> bool:
    """Tell whether openssl finds that `signature` belongs to `data`."""
    (folder / "signed").write_bytes(data)
    (folder / "signature").write_bytes(signature)
    command = ("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", str(public))
    files = ("-in", str(folder / "signed"), "-sigfile", str(folder / "signature"))
    return run(program("openssl"), *command, *files).returncode == 0


def test_openssl_verifies_a_record(tmp_path: Path, public: Path) -> None:
    """The signed bytes are put together by hand here, as docs/record.md tells a stranger to."""
    payload = record.encode(draft(Kind.VERDICT), GATEWAY, 7)
    message = cose.sign(payload, KEY.ed25519, KEY.kid)
    protected, signature = message[3:16], message[-64:]
    assert (message[:3].hex(), message[16:17].hex()) == ("d2844d", "a0")
    size = len(payload).to_bytes(2, "big")
    signed = b"\x84\x6aSignature1" + bytes([0x40 | len(protected)]) + protected + b"\x40" + b"\x59" + size + payload
    assert openssl(signed, signature, public, tmp_path)
    assert not openssl(signed[:-1] + bytes([signed[-1] ^ 1]), signature, public, tmp_path)


def test_the_recipe_in_the_documentation_works_as_it_stands(tmp_path: Path) -> None:
    """Every shell line of docs/record.md is run on an exported proof, and refuses a changed one."""
    make_journal(tmp_path / "journal.db", 80, checkpoint_each=80)
    (tmp_path / "gateway.pub.pem").write_bytes(keys.public_pem(KEY.public))
    proof = tmp_path / "77.tlog-proof"
    with reader_of(tmp_path / "journal.db") as reader:
        proof.write_bytes(export(reader, 77))
    recipes = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "record.md").read_text(), re.DOTALL)
    assert len(recipes) == 2
    for recipe in recipes:
        command = [program("bash"), "-euc", recipe]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=RUN_S_MAX, check=False)
        assert (done.returncode, done.stdout) == (0, "Signature Verified Successfully\n"), done.stderr
    good = proof.read_text()
    for place, recipe in ((good.index("extra ") + 200, recipes[0]), (good.rindex("\n80\n") + 1, recipes[1])):
        proof.write_text(good[:place] + ("9" if good[place] != "9" else "8") + good[place + 1:])
        command = [program("bash"), "-euc", recipe]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=RUN_S_MAX, check=False).returncode


def test_openssl_verifies_a_checkpoint(tmp_path: Path, public: Path) -> None:
    """The first three lines of a checkpoint are what its Ed25519 line signs."""
    head = checkpoint.parse(checkpoint.sign("spingate/gw-1", 7, bytes(32), KEY))
    assert openssl(head.body, head.signatures[0].signature, public, tmp_path)
    assert not openssl(head.body + b"\n", head.signatures[0].signature, public, tmp_path)

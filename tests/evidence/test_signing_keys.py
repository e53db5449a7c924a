"""Keys on disk: made private, refused when open to others, loaded with or without the second algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.evidence import keys
from gateway.evidence.keys import KeyExists, KeyTooOpen, KeyUnusable
from tests.evidence.samples import KEY

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_key_is_private_and_loads_again(tmp_path: Path) -> None:
    """The private file is 0600 in a 0700 folder, and both halves come back."""
    private, public = tmp_path / "keys" / "gateway.key", tmp_path / "gateway.pub.pem"
    made = keys.create(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    assert private.parent.stat().st_mode & 0o777 == 0o700
    loaded = keys.load(private)
    assert loaded.kid == made.kid
    assert (loaded.ml_dsa_44 is None) == (made.ml_dsa_44 is None)
    assert keys.load_public(public).ed25519.keys() == {made.kid}
    assert keys.public_pem(keys.load_public(public)) == keys.public_pem(loaded.public) == public.read_bytes()


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    """A second creation fails and leaves the first key as it is."""
    private = tmp_path / "gateway.key"
    made = keys.create(private, tmp_path / "a.pem")
    with pytest.raises(KeyExists, match=r"gateway\.key"):
        keys.create(private, tmp_path / "b.pem")
    assert keys.load(private).kid == made.kid


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602, 0o644, 0o610])
def test_a_key_that_others_could_read_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    """The message names the file, its mode and the command that repairs it."""
    private = tmp_path / "gateway.key"
    keys.create(private, tmp_path / "gateway.pub.pem")
    private.chmod(mode)
    with pytest.raises(KeyTooOpen, match=rf"gateway\.key: mode {mode:04o} .*chmod 0600"):
        keys.load(private)


def test_a_systemd_credential_may_show_a_group_bit_but_none_for_others(tmp_path: Path) -> None:
    """Systemd grants the service's user access by an access list, whose mask shows as the group's bits."""
    private = tmp_path / "gateway.key"
    keys.create(private, tmp_path / "gateway.pub.pem")
    private.chmod(0o440)
    assert keys.load(private, credential=True).kid
    private.chmod(0o444)
    with pytest.raises(KeyTooOpen):
        keys.load(private, credential=True)


def test_a_file_that_holds_no_usable_key_is_refused_by_name(tmp_path: Path) -> None:
    """Missing, empty, noise, another kind of key, a public key: each a clear KeyUnusable."""
    path = tmp_path / "gateway.key"
    with pytest.raises(KeyUnusable, match="No such file"):
        keys.load(path)
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    noise = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    for data in (b"", b"\xff" * 100, other, noise, keys.public_pem(KEY.public), bytes(100_000)):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeyUnusable, match=r"gateway\.key"):
            keys.load(path)
        if data != keys.public_pem(KEY.public):
            with pytest.raises(KeyUnusable, match=r"gateway\.key"):
                keys.load_public(path)


def test_ed25519_alone_serves_where_the_backend_lacks_ml_dsa(tmp_path: Path) -> None:
    """The second algorithm is optional at every step."""
    path = tmp_path / "gateway.key"
    path.write_bytes(keys.private_pem(KEY))
    path.chmod(0o400)
    assert KEY.ml_dsa_44 is None
    assert keys.load(path).ml_dsa_44 is None
    assert keys.load(path).public.ml_dsa_44 == ()

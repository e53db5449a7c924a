"""Signing keys on disk: create, load, and the public half that everybody may have.

A key that others could have read is refused: what it signed would prove nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from gateway.evidence.cose import kid_of

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
except ImportError:                     # an older cryptography does not know the algorithm at all
    HAS_ML_DSA_MODULE = False
else:
    HAS_ML_DSA_MODULE = True

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY_FILE_BYTES_MAX = 65_536             # a private ML-DSA-44 key in PEM is under 4 KiB; 64 KiB is no key
PEM_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----\n?", re.DOTALL)
PUBLIC_MODE, PRIVATE_MODE, FOLDER_MODE = 0o644, 0o600, 0o700
GROUP_OR_OTHERS, OTHERS = 0o077, 0o007


class KeyUnusable(ValueError):
    """A key file that is missing, unreadable or holds no usable key."""


class KeyTooOpen(KeyUnusable):
    """A private key that others may read."""


class KeyExists(KeyUnusable):
    """A key stands where a new one was to be written; no key is ever overwritten."""


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """The keys a verifier trusts: Ed25519 by key id, and ML-DSA-44 for the second line of a checkpoint."""

    ed25519: Mapping[bytes, Ed25519PublicKey]
    ml_dsa_44: tuple[MLDSA44PublicKey, ...] = ()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What the gateway signs with. `ml_dsa_44` is None where the crypto backend does not have it."""

    ed25519: Ed25519PrivateKey
    ml_dsa_44: MLDSA44PrivateKey | None = None

    @property
    def kid(self) -> bytes:
        """Return the key id that stands in every record."""
        return kid_of(self.ed25519.public_key().public_bytes_raw())

    @property
    def public(self) -> PublicKeys:
        """Return the public halves."""
        second = () if self.ml_dsa_44 is None else (self.ml_dsa_44.public_key(),)
        return PublicKeys({self.kid: self.ed25519.public_key()}, second)


def generate() -> SigningKey:
    """Return a new key, with an ML-DSA-44 key beside it where the crypto backend can make one."""
    second = None
    if HAS_ML_DSA_MODULE:
        try:
            second = MLDSA44PrivateKey.generate()
        except UnsupportedAlgorithm:
            second = None
    return SigningKey(Ed25519PrivateKey.generate(), second)


def create(private: Path, public: Path) -> SigningKey:
    """Make a key, write both halves and return it. Raises KeyExists rather than replace one.

    The private file is 0600; its folder is made 0700 where it does not exist.
    """
    if public.exists():                 # looked at first: a private key without its public half is of no use
        raise KeyExists(f"{public}: exists; a key is never overwritten, move it away first")
    key = generate()
    private.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    write_new(private, private_pem(key), PRIVATE_MODE)
    write_new(public, public_pem(key.public), PUBLIC_MODE)
    return key


def load(path: Path, *, credential: bool = False) -> SigningKey:
    """Return the private key in a PEM file. Raises KeyTooOpen or KeyUnusable.

    `credential` is true for a file in systemd's credential folder: systemd may grant the service's user read
    access by an access list, which shows as a group bit, so there only access by others is refused.
    """
    data = read_private(path, GROUP_OR_OTHERS if not credential else OTHERS)
    first, second = None, None
    for block in pem_blocks(data, path):
        try:
            key = load_pem_private_key(block, password=None)
        except UnsupportedAlgorithm:
            continue                    # an ML-DSA key on a backend without it: Ed25519 signs alone
        except (ValueError, TypeError) as error:
            raise KeyUnusable(f"{path}: no private key in PEM without a password: {error}") from error
        if isinstance(key, Ed25519PrivateKey):
            first = first or key
        elif HAS_ML_DSA_MODULE and isinstance(key, MLDSA44PrivateKey):
            second = second or key
    if first is None:
        raise KeyUnusable(f"{path}: holds no Ed25519 private key")
    return SigningKey(first, second)


def load_public(path: Path) -> PublicKeys:
    """Return every Ed25519 and ML-DSA-44 public key in a PEM file. Raises KeyUnusable."""
    try:
        data = path.read_bytes()[:KEY_FILE_BYTES_MAX]
    except OSError as error:
        raise KeyUnusable(f"{path}: cannot be read: {error.strerror}") from error
    ed25519: dict[bytes, Ed25519PublicKey] = {}
    second = []
    for block in pem_blocks(data, path):
        try:
            key = load_pem_public_key(block)
        except UnsupportedAlgorithm:
            continue                    # checked with Ed25519 alone; the result says so
        except ValueError as error:
            raise KeyUnusable(f"{path}: no public key in PEM: {error}") from error
        if isinstance(key, Ed25519PublicKey):
            ed25519[kid_of(key.public_bytes_raw())] = key
        elif HAS_ML_DSA_MODULE and isinstance(key, MLDSA44PublicKey):
            second.append(key)
    if not ed25519:
        raise KeyUnusable(f"{path}: holds no Ed25519 public key")
    return PublicKeys(ed25519, tuple(second))


def read_private(path: Path, forbidden: int) -> bytes:
    """Return the bytes of a private file, refusing one whose mode has a forbidden bit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        fix = ": `spingate keys new` makes one" if isinstance(error, FileNotFoundError) else ""
        raise KeyUnusable(f"{path}: cannot be read: {error.strerror}{fix}") from error
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode & 0o777
        if mode & forbidden:
            raise KeyTooOpen(f"{path}: mode {mode:04o} lets others read the signing key: chmod 0600 {path}")
        return file.read(KEY_FILE_BYTES_MAX)


def pem_blocks(data: bytes, path: Path) -> list[bytes]:
    """Return each PEM block of a file."""
    blocks = [match.group(0) for match in PEM_BLOCK.finditer(data)]
    if not blocks:
        raise KeyUnusable(f"{path}: no PEM block in it")
    return blocks


def private_pem(key: SigningKey) -> bytes:
    """Return the key as PKCS #8 in PEM, the Ed25519 block first."""
    halves = (key.ed25519,) if key.ml_dsa_44 is None else (key.ed25519, key.ml_dsa_44)
    return b"".join(half.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for half in halves)


def public_pem(keys: PublicKeys) -> bytes:
    """Return the public keys in PEM, the Ed25519 blocks first: openssl reads the first block."""
    halves: list[Ed25519PublicKey | MLDSA44PublicKey] = [*keys.ed25519.values(), *keys.ml_dsa_44]
    return b"".join(half.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for half in halves)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet, durably and never with a wider mode than wanted."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise KeyExists(f"{path}: exists; a key is never overwritten, move it away first") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)

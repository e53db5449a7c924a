"""The tree against golden roots and against pymerkle: roots, inclusion, consistency."""

from __future__ import annotations

import random
from hashlib import sha256

import pymerkle
import pytest

from gateway.evidence.tree import (
    EMPTY_ROOT,
    CompactRange,
    consistency_ranges,
    grew,
    hashes_of,
    includes,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_of,
)

# The leaves of the Certificate Transparency test vectors, and the root after each (RFC 6962).
GOLDEN = (
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
)
ENTRIES = [b"record %d" % number for number in range(130)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
SIZES = [*range(1, 34), 63, 64, 65, 100, 127, 128, 129, 130]


def between(start: int, end: int) -> list[bytes]:
    """Return the leaf hashes of a range."""
    return LEAVES[start:end]


@pytest.fixture(scope="module")
def oracle() -> pymerkle.InmemoryTree:
    """Return an independent tree of the same entries."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def test_the_golden_roots_come_out() -> None:
    """Each appended leaf gives the published root."""
    tree = CompactRange()
    assert tree.root() == EMPTY_ROOT == sha256(b"").digest()
    for leaf, root in GOLDEN:
        tree.add(leaf_hash(bytes.fromhex(leaf)))
        assert tree.root().hex() == root


def test_roots_agree_with_an_independent_tree(oracle: pymerkle.InmemoryTree) -> None:
    """Every size up to 130."""
    for size in range(1, len(LEAVES) + 1):
        assert root_of(LEAVES[:size]) == oracle.get_state(size)


def test_inclusion_proofs_agree_with_an_independent_tree(oracle: pymerkle.InmemoryTree) -> None:
    """The same path for every leaf of every size tried, and it verifies; pymerkle puts the leaf itself first."""
    for size in SIZES:
        root = root_of(LEAVES[:size])
        for index in range(size):
            proof = hashes_of(inclusion_ranges(index, size), between)
            assert list(proof) == oracle.prove_inclusion(index + 1, size).path[1:]
            assert includes(LEAVES[index], index, size, proof, root)


def subproof(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:  # noqa: FBT001  # RFC 6962's own argument
    """Return SUBPROOF(m, D[n], b) as RFC 6962 section 2.1.2 writes it, recursion and all."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    if old <= half:
        return [*subproof(old, leaves[:half], whole), root_of(leaves[half:])]
    return [*subproof(old - half, leaves[half:], False), root_of(leaves[:half])]


def test_consistency_proofs_are_those_of_the_definition_and_verify() -> None:
    """For every pair of sizes tried the proof is the one RFC 6962 defines, and it holds."""
    for size in SIZES:
        for old in range(size + 1):
            proof = hashes_of(consistency_ranges(old, size), between)
            assert old == 0 or list(proof) == subproof(old, LEAVES[:size], True)
            assert grew(old, root_of(LEAVES[:old]), size, root_of(LEAVES[:size]), proof)


def test_published_consistency_proofs_come_out() -> None:
    """Two proofs of the Certificate Transparency test vectors: from 6 to 8 and from 2 to 5 leaves."""
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf, _root in GOLDEN]
    for old, size, wanted in (
        (6, 8, ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7")),
        (2, 5, ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b")),
    ):
        proof = hashes_of(consistency_ranges(old, size), lambda start, end: leaves[start:end])
        assert tuple(each.hex() for each in proof) == wanted


def test_an_independent_tree_shows_growth_between_our_roots(oracle: pymerkle.InmemoryTree) -> None:
    """The proofs of pymerkle, which have another form, hold between the roots that we computed."""
    for size in SIZES:
        for old in range(1, size + 1):
            theirs = oracle.prove_consistency(old, size)
            pymerkle.verify_consistency(root_of(LEAVES[:old]), root_of(LEAVES[:size]), theirs)


def test_a_wrong_proof_shows_nothing() -> None:
    """Another leaf, index, size, root, or any hash changed, dropped, added or moved is refused."""
    chance = random.Random(6962)
    for size in SIZES:
        root = root_of(LEAVES[:size])
        index = chance.randrange(size)
        proof = hashes_of(inclusion_ranges(index, size), between)
        assert not includes(leaf_hash(b"another"), index, size, proof, root)
        assert not includes(LEAVES[index], index, size, (*proof, EMPTY_ROOT), root)
        assert not includes(LEAVES[index], size, size, proof, root)
        assert not includes(LEAVES[index], -1, size, proof, root)
        assert not any(includes(LEAVES[index], other, size, proof, root) for other in range(size) if other != index)
        for place in range(len(proof)):
            changed = (*proof[:place], EMPTY_ROOT, *proof[place + 1:])
            assert not includes(LEAVES[index], index, size, changed, root)
            assert not includes(LEAVES[index], index, size, proof[:place] + proof[place + 1:], root)


def test_a_tree_that_was_rewritten_never_looks_grown() -> None:
    """With any old leaf changed, no proof made from the new tree shows that it grew from the old one."""
    for size, old in ((2, 1), (7, 3), (8, 4), (33, 32), (100, 63), (130, 65)):
        other = [leaf_hash(b"forged"), *LEAVES[1:]]
        proof = hashes_of(consistency_ranges(old, size), lambda start, end, other=other: other[start:end])  # type: ignore[misc]  # bound at once
        assert not grew(old, root_of(LEAVES[:old]), size, root_of(other[:size]), proof)
        honest = hashes_of(consistency_ranges(old, size), between)
        for place in range(len(honest)):
            changed = (*honest[:place], EMPTY_ROOT, *honest[place + 1:])
            assert not grew(old, root_of(LEAVES[:old]), size, root_of(LEAVES[:size]), changed)
            assert not grew(old, root_of(LEAVES[:old]), size, root_of(LEAVES[:size]), honest[:place])


def test_a_node_is_never_taken_for_a_leaf() -> None:
    """The prefix keeps a pair of hashes from passing as a record (second preimage)."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


def test_a_tree_goes_on_from_its_peaks() -> None:
    """What a checkpoint stores is enough to continue; a wrong number of peaks is refused."""
    half = CompactRange()
    for leaf in LEAVES[:77]:
        half.add(leaf)
    again = CompactRange(half.size, half.peaks)
    for leaf in LEAVES[77:]:
        again.add(leaf)
    assert again.root() == root_of(LEAVES)
    with pytest.raises(ValueError, match="4"):
        CompactRange(77, half.peaks[1:])
    with pytest.raises(IndexError):
        inclusion_ranges(5, 5)
    with pytest.raises(IndexError):
        consistency_ranges(6, 5)

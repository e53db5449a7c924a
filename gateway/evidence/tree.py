"""The Merkle tree of RFC 6962 over SHA-256: grow it, prove that a record is in it, prove that it only grew.

No I/O: stored leaf hashes are passed in.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """Return the hash of a leaf; the 00 keeps a leaf from ever being taken for a node."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """A tree that remembers only one root for each 1-bit of its size: enough to grow and to give its root."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Begin empty, or from a size and its peaks, largest subtree first."""
        if len(peaks) != size.bit_count() or any(len(peak) != HASH_BYTES for peak in peaks):
            raise ValueError(f"{len(peaks)} peaks for a tree of {size}: must be {size.bit_count()} of 32 bytes")
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        node, size = leaf, self.size
        while size & 1:
            node, size = node_hash(self.peaks.pop(), node), size >> 1
        self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the tree head: the peaks folded from the smallest to the largest."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes in order."""
    tree = CompactRange()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def split(size: int) -> int:
    """Return the largest power of two below `size` (at least 2): where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots prove leaf `index` in a tree of `size`, from the leaf upwards.

    RFC 6962 section 2.1.1, with the recursion unrolled.
    """
    if not 0 <= index < size:
        raise IndexError(f"record {index} is not in a tree of {size}")
    ranges: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, size: int) -> list[tuple[int, int]]:
    """Return the leaf ranges whose roots prove that a tree of `size` only grew from `old`.

    RFC 6962 section 2.1.2, with the recursion unrolled. Empty where old is 0 or equals size.
    """
    if not 0 <= old <= size:
        raise IndexError(f"a tree of {size} did not grow from {old}")
    if old in {0, size}:
        return []
    ranges: list[tuple[int, int]] = []
    start, end, whole = 0, size, True
    while end != old:
        middle = start + split(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def hashes_of(ranges: Iterable[tuple[int, int]], leaves: Callable[[int, int], Iterable[bytes]]) -> tuple[bytes, ...]:
    """Return the root of each range; `leaves` gives the leaf hashes from a first index to one past the last."""
    return tuple(root_of(leaves(start, end)) for start, end in ranges)


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows `leaf` at `index` of the tree with this size and root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, place = leaf, size - 1, index
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            node = node_hash(sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and node == root


def grew(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the tree only grew from the old head to this one (RFC 9162 2.1.4.2)."""
    if not 0 <= old <= size:
        return False
    if old in {0, size}:
        return not proof and (old_root == EMPTY_ROOT if old == 0 else old_root == root)
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == root

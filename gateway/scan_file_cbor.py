"""The CBOR form of a scan file: one map with the sidecar's keys and typed arrays (RFC 8949, RFC 8746). Pure.

Rule: a complex number is two float32, real part first, little-endian; there is no other way to write one.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

import cbor2
import numpy as np

from gateway.evidence.cbor import REFUSE_TAGS
from gateway.scan_keys import Parts, ScanFileRefused, tree_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calibration.reading import CalibratedScan

SELF_DESCRIBED: Final = b"\xd9\xd9\xf7"     # tag 55799, RFC 8949 section 3.4.6
MAP_MAJOR: Final = 5
ROW_MAJOR: Final = 40                       # RFC 8746 section 3.1.1
FLOAT32_LE: Final = 85                      # RFC 8746 section 2.1
DEPTH_MAX: Final = 8                        # file > bands > band, and two tags around an array


def is_cbor(data: bytes) -> bool:
    """Tell a CBOR map by its first byte, behind the mark of self-described CBOR if there is one."""
    first = data.removeprefix(SELF_DESCRIBED)[:1]
    return bool(first) and first[0] >> 5 == MAP_MAJOR


def parts_of(data: bytes) -> Parts:
    """Return what a file holds. Raises ScanFileRefused."""
    stream = io.BytesIO(data.removeprefix(SELF_DESCRIBED))
    decoder = cbor2.CBORDecoder(stream, semantic_decoders=REFUSE_TAGS, max_depth=DEPTH_MAX, allow_indefinite=False,
                                allow_duplicate_keys=False)
    try:
        tree = decoder.decode()
    except cbor2.CBORDecodeError as wrong:
        raise ScanFileRefused(f"not CBOR as this format has it: {wrong}") from wrong
    if stream.read(1):
        raise ScanFileRefused("not CBOR as this format has it: something follows the map")
    if not isinstance(tree, dict) or "field_ft" not in tree:
        raise ScanFileRefused("field_ft is missing: must be a key of the map")
    gain = tree.pop("pilot_gain", None)
    return Parts(tree, complex_of("field_ft", tree.pop("field_ft"), 4),
                 None if gain is None else complex_of("pilot_gain", gain, 2))


def complex_of(name: str, item: object, dimensions: int) -> NDArray[np.complex64]:
    """Return the array that a tag stands for; its last length is the 2 of real and imaginary part."""
    inner = item.value if isinstance(item, cbor2.CBORTag) and item.tag == ROW_MAJOR else None
    if not isinstance(inner, list | tuple) or len(inner) != 2:
        raise ScanFileRefused(f"{name}: must be an array of {dimensions + 1} dimensions (tag 40)")
    lengths, numbers = inner
    whole = isinstance(lengths, list | tuple) and all(type(one) is int and 0 < one < 2**16 for one in lengths)
    if not whole or len(lengths) != dimensions + 1 or lengths[-1] != 2:
        raise ScanFileRefused(f"{name} of dimensions {lengths!r:.80}: must be {dimensions} lengths and a 2")
    if not isinstance(numbers, cbor2.CBORTag) or numbers.tag != FLOAT32_LE or type(numbers.value) is not bytes:
        raise ScanFileRefused(f"{name}: must hold 32-bit numbers, little-endian (tag 85)")
    if len(numbers.value) != 4 * math.prod(lengths):
        raise ScanFileRefused(f"{name} of {len(numbers.value)} bytes: must be {4 * math.prod(lengths)}")
    return np.frombuffer(numbers.value, "<f4").astype(np.float32).reshape(lengths).view(np.complex64)[..., 0]


def written(scan: CalibratedScan) -> bytes:
    """Return the file of a scan."""
    tree = tree_of(scan)
    tree["field_ft"] = tag_of(np.stack([band.field_ft for band in scan.bands]))
    tree["pilot_gain"] = tag_of(np.stack([band.pilot_gain for band in scan.bands]))
    return SELF_DESCRIBED + cbor2.dumps(tree, canonical=True)


def tag_of(array: NDArray[np.complex64]) -> cbor2.CBORTag:
    """Return the tag that stands for an array."""
    pairs = np.ascontiguousarray(array).view(np.float32).astype("<f4")
    return cbor2.CBORTag(ROW_MAJOR, [[*array.shape, 2], cbor2.CBORTag(FLOAT32_LE, pairs.tobytes())])

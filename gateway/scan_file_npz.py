"""The NPZ form of a scan file: what numpy.savez writes, arrays and one JSON text, read without pickle. Pure.

Rule: no size is believed before it is bounded, and nothing in the archive is executed or unpickled.
"""

from __future__ import annotations

import io
import json
import tokenize
import zipfile
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.scan_keys import Parts, ScanFileRefused, tree_of

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from calibration.reading import CalibratedScan

MAGIC: Final = b"PK\x03\x04"
ARRAYS: Final = ("field_ft", "pilot_gain", "sidecar")
# An array of 32 bands in complex128 takes 8.4 MB unpacked.
MEMBER_BYTES_MAX: Final = 16 << 20
# 32 bands in full take 8 kB as JSON, four times that in numpy's text; the rest is for a note.
SIDECAR_CHARS_MAX: Final = 65_536
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError,
           SyntaxError, tokenize.TokenError)


def is_npz(data: bytes) -> bool:
    """Tell an archive by its first bytes."""
    return data.startswith(MAGIC)


def parts_of(data: bytes) -> Parts:
    """Return what an archive holds. Raises ScanFileRefused."""
    members = members_of(data)
    for name in ("field_ft", "sidecar"):
        if name not in members:
            raise ScanFileRefused(f"{name} is missing: must be an array of the archive")
    sidecar, gain = array_of("sidecar", members["sidecar"]), members.get("pilot_gain")
    if sidecar.dtype.kind not in "US" or sidecar.ndim:
        raise ScanFileRefused(f"sidecar of type {sidecar.dtype}, shape {sidecar.shape}: must be one JSON text")
    return Parts(json_of(sidecar), complex_of("field_ft", members["field_ft"]),
                 None if gain is None else complex_of("pilot_gain", gain))


def members_of(data: bytes) -> dict[str, bytes]:
    """Return the arrays of an archive as they were packed, by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            problem = objection(entries)
            if not problem:
                return {entry.filename.removesuffix(".npy"): archive.read(entry) for entry in entries}
    except DAMAGED as wrong:
        raise ScanFileRefused(f"a damaged archive: {wrong}") from wrong
    raise ScanFileRefused(problem)


def objection(entries: list[zipfile.ZipInfo]) -> str:
    """Say which entry has no business in a scan file or is too large; empty where none is."""
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    for at, name in enumerate(names):
        if name not in ARRAYS or name in names[:at]:
            return f"array {name[:64]!r} in the archive: must be, once each: {', '.join(ARRAYS)}"
        if entries[at].file_size > MEMBER_BYTES_MAX:
            return f"{name} of {entries[at].file_size} bytes: must be at most {MEMBER_BYTES_MAX}"
    return ""


def array_of(name: str, packed: bytes) -> NDArray[Any]:
    """Return one array of the archive; types that would need pickle are refused."""
    stream = io.BytesIO(packed)
    try:
        major, _ = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(stream)
        if kind.kind in "cUS":
            return np.frombuffer(packed, kind, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")
    except DAMAGED as wrong:
        raise ScanFileRefused(f"{name}: not an array as numpy.savez writes it: {wrong}") from wrong
    raise ScanFileRefused(f"{name} of type {kind}: must be {'text' if name == 'sidecar' else 'complex64'}")


def complex_of(name: str, packed: bytes) -> NDArray[np.complex64]:
    """Return a complex array in the width the detector works with; what is too large for it becomes infinite."""
    array = array_of(name, packed)
    if array.dtype.kind != "c":
        raise ScanFileRefused(f"{name} of type {array.dtype}: must be complex64")
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(array, np.complex64)


def json_of(sidecar: NDArray[Any]) -> object:
    """Return the tree in the sidecar's text."""
    if sidecar.dtype.itemsize > 4 * SIDECAR_CHARS_MAX:
        raise ScanFileRefused(f"sidecar of {sidecar.dtype.itemsize} bytes: at most {SIDECAR_CHARS_MAX} characters")
    try:
        text = sidecar.item()
        return json.loads(text)
    except (ValueError, RecursionError) as wrong:  # not UTF-8, not JSON, or nested past the interpreter
        raise ScanFileRefused(f"sidecar: not JSON: {wrong}") from wrong


def written(scan: CalibratedScan) -> bytes:
    """Return the archive of a scan, byte for byte the same each time."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, field_ft=np.stack([band.field_ft for band in scan.bands]),
             pilot_gain=np.stack([band.pilot_gain for band in scan.bands]), sidecar=np.array(json.dumps(tree_of(scan))))
    return stream.getvalue()

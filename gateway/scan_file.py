"""A calibrated scan as a file, in one of two forms: NPZ for numpy, CBOR for everybody else. Pure: bytes in, bytes out.

Rule: a file is taken whole or refused with key, value and rule; docs/scan-format.md says what stands in it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway import scan_file_cbor, scan_file_npz
from gateway.scan_keys import ScanFileRefused, scan_of, tree_of

if TYPE_CHECKING:
    from calibration.reading import CalibratedScan

# Twice 32 bands, the most there are, in complex128: 8.4 MB.
FILE_BYTES_MAX: Final = 16 << 20
FORMS: Final = ("npz", "cbor")


def is_scan_file(data: bytes) -> bool:
    """Tell a scan file from others by its first bytes: a zip archive, or a CBOR map."""
    return scan_file_npz.is_npz(data) or scan_file_cbor.is_cbor(data)


def read_scan(data: bytes) -> CalibratedScan:
    """Return the scan in a file. Raises ScanFileRefused."""
    if len(data) > FILE_BYTES_MAX:
        raise ScanFileRefused(f"{len(data)} bytes or more: must be at most {FILE_BYTES_MAX}")
    if not is_scan_file(data):
        raise ScanFileRefused("neither an NPZ archive nor a CBOR map: no scan file, see docs/scan-format.md")
    parts = scan_file_npz.parts_of(data) if scan_file_npz.is_npz(data) else scan_file_cbor.parts_of(data)
    return scan_of(parts, hashlib.sha256(data).digest())


def write_scan(scan: CalibratedScan, form: str) -> bytes:
    """Return a scan as a file of one of `FORMS`, read back and compared. Raises ScanFileRefused."""
    data = scan_file_npz.written(scan) if form == "npz" else scan_file_cbor.written(scan)
    again = read_scan(data)
    if tree_of(again) != tree_of(scan):
        raise ScanFileRefused("a number that the format has no word for")
    for band, copy in zip(scan.bands, again.bands, strict=True):
        if not all(np.array_equal(one, other, equal_nan=True) for one, other in
                   ((band.field_ft, copy.field_ft), (band.pilot_gain, copy.pilot_gain))):
            raise ScanFileRefused(f"band at {band.plan.carrier_hz:g} Hz: points that the format cannot hold")
    return data

"""Golden packets of the first generation (stream 0): the vendor's legacy Python host accepts them.

A golden frame never changes together with the code that reads it. Wire forms, and all of SOURCE 2, were computed.
"""

from __future__ import annotations

TIMEBASE_PACKET = bytes.fromhex(
    "06 00 2c 00 00 00 01 01 00 00 00 00 00 00 00 00 10 27 00 00 01 00 00 00 01 00 00 00 77 cc 2b 32"
    "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
TIMEBASE_WIRE = bytes.fromhex("c0") + TIMEBASE_PACKET + bytes.fromhex("03 6a ca 45 c0")

VECTOR_PACKET = bytes.fromhex(
    "07 00 33 00 01 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 03 00 42 76 65 63 74 6f 72 09 78 2c 79 2c 7a 09"
    "4d 61 67 6e 65 74 69 63 20 66 69 65 6c 64 09 6e 54")
VECTOR_WIRE = bytes.fromhex("c0") + VECTOR_PACKET + bytes.fromhex("2d d1 7c 7b c0")

THERM_WIRE = bytes.fromhex(
    "c0 07 00 29 00 02 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 42 74 68 65 72 6d 09 09"
    "54 65 6d 70 65 72 61 74 75 72 65 09 43 b9 6d 87 ee c0")
THERM_PACKET = THERM_WIRE[1:-5]

STREAM_PACKET = bytes.fromhex(
    "08 00 30 00 00 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 00 01 00"
    "01 00 00 00 01 00 00 00 00 00 00 00 02 00 00 00 01 00 00 00 00 00 00 00")
STREAM_WIRE = bytes.fromhex("c0") + STREAM_PACKET + bytes.fromhex("12 91 56 4c c0")

# Stream 0, sample 7, three floats: 21000.5, -500.25, 43210.5.
ROW_WIRE = bytes.fromhex("c0 80 00 10 00 07 00 00 00 00 11 a4 46 00 20 fa c3 80 ca 28 47 3d fa b8 c4 c0")
ROW_PACKET = ROW_WIRE[1:-5]

"""Golden TIO frames, built with or accepted by the vendor's own software; those marked were computed.

A golden frame never changes together with the code that reads it.
"""

from __future__ import annotations

from drivers import tio_metadata as metadata
from drivers import tio_payload as payload

NAME_REQUEST_PACKET = bytes.fromhex("02 00 0c 00 34 12 08 80 64 65 76 2e 6e 61 6d 65")
STREAM_PACKET = bytes.fromhex("81 00 10 00 c0 00 00 00 00 11 a4 46 00 20 fa c3 80 ca 28 47")

WIRES = {name: bytes.fromhex(text) for name, text in {
    "request": "c0 02 00 0c 00 34 12 08 80 64 65 76 2e 6e 61 6d 65 71 dc 1b 84 c0",
    "reply": "c0 03 00 05 00 34 12 56 4d 52 0c d5 8e 8b c0",
    "error": "c0 04 00 04 00 34 12 02 00 ef e9 24 28 c0",
    "routed": "c0 02 02 11 00 34 12 09 80 64 61 74 61 2e 72 61 74 65 00 00 48 42 02 00 fe 1a b2 3c c0",
    "heartbeat": "c0 05 00 00 00 2e 2f 9a 16 c0",
    "boot": "c0 05 00 04 00 cd ab 34 12 fe 95 ca af c0",
    "stream": "c0 81 00 10 00 db dc 00 00 00 00 11 a4 46 00 20 fa c3 80 ca 28 47 00 22 a5 2e c0",
    "legacy": "c0 80 00 10 00 07 00 00 00 00 11 a4 46 00 20 fa c3 80 ca 28 47 3d fa b8 c4 c0",
    # computed:
    "metadata request":
        "c0 02 00 10 00 af 1e 0c 80 64 65 76 2e 6d 65 74 61 64 61 74 61 34 59 9b 9c c0",
    "columns request":
        "c0 02 00 16 00 af 1e 0c 80 64 65 76 2e 6d 65 74 61 64 61 74 61 04 01 00 04 01 01 6e fe bb fa c0",
    "metadata reply":
        "c0 03 00 30 00 af 1e 01 1c 09 03 cd ab 34 12 0a 06 01 56 4d 52 56 4d 52 2e 52 38 2e 53 49 4d"
        "61 62 63 31 32 33 02 0e 09 01 04 01 10 00 64 00 05 66 69 65 6c 64 03 22 70 97 c0",
    "setting": "c0 0c 00 0e 00 08 00 72 70 63 2e 68 61 73 68 78 56 34 12 72 12 9b aa c0",
    "log": "c0 01 00 0a 00 00 00 00 00 03 72 65 61 64 79 cc 70 a0 ce c0",
}.items()}

DEVICE = metadata.Device("VMR", 0x1234ABCD, "VMR.R8.SIM", "abc123", 1)
STREAM = metadata.Stream(1, "field", 4, 1, 16, 100)
SEGMENT = metadata.Segment(1, 0, 3, 3, "VMR.R8.SIM", 0x1234ABCD, 1_760_000_000, 100, 1, 0.0, 0)
COLUMN = metadata.Column(1, 0, 0x42, "vector.x", "nT", "Field X")

# Record, packet, wire; the wire forms are computed.
RECORDS = [(record, bytes.fromhex(packet), bytes.fromhex("c0" + packet + check + "c0"))
           for record, packet, check in (
    (DEVICE, ("0b 00 1e 00 01 01 09 03 cd ab 34 12 0a 06 01 56 4d 52 56 4d 52 2e 52 38 2e 53 49 4d"
              "61 62 63 31 32 33"), "14 34 03 8d"),
    (STREAM, "0b 00 10 00 02 01 09 01 04 01 10 00 64 00 05 66 69 65 6c 64", "43 6c 02 22"),
    (SEGMENT, ("0b 00 27 00 03 01 1b 01 00 03 03 0a cd ab 34 12 00 78 e7 68 64 00 00 00 01 00 00 00"
               "00 00 00 00 00 56 4d 52 2e 52 38 2e 53 49 4d"), "52 fd f4 c4"),
    (COLUMN, "0b 00 1a 00 04 01 07 01 00 42 08 02 07 76 65 63 74 6f 72 2e 78 6e 54 46 69 65 6c 64 20 58",
             "20 57 e3 76"),
)]

PAYLOADS = {
    "request": payload.Request(0x1234, "dev.name"),
    "reply": payload.Reply(0x1234, b"VMR"),
    "error": payload.Refusal(0x1234, 2, ""),
    "metadata request": payload.Request(7855, "dev.metadata"),
    "columns request": payload.Request(7855, "dev.metadata", bytes((4, 1, 0, 4, 1, 1))),
    "setting": payload.Setting(0, "rpc.hash", bytes.fromhex("78563412")),
    "log": payload.LogLine(0, 3, "ready"),
}

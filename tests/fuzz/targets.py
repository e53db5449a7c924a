"""What is fuzzed: every stream driver of the table, and the decoders that read what a stranger wrote.

Rule: a target takes any bytes and raises only for a broken promise; what it raises is a finding.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

from drivers import slip, tio
from drivers.capture import CaptureReader, CaptureRefused, parse_capture, write_capture
from drivers.driver import DriverOptions
from drivers.sample import Sample
from drivers.table import DRIVERS
from drivers.tio_metadata import decode_metadata, decode_records, encode_metadata
from drivers.twinleaf import INSTRUMENT as TWINLEAF
from tests.drivers import walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.driver import Instrument, StreamDriver
    from drivers.sample import Event

# Two of the longest frames; with 4096 bytes there were a fourth as many inputs in a second.
INPUT_BYTES_MAX = 1024
PIECES = (1, 2, 3, 7, 16, 64, 300)
STATE_BYTES_MAX = 1_000_000


def driver_target(row: Instrument, *, packets: bool) -> Callable[[bytes], None]:
    """Return a target: the first byte says how the others are cut; the driver is asked between the pieces."""
    def target(data: bytes) -> None:
        if not data:
            return
        whole = events_of(row, [data[1:]], packets=packets)
        cut = events_of(row, pieces(data[1:], data[0]), packets=packets)
        if row.speaks and said(whole) != said(cut):
            raise AssertionError(f"cut otherwise, other samples: {len(said(whole))}, {len(said(cut))}")
    return target


def events_of(row: Instrument, chunks: list[bytes], *, packets: bool) -> list[Event]:
    """Return what a fresh driver makes of the chunks, if every promise about it is kept."""
    driver = cast("StreamDriver", row.make(DriverOptions(packets=packets)))
    driver.opened(0)
    events: list[Event] = []
    now = 0
    for chunk in chunks:
        walk.well_asked(driver.ask(now))
        events += walk.checked(driver.feed(chunk, now))
        now += 0 if row.speaks else walk.TURN_NS
    if len(chunks) > 1 and walk.state_bytes(driver) > STATE_BYTES_MAX:
        raise AssertionError(f"the driver holds more than {STATE_BYTES_MAX} bytes")
    return events


def pieces(data: bytes, seed: int) -> list[bytes]:
    """Return the data in pieces that the seed chooses."""
    rng = random.Random(seed)
    found = []
    while data:
        size = rng.choice(PIECES)
        found.append(data[:size])
        data = data[size:]
    return found


def said(events: list[Event]) -> list[object]:
    """Return the samples as values that compare."""
    return [(walk.content(event), event.flags) for event in events if isinstance(event, Sample)]


def twinleaf_packets(data: bytes) -> None:
    """Packets with a good checksum and any content: what lies behind the CRC that no fuzzer guesses."""
    wire = b""
    while len(data) >= 2:
        size = data[1]
        packet = tio.Packet(data[0], data[2:2 + size])
        wire += slip.frame(tio.pack(packet))
        data = data[2 + size:]
    events_of(TWINLEAF, [wire[:50], wire[50:]], packets=False)


def tio_records(data: bytes) -> None:
    """The records by which a device describes itself: read or refused, and what is read can be written again."""
    for read in (lambda: [decode_metadata(data)[1]], lambda: decode_records(data)):
        try:
            found = read()
        except tio.Malformed:
            continue
        for record in found:
            if record is not None and "?" not in str(record) and "\ufffd" not in str(record):
                encode_metadata(record, 0)


def captures(data: bytes) -> None:
    """A capture file: read or refused with the line, and what is read is the same after it was written."""
    text = data.decode("latin-1")
    try:
        capture = parse_capture(text)
    except CaptureRefused:
        return
    if parse_capture(write_capture(capture)) != capture:
        raise AssertionError("a capture that reads otherwise after it was written")
    list(CaptureReader().chunks(text.splitlines()))


def register_maps(data: bytes) -> None:
    """A register map: read or refused in words."""
    from drivers.map_text import MapRefused, read_map

    try:
        read_map(data.decode("utf-8", "replace"))
    except MapRefused:
        return


def targets() -> dict[str, Callable[[bytes], None]]:
    """Return every target by its name; a new stream driver is one as soon as it stands in the table."""
    found: dict[str, Callable[[bytes], None]] = {}
    for row in DRIVERS.values():
        if row.kind == "stream":
            found[row.name] = driver_target(row, packets=False)
            if any(case.bare for case in walk.cases("stream").values() if case.row is row):
                found[f"{row.name}-tcp"] = driver_target(row, packets=True)
    decoders = (twinleaf_packets, tio_records, captures, register_maps)
    return found | {decoder.__name__.replace("_", "-"): decoder for decoder in decoders}


def seeds(name: str) -> list[bytes]:
    """Return inputs to begin with: shipped captures, whole and in parts."""
    from hil.captures import shipped_captures

    if name == "captures":
        return [file.read_bytes() for file in shipped_captures()]
    if name == "register-maps":
        from importlib.resources import files

        return [map_.read_bytes() for map_ in (files("drivers") / "maps").iterdir() if map_.name.endswith(".toml")]
    found = []
    for case in walk.cases("stream").values():
        if name in {case.row.name, f"{case.row.name}-tcp"}:
            heard = b"".join(chunk.data for chunk in case.capture.chunks if chunk.from_device)
            found += [b"\x00" + heard[:INPUT_BYTES_MAX - 1], b"\x01" + heard[:200], b"\x02" + heard[-500:]]
    return found

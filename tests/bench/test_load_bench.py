"""The load run: what counts as lost, how memory's slope is found, and that it gives every figure."""

from __future__ import annotations

import json

import numpy as np
import pytest

from calibration.reading import Reading, Trust
from drivers.sample import Channel, Fault, Identity
from gateway.cli.bench import load_json, load_lines
from gateway.clock import Now
from gateway.drafts import Drafter
from gateway.evidence.record import Provenance, decode, encode
from hil.bench.load import SEATS, measure_load
from hil.bench.load_figures import Ledger, Look, load_figures

DRAFTER = Drafter(bytes(16), Provenance("0", bytes(32), bytes(32)))
NOW = Now(1_000, 2_000, "unsynchronised", None)


def block(first_row: int, rows: int, stream: str = "field") -> Reading:
    """Return a block of a stream."""
    return Reading(Identity("Make", "Model", "1", "1"), stream, (Channel("x", "magnetic flux density", "nT"),),
                   np.zeros((rows, 1)), np.zeros(1), 480.0, first_row, 0, bytes(32),
                   Trust(calibrated=False, certificate_sha256=None, reason="none"))


def test_a_sample_is_lost_where_its_streams_numbering_skips_it_and_nowhere_else() -> None:
    """Streams are numbered each for itself; a device that begins anew has lost nothing that is known."""
    ledger = Ledger()
    for reading in (block(100, 10), block(110, 10), block(0, 5, "aux"), block(123, 10), block(0, 10)):
        ledger.take(decode(encode(DRAFTER.reading(NOW, "lane", reading), "bay", 0)))
    ledger.take(decode(encode(DRAFTER.instrument_fault(NOW, "lane", Fault("gap", "3 samples", 0)), "bay", 0)))
    tally = ledger.of["lane"]
    assert (tally.readings, tally.rows, tally.lost, tally.faults) == (5, 45, 3, {"gap": 1})


def test_cpu_is_of_the_window_and_the_slope_of_all_looks() -> None:
    """A process that grows by a megabyte a minute grows by sixty an hour."""
    looks = [Look(float(second), 5.0 + 0.2 * second, 1.0 + 0.01 * second, 80.0 + second / 60, 30.0)
             for second in range(61)]
    found = load_figures(looks, Ledger(), (0.0, 0.0))
    assert (found.core_cpu_percent, found.publisher_cpu_percent, found.cpu_percent) == (20.0, 1.0, 21.0)
    assert (found.core_mb_per_hour, found.publisher_mb_per_hour) == (60.0, 0.0)


@pytest.mark.timeout(150)  # a gateway, a broker and a bay are started and stopped
def test_a_short_run_gives_every_figure_in_words_too() -> None:
    """A bay of three; what they cost, and whether a busy machine lets them speak at all, is nobody's promise here."""
    seats = [seat for seat in SEATS if seat[0] in {"lane-1", "oven-1", "plc"}]
    found = measure_load("auto", 0.05, lambda _line: None, seats)
    assert found.seconds >= 3.0
    assert found.core_mb > 0 < found.publisher_mb
    assert set(found.instruments) <= {"lane-1", "oven-1", "plc", "model"}
    assert json.loads(json.dumps(load_json(found)))["instruments"].keys() == found.instruments.keys()
    words = "\n".join(load_lines(found))
    assert f"{found.cpu_percent} % of one core" in words
    assert all(name in words for name in found.instruments)

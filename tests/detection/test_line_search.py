"""The search for a line in one record: its false-alarm rate is the stated one, and it tells the real pair apart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from drivers.nqrduck_file import Measurement, read_measurements
from gateway.detection.line_search import SearchRefused, nearest, ratio_threshold, search_line
from tests.whole.installed import command

CAPTURES = Path(__file__).parent.parent / "captures"
SAMPLE, EMPTY = CAPTURES / "nqr_Bi_sample_SE.meas", CAPTURES / "nqr_Bi_no_sample_SE.meas"
RATE_HZ, CARRIER_HZ, OFFSET_HZ = 1e6, 4e6, 1e5
TRIALS = 8_000


def record(points: np.ndarray) -> Measurement:
    """Return a record of these points."""
    return Measurement("", points.reshape(len(points), -1), 0.0, RATE_HZ, CARRIER_HZ, OFFSET_HZ)


def noise(chance: np.random.Generator, count: int, columns: int = 1) -> np.ndarray:
    """Return white complex Gaussian noise."""
    return np.asarray(chance.standard_normal((count, columns, 2)) @ np.array([7.0, 7.0j]))


@pytest.mark.parametrize(("pfa", "columns", "width_hz"), [(0.05, 1, 8e3), (0.01, 1, 20e3), (0.01, 4, 8e3)])
def test_noise_alone_is_called_a_line_as_often_as_stated(pfa: float, columns: int, width_hz: float) -> None:
    """Over 8000 records of noise the count lies within 4 standard deviations of the binomial."""
    chance = np.random.default_rng(20261123)
    said = sum(search_line(record(noise(chance, 256, columns)), CARRIER_HZ, width_hz, pfa).present
               for _ in range(TRIALS))
    assert abs(said - TRIALS * pfa) <= 4 * math.sqrt(TRIALS * pfa * (1 - pfa)), said


@pytest.mark.parametrize("pfa", [0.5, 1e-3, 1e-9])
def test_the_threshold_is_that_of_fishers_distribution(pfa: float) -> None:
    """An independent implementation gives the same tail."""
    for above, below in ((1, 32), (7, 284), (40, 900)):
        assert ratio_threshold(pfa, above, below) == pytest.approx(scipy.stats.f.isf(pfa, 2 * above, 2 * below))


def test_the_real_pair_is_told_apart() -> None:
    """The published record with a sample has its line, the one without has none. Two records prove no rate."""
    (with_line,), (without,) = read_measurements(SAMPLE.read_bytes()), read_measurements(EMPTY.read_bytes())
    found = search_line(with_line, 83.56e6, 50e3, 1e-6)
    assert found.present
    assert found.p_value < 1e-30
    assert abs(found.peak_hz - 83.56e6) < 25e3
    missed = search_line(without, 83.56e6, 50e3, 1e-3)
    assert not missed.present
    assert missed.p_value > 0.05


def test_a_line_beside_the_window_is_not_taken_for_one_in_it() -> None:
    """The real line, 500 kHz away from where it is looked for, makes the search more careful and no alarm."""
    (with_line,) = read_measurements(SAMPLE.read_bytes())
    assert not search_line(with_line, 84.06e6, 50e3, 1e-3).present


def test_stray_tones_of_the_real_receiver_are_taken_for_lines_and_nothing_else_is() -> None:
    """Of 69 windows of the empty record that hold no line, those above 1e-3 hold tones, as the documentation says."""
    (empty,) = read_measurements(EMPTY.read_bytes())
    offsets_hz = [2.5e6 + 60e3 * step for step in range(79)]
    said = [offset for offset in offsets_hz if abs(offset - 5e6) >= 300e3
            and search_line(empty, 78.56e6 + offset, 50e3, 1e-3).present]
    assert [round(offset / 1e6, 2) for offset in said] == [3.7, 7.18]


def test_of_a_scan_the_record_with_the_nearest_carrier_is_searched() -> None:
    """A pulse excites what lies near its carrier."""
    records = [Measurement(str(hz), np.zeros((4, 1)), 0.0, 1e6, hz, 0.0) for hz in (1e6, 2e6, 3e6)]  # type: ignore[arg-type]  # zeros are complex enough
    assert nearest(records, 2.4e6).carrier_hz == 2e6


@pytest.mark.parametrize(("points", "line_hz", "width_hz", "words"), [
    (512, 5e6, 8e3, "the record covers"), (512, CARRIER_HZ + 1e3, 1.0, "resolution of the record"),
    (512, CARRIER_HZ, 800e3, "covers"), (30, CARRIER_HZ, 34e3, "bins beside the window"),
])
def test_a_question_that_the_record_cannot_answer_is_refused(
    points: int, line_hz: float, width_hz: float, words: str,
) -> None:
    """Too narrow, too wide, too far away: each with its reason."""
    with pytest.raises(SearchRefused, match=words):
        search_line(record(noise(np.random.default_rng(1), points)), line_hz, width_hz, 1e-3)


def test_a_record_without_noise_is_refused() -> None:
    """Zeros are no measurement."""
    with pytest.raises(SearchRefused, match="no noise"):
        search_line(record(np.zeros(512, complex)), CARRIER_HZ, 20e3, 1e-3)


def test_the_command_says_yes_no_and_why_not(tmp_path: Path) -> None:
    """Exit 0 with a line, 1 without, 2 where it could not be tried; JSON for a program."""
    words = ("--line-khz", "83560", "--width-khz", "50")
    yes = command("detect", str(SAMPLE), *words, "--json")
    assert (yes.returncode, '"present":true' in yes.stdout) == (0, True), yes
    no = command("detect", str(EMPTY), *words)
    assert no.returncode == 1
    assert "no line above the threshold" in no.stdout
    assert "false-alarm probability of 0.001" in no.stdout
    (tmp_path / "x.meas").write_text("{}")
    for wrong in (("x.meas",), ("none.meas",)):
        failed = command("detect", str(tmp_path / wrong[0]), *words)
        assert failed.returncode == 2
        assert "Traceback" not in failed.stderr

"""The lane's bench: the search finds more of the same passes than energy alone does."""

from __future__ import annotations

from hil.bench.lane import DEFLECTIONS, measure_lane
from hil.bench.lane_page import lane_lines


def test_paired_passes_show_a_gain_and_the_page_says_so() -> None:
    """Four pairs a deflection: in sum the search finds more than energy alone, and the figures are printed."""
    found = measure_lane("1/f", 3, 4, 5)
    assert [one.deflection for one in found.detected] == list(DEFLECTIONS)
    assert sum(one.searched for one in found.detected) > sum(one.energy for one in found.detected)
    page = "\n".join(lane_lines(found))
    assert "gap to theory" in page

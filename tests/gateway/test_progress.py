"""The watchdog's food: only proved progress counts."""

from __future__ import annotations

from gateway.progress import SECOND, Progress


def test_a_part_that_stops_is_named_however_busy_the_others_are() -> None:
    """One dead loop cannot hide behind a lively one."""
    progress = Progress()
    progress.expect("port a", 5.0, 0)
    progress.expect("port b", 5.0, 0)
    for second in range(1, 7):
        progress.step("port a", second * SECOND)
    assert progress.stalled(6 * SECOND) == ["port b for 6.0 s"]
    progress.step("port b", 6 * SECOND)
    assert progress.stalled(6 * SECOND) == []
